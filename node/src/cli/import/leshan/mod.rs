//! `claviger import leshan`: the devices of a Leshan bootstrap server demo, 1.x and 2.0.
//!
//! [`security`] reads who the devices are and by which keys they prove it, from the file that the
//! demo keeps ([`java`]) or from its REST ([`rest`]); [`store`] what account each is given; and
//! [`plan`] finds the profile for that. What comes of it goes the way of any other list.

mod java;
mod plan;
mod rest;
mod security;
mod store;

use crate::cli::client::{Client, Remote};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{note, plain};
use clap::Args;
use claviger_api::Profiles;
use plan::Plan;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use store::Accounts;
use zeroize::Zeroizing;

/// The longest file or answer that is read, in bytes.
const LIMIT: usize = 256 << 20;

/// Where the devices are, and what profiles they get.
#[derive(Debug, Args)]
pub struct Leshan {
    #[command(flatten)]
    remote: Remote,
    /// The demo's file of keys, data/bssecurity.data.
    #[arg(long, value_name = "FILE", required_unless_present = "url")]
    security: Option<PathBuf>,
    /// The demo's file of accounts, data/bootstrapStore.json.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["url", "profile"])]
    store: Option<PathBuf>,
    /// The first page of the running demo, to ask it instead: https, or http at a loopback address.
    #[arg(long, value_name = "URL", conflicts_with_all = ["security", "store"])]
    url: Option<String>,
    /// The profile of all devices, whatever account they have there.
    #[arg(long, value_name = "NAME", conflicts_with = "map")]
    profile: Option<String>,
    /// The profile of devices whose account has this server URI; may be given several times.
    #[arg(long, value_name = "URI=NAME", value_parser = pair)]
    map: Vec<(String, String)>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.rsplit_once('=').filter(|(uri, name)| !uri.is_empty() && !name.is_empty());
    let (uri, name) = pair.ok_or("it must be a server URI, `=` and a profile's name")?;
    Ok((uri.to_owned(), name.to_owned()))
}

impl Leshan {
    /// Does it.
    ///
    /// # Errors
    /// What could not be read, or what the API said.
    pub async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        let (devices, accounts) = self.read().await?;
        let profiles: Profiles = client.get(&["profiles"], &[]).await?;
        let plan = Plan::new(&profiles.profiles, self.profile.as_deref(), &self.map)
            .map_err(|words| Failure::new(Exit::NotFound, words))?;
        let made = plan.make(devices, &accounts);
        made.notes.iter().for_each(|line| note(plain(line)));
        made.found.enrol(&client, self.dry_run, self.remote.output).await
    }

    async fn read(&self) -> Result<(Vec<security::Device>, Accounts), Failure> {
        let read = |words: String| Failure::failed(words);
        if let Some(url) = &self.url {
            let (security, store) = rest::fetch(url).await?;
            let devices = security::of_json(&security).map_err(read)?;
            return Ok((devices, store::read(&store).map_err(read)?));
        }
        // The command line asks for one of both.
        let file = self.security.as_deref().unwrap_or(Path::new("data/bssecurity.data"));
        let of = |file: &Path, words: String| read(format!("{}: {words}", file.display()));
        let devices = security::of_file(&contents(file)?).map_err(|words| of(file, words))?;
        let accounts = match &self.store {
            Some(file) => store::read(&contents(file)?).map_err(|words| of(file, words))?,
            None => Accounts::default(),
        };
        Ok((devices, accounts))
    }
}

fn contents(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let unreadable = |error| Failure::failed(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    // At once, so that no copy with keys is left behind where a buffer has grown.
    let room = usize::try_from(length).unwrap_or(usize::MAX).min(LIMIT);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room + 1));
    file.take(LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > LIMIT {
        return Err(Failure::failed(format!("{} is longer than 256 MiB", path.display())));
    }
    Ok(bytes)
}
