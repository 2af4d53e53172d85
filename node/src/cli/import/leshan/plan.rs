//! Which profile each device gets, and what is in the way of those that get none.

use super::security::{Device, Proof};
use super::store::{Account, Accounts};
use crate::cli::bulk::{Found, Line};
use crate::http::is_server_uri;
use claviger_api::{BulkAnswer, BulkStatus, Code, KeyInput, NewDevice, NewPsk, Problem, Profile};
use data_encoding::BASE64;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// How a device comes to its profile.
pub(super) struct Plan<'a> {
    profiles: &'a [Profile],
    for_all: Option<&'a str>,
    map: &'a [(String, String)],
}

/// What a plan made of devices.
pub(super) struct Made {
    pub(super) found: Found,
    /// What is to be said once, a line each: which profiles were taken, and how missing ones are
    /// made.
    pub(super) notes: Vec<String>,
}

/// Why a device is not enrolled, and what to do.
struct Obstacle {
    words: String,
    hint: &'static str,
}

impl<'a> Plan<'a> {
    /// A plan: a profile for all, or one for each server URI in `map`, else those that fit.
    ///
    /// # Errors
    /// If a profile that is named does not exist.
    pub(super) fn new(
        profiles: &'a [Profile],
        for_all: Option<&'a str>,
        map: &'a [(String, String)],
    ) -> Result<Self, String> {
        let mut named = for_all.into_iter().chain(map.iter().map(|(_, name)| name.as_str()));
        let is_there = |name: &str| profiles.iter().any(|profile| profile.name == name);
        match named.find(|name| !is_there(name)) {
            Some(name) => Err(format!("there is no profile named \"{name}\"; make it first")),
            None => Ok(Self { profiles, for_all, map }),
        }
    }

    /// What is to be done with `devices`, which have these accounts.
    pub(super) fn make(&self, devices: Vec<Device>, accounts: &Accounts) -> Made {
        let mut found = Found { lines: Vec::new(), refused: Vec::new() };
        let mut taken: BTreeMap<(&str, Option<&Account>), u64> = BTreeMap::new();
        let mut missing: BTreeMap<&Account, u64> = BTreeMap::new();
        for (number, device) in (1..).zip(devices) {
            let account = self.account(&device, accounts);
            let place = account.and_then(|account| {
                let profile = self.profile(account);
                let profile = profile.inspect_err(|_| {
                    if let Some(account) = account.filter(|a| self.fitting(a).is_empty()) {
                        *missing.entry(account).or_default() += 1;
                    }
                });
                profile.map(|profile| (profile, account))
            });
            let endpoint = device.endpoint.clone();
            let taken_over = place.and_then(|place| Ok((line(number, device, place.0)?, place)));
            match taken_over {
                Ok((line, place)) => {
                    *taken.entry(place).or_default() += 1;
                    found.lines.push(line);
                }
                Err(obstacle) => found.refused.push(refused(number, endpoint, obstacle)),
            }
        }
        Made { found, notes: notes(&taken, &missing) }
    }

    /// The account that decides; none where it does not matter.
    fn account<'b>(
        &self,
        device: &Device,
        accounts: &'b Accounts,
    ) -> Result<Option<&'b Account>, Obstacle> {
        if let Some((words, hint)) = unusable(&device.proof) {
            return Err(Obstacle { words: words.to_owned(), hint });
        }
        if self.for_all.is_some() {
            return Ok(None);
        }
        match accounts.get(&device.endpoint).map(Vec::as_slice).unwrap_or_default() {
            [account] => Ok(Some(account)),
            [] => Err(Obstacle {
                words: "Leshan has no account for it at an LwM2M server".to_owned(),
                hint: "Enrol it by itself, or name a profile by --profile.",
            }),
            many => Err(Obstacle {
                words: format!("it has accounts at {} LwM2M servers, a profile at one", many.len()),
                hint: "Enrol it by itself with the profile that it should have.",
            }),
        }
    }

    fn profile(&self, account: Option<&Account>) -> Result<&'a str, Obstacle> {
        let Some(account) = account else { return Ok(self.for_all.unwrap_or_default()) };
        let (uri, id) = (&account.uri, account.short_server_id);
        match self.fitting(account).as_slice() {
            [name] => Ok(name),
            [] => Err(Obstacle {
                words: format!("no profile has the server {uri} with the Short Server ID {id}"),
                hint: "Make one as shown, or name one by --map.",
            }),
            many => Err(Obstacle {
                words: format!("several profiles have the server {uri}: {}", many.join(", ")),
                hint: "Name one by --map.",
            }),
        }
    }

    /// The profiles that an account may stand for.
    fn fitting(&self, account: &Account) -> Vec<&'a str> {
        let mapped = self.map.iter().filter(|(uri, _)| *uri == account.uri);
        let mapped: Vec<_> = mapped.map(|(_, name)| name.as_str()).collect();
        if !mapped.is_empty() {
            return mapped;
        }
        let fits = |profile: &&Profile| {
            let same_id = profile.short_server_id == account.short_server_id;
            same_id && trimmed(&profile.server_uri) == trimmed(&account.uri)
        };
        self.profiles.iter().filter(fits).map(|profile| profile.name.as_str()).collect()
    }
}

fn trimmed(uri: &str) -> &str {
    uri.strip_suffix('/').unwrap_or(uri)
}

const LATER: &str = "Leave it where it is for now.";

/// Why a device cannot be enrolled, and what to do.
const fn unusable(proof: &Proof) -> Option<(&'static str, &'static str)> {
    match proof {
        Proof::Psk { .. } => None,
        Proof::RawPublicKey(Some(_)) => None,
        Proof::Certificate => Some((
            "it proves itself by a certificate, whose authority is not in Leshan's store",
            "Set that by `claviger trust-anchor put`, and enrol the device with --certificate.",
        )),
        Proof::Oscore => Some(("it proves itself by OSCORE, which is not taken yet", LATER)),
        Proof::RawPublicKey(None) | Proof::Nothing => {
            Some(("Leshan has no key for it that can be read", LATER))
        }
    }
}

fn line(number: u64, device: Device, profile: &str) -> Result<Line, Obstacle> {
    let unreadable = || Obstacle {
        words: "its entry cannot be written as JSON".to_owned(),
        hint: "Enrol it by itself.",
    };
    let mut new = NewDevice::new(device.endpoint, profile);
    match device.proof {
        Proof::Psk { identity, key } => {
            new.psk = Some(NewPsk { identity, key: KeyInput::hex(&key) });
        }
        Proof::RawPublicKey(Some(spki)) => new.public_key = Some(BASE64.encode(&spki)),
        _ => return Err(unreadable()),
    }
    let json = serde_json::to_string(&new).map_err(|_| unreadable())?;
    Ok(Line { number, json: Ok(Zeroizing::new(json)) })
}

fn refused(number: u64, endpoint: String, obstacle: Obstacle) -> BulkAnswer {
    let problem = Problem::new(Code::Invalid, obstacle.words);
    BulkAnswer {
        line: number,
        device: Some(endpoint),
        status: BulkStatus::Refused,
        problem: Some(Problem { hint: obstacle.hint.to_owned(), ..problem }),
    }
}

fn notes(
    taken: &BTreeMap<(&str, Option<&Account>), u64>,
    missing: &BTreeMap<&Account, u64>,
) -> Vec<String> {
    let took = |((profile, account), count): (&(&str, Option<&Account>), &u64)| match account {
        Some(account) => {
            let Account { uri, short_server_id: id, .. } = account;
            format!("{uri} (Short Server ID {id}): profile {profile}, devices: {count}")
        }
        None => format!("profile {profile}, devices: {count}"),
    };
    let lacks = |(account, count): (&&Account, &u64)| {
        let Account { uri, short_server_id: id, lifetime } = account;
        let place = format!("{uri} (Short Server ID {id}): no profile, devices: {count}.");
        // What is printed is made to be copied into a shell, and the URI is somebody else's.
        if !is_server_uri(uri) {
            let words = "Claviger gives accounts at coaps://host:port only; name one by --map";
            return vec![format!("{place} {words}")];
        }
        let lifetime = lifetime.map(|it| format!(" --registration-lifetime {it}"));
        let command = format!(
            "  claviger profile put NAME --server-uri {uri} --short-server-id {id}{} \
             --connector CONNECTOR",
            lifetime.unwrap_or_default(),
        );
        vec![format!("{place} Make one:"), command]
    };
    taken.iter().map(took).chain(missing.iter().flat_map(lacks)).collect()
}

#[cfg(test)]
mod tests;
