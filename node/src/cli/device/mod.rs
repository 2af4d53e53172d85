//! `claviger device`

mod enrol;
mod list;
mod story;

pub use story::{credentials, proof};

use super::client::{Client, Remote};
use super::confirm::confirm;
use super::exit::Failure;
use super::output::note;
use clap::{Args, Subcommand};
use claviger_api::{Audit, DeviceDetail};
use claviger_api::{Timeline, UpdateDevice};
use enrol::Enrol;
use list::List;
use reqwest::Method;
use story::{story, timeline};

/// What can be done with devices.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  claviger device enrol --endpoint urn:dev:1 --profile site --psk-file key.hex
  claviger device show urn:dev:1")]
pub enum Device {
    /// Enrol a device with the key that its manufacturer put into it, or all in a file.
    #[command(after_help = "\
A device proves itself by a pre-shared key (--psk-file), by a key of which you have the public half
(--public-key), or by a certificate of its factory (--certificate).

A file is NDJSON, each line as `POST /devices` takes it, or CSV whose first line names its columns:
endpoint and psk (in hexadecimal digits), and if need be identity, id and profile. Instead of psk
it may have public_key (the DER in base64), trust_anchor, or psk_hpke, from a list that `claviger
factory encrypt` made. An export with secrets, encrypted to an import key of this tenant, is such a list too. A line that is refused stops no
other, and the exit code is then 7. Giving the same file again is safe. A dry run writes nothing,
so it may miss that two lines contradict each other.

Examples:
  claviger device enrol --endpoint urn:dev:1 --profile site --psk-file key.hex
  openssl rand -hex 16 | tee key.hex | \\
    claviger device enrol --endpoint urn:dev:2 --profile site --psk-file -
  claviger device enrol --endpoint urn:dev:3 --profile site --public-key device.pub
  claviger device enrol --endpoint urn:dev:4 --profile site --certificate --trust-anchor factory
  claviger device enrol --file devices.csv --profile site --dry-run
  claviger device enrol --file devices.ndjson -o json > answers.ndjson")]
    Enrol(Box<Enrol>),
    /// List devices.
    #[command(after_help = "\
Examples:
  claviger device list --profile site
  claviger device list --all -o json
  claviger device list --limit 1000 --after CURSOR")]
    List(List),
    /// Show a device: what it holds, and what happened to it.
    #[command(after_help = "Example:\n  claviger device show urn:dev:1")]
    Show(Named),
    /// Show what happened to a device.
    #[command(after_help = "Example:\n  claviger device timeline urn:dev:1 -o json")]
    Timeline(Named),
    /// Show a device's audit entries.
    #[command(after_help = "Example:\n  claviger device audit urn:dev:1")]
    Audit(Named),
    /// Give a device another profile; it holds from its next bootstrap.
    #[command(after_help = "Example:\n  claviger device set urn:dev:1 --profile other-site")]
    Set(Set),
    /// Give a device a fresh credential at its next bootstrap.
    #[command(after_help = "Example:\n  claviger device rotate urn:dev:1")]
    Rotate(Named),
    /// Delete a device with its credentials.
    #[command(after_help = "\
Examples:
  claviger device delete urn:dev:1
  claviger device delete urn:dev:1 --yes")]
    Delete(Delete),
}

/// One device.
#[derive(Debug, Args)]
pub struct Named {
    #[command(flatten)]
    remote: Remote,
    /// Its id.
    id: String,
}

/// What is changed of a device.
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    remote: Remote,
    /// Its id.
    id: String,
    /// Its new profile.
    #[arg(long, value_name = "NAME")]
    profile: String,
}

/// A device to be deleted.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    remote: Remote,
    /// Its id.
    id: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
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
                let device: DeviceDetail =
                    Client::new(&remote)?.get(&["devices", &id], &[]).await?;
                remote.output.print(&device, story)
            }
            Self::Timeline(Named { remote, id }) => {
                let path = ["devices", &id, "timeline"];
                let told: Timeline = Client::new(&remote)?.get(&path, &[]).await?;
                remote.output.print(&told, |told| timeline(&told.entries))
            }
            Self::Audit(Named { remote, id }) => {
                let path = ["devices", &id, "audit"];
                let audit = audit(&Client::new(&remote)?, &path).await?;
                remote.output.print(&audit, |audit| timeline(&audit.entries))
            }
            Self::Set(Set { remote, id, profile }) => {
                let body = UpdateDevice { profile };
                let path = ["devices", &id];
                let device: DeviceDetail =
                    Client::new(&remote)?.send_to(Method::PATCH, &path, &body).await?;
                remote.output.print(&device, story)
            }
            Self::Rotate(Named { remote, id }) => {
                let path = ["devices", &id, "rotate"];
                let device: DeviceDetail = Client::new(&remote)?.post(&path).await?;
                remote.output.print(&device, story)
            }
            Self::Delete(Delete { remote, id, yes }) => {
                let client = Client::new(&remote)?;
                confirm(&format!("Delete device {id} with its credentials"), yes)?;
                client.delete(&["devices", &id]).await?;
                note(format_args!("Deleted {id}."));
                Ok(())
            }
        }
    }
}

/// All audit entries at `path`, page by page.
async fn audit(client: &Client, path: &[&str]) -> Result<Audit, Failure> {
    let mut all = Audit { entries: Vec::new(), next: None };
    loop {
        let after = all.next.take().map(|next| ("after", next));
        let query: Vec<_> = [("limit", "1000".to_owned())].into_iter().chain(after).collect();
        let page: Audit = client.get(path, &query).await?;
        all.entries.extend(page.entries);
        all.next = page.next;
        if all.next.is_none() {
            return Ok(all);
        }
    }
}
