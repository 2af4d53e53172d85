//! `claviger device`

use super::client::{Client, Remote};
use super::exit::Failure;
use super::output::{facts, note, table};
use super::{input, output};
use clap::{Args, Subcommand};
use claviger_api::{
    Audit, Credential, Device as Row, DeviceDetail, DevicePage, KeyFormat, KeyInput, NewDevice,
    NewPsk, Secret, TimelineEntry,
};
use reqwest::Method;
use std::path::PathBuf;

/// What can be done with devices.
#[derive(Debug, Subcommand)]
pub enum Device {
    /// Enrol a device with the pre-shared key that its manufacturer put into it.
    #[command(after_help = "\
Examples:
  claviger device enrol --endpoint urn:dev:1 --profile site --psk-file key.hex
  openssl rand -hex 16 | tee key.hex | \\
    claviger device enrol --endpoint urn:dev:2 --profile site --psk-file -")]
    Enrol(Enrol),
    /// Show a device: what it holds, and what happened to it.
    #[command(after_help = "Example:\n  claviger device show urn:dev:1")]
    Show(Named),
    /// List devices.
    #[command(after_help = "Example:\n  claviger device list --limit 1000 -o json")]
    List(List),
    /// Show a device's audit entries.
    #[command(after_help = "Example:\n  claviger device audit urn:dev:1")]
    Audit(Named),
}

/// A device to be enrolled.
#[derive(Debug, Args)]
pub struct Enrol {
    #[command(flatten)]
    remote: Remote,
    /// Its LwM2M endpoint client name.
    #[arg(long, value_name = "NAME")]
    endpoint: String,
    /// Its id; the endpoint name where absent.
    #[arg(long)]
    id: Option<String>,
    /// Its bootstrap profile.
    #[arg(long, value_name = "NAME")]
    profile: String,
    /// Its PSK identity; the endpoint name where absent.
    #[arg(long)]
    identity: Option<String>,
    /// A file with its key in hexadecimal digits; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    psk_file: PathBuf,
}

/// One device.
#[derive(Debug, Args)]
pub struct Named {
    #[command(flatten)]
    remote: Remote,
    /// Its id.
    id: String,
}

/// Many devices.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    remote: Remote,
    /// How many at most.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

impl Device {
    /// Does it.
    ///
    /// # Errors
    /// What the API said.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Enrol(enrol) => enrol.run().await,
            Self::List(list) => list.run().await,
            Self::Show(Named { remote, id }) => {
                let client = Client::new(&remote)?;
                let device: DeviceDetail = client.get(&["devices", &id], &[]).await?;
                remote.output.print(&device, story)
            }
            Self::Audit(Named { remote, id }) => {
                let client = Client::new(&remote)?;
                let audit: Audit = client.get(&["devices", &id, "audit"], &[]).await?;
                remote.output.print(&audit, |audit| timeline(&audit.entries))
            }
        }
    }
}

impl Enrol {
    async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        let key = input::secret(&self.psk_file)?;
        let value = Secret::new(key.as_str().to_owned());
        let identity = self.identity.unwrap_or_else(|| self.endpoint.clone());
        let key = KeyInput { format: KeyFormat::Hex, value };
        let (endpoint, id, profile) = (self.endpoint, self.id, self.profile);
        let new = NewDevice { endpoint, id, profile, psk: NewPsk { identity, key } };
        let device: DeviceDetail = client.send_to(Method::POST, &["devices"], &new).await?;
        self.remote.output.print(&device, story)
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        let mut all = DevicePage { devices: Vec::new(), next_page_token: None };
        while all.devices.len() < self.limit {
            let size = (self.limit - all.devices.len()).min(500);
            let mut query = vec![("page_size", size.to_string())];
            query.extend(all.next_page_token.take().map(|token| ("page_token", token)));
            let page: DevicePage = client.get(&["devices"], &query).await?;
            all.devices.extend(page.devices);
            all.next_page_token = page.next_page_token;
            if all.next_page_token.is_none() {
                break;
            }
        }
        self.remote.output.print(&all, |all| rows(&all.devices))?;
        if all.next_page_token.is_some() {
            note(format_args!("There are more; these are the first {}.", all.devices.len()));
        }
        Ok(())
    }
}

fn rows(devices: &[Row]) -> String {
    let row = |device: &Row| {
        let (id, endpoint) = (device.id.clone(), device.endpoint.clone());
        vec![id, endpoint, device.profile.clone(), device.created_at.to_string()]
    };
    table(&["ID", "ENDPOINT", "PROFILE", "ENROLLED"], &devices.iter().map(row).collect::<Vec<_>>())
}

/// A device as it is told to people.
fn story(device: &DeviceDetail) -> String {
    let row = &device.device;
    let head = facts(&[
        ("Device", row.id.clone()),
        ("Endpoint", row.endpoint.clone()),
        ("Profile", row.profile.clone()),
        ("Enrolled", row.created_at.to_string()),
    ]);
    let credentials: Vec<_> = device.credentials.iter().map(credential).collect();
    let headings = ["CREDENTIAL", "ORIGIN", "STATE", "IDENTITY", "FOR", "VALID UNTIL"];
    let credentials = table(&headings, &credentials);
    format!("{head}\n{credentials}\n{}", timeline(&device.timeline))
}

fn credential(credential: &Credential) -> Vec<String> {
    let parties = match credential.parties.as_slice() {
        [] => "bootstrap".to_owned(),
        parties => parties.join(", "),
    };
    vec![
        credential.id.clone(),
        credential.origin.clone(),
        credential.state.clone(),
        credential.identity.clone(),
        parties,
        credential.not_after.map_or_else(|| "-".to_owned(), |end| end.to_string()),
    ]
}

fn timeline(entries: &[TimelineEntry]) -> String {
    let line = |entry: &TimelineEntry| {
        let words = output::plain(&entry.words);
        format!("{:<24}  {:<24}  {words}\n", entry.time.to_string(), entry.code)
    };
    entries.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_api::{CredentialType, Timestamp};

    fn device() -> DeviceDetail {
        let time = Timestamp(1_795_543_200_000);
        let entry = |code: &str, words: &str| TimelineEntry {
            time,
            index: 1,
            code: code.into(),
            credential: None,
            words: words.into(),
        };
        DeviceDetail {
            device: Row {
                id: "d".into(),
                endpoint: "urn:dev:1".into(),
                profile: "site".into(),
                created_at: time,
                version: 1,
            },
            credentials: vec![Credential {
                id: "00".into(),
                kind: CredentialType::Psk,
                state: "delivered".into(),
                identity: "i".into(),
                key_length: 16,
                origin: "manufacturer".into(),
                parties: Vec::new(),
                not_before: Timestamp(0),
                not_after: None,
                confirmed_at: None,
                profile: None,
            }],
            timeline: vec![
                entry("device.enrolled", "Enrolled."),
                entry("session.opened", "Proved\x1b[0m its key."),
            ],
        }
    }

    #[test]
    fn a_device_reads_like_a_story() {
        assert_eq!(
            story(&device()),
            "Device    d\nEndpoint  urn:dev:1\nProfile   site\nEnrolled  2026-11-24T18:00:00Z\n\n\
             CREDENTIAL  ORIGIN        STATE      IDENTITY  FOR        VALID UNTIL\n\
             00          manufacturer  delivered  i         bootstrap  -\n\n\
             2026-11-24T18:00:00Z      device.enrolled           Enrolled.\n\
             2026-11-24T18:00:00Z      session.opened            Proved\u{fffd}[0m its key.\n"
        );
    }

    #[test]
    fn a_list_has_a_line_for_each() {
        let text = rows(&[device().device]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("d   urn:dev:1  site     2026-11-24T18:00:00Z\n"), "{text}");
    }
}
