//! `claviger credential`

use super::client::{Client, Remote};
use super::confirm::confirm;
use super::device::{credentials, proof};
use super::exit::Failure;
use super::output::facts;
use clap::{Args, Subcommand};
use claviger_api::Credential as Row;
use claviger_api::{Credentials, RevokeCredential};
use reqwest::Method;

/// What can be done with credentials.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  claviger credential list urn:dev:1
  claviger credential revoke urn:dev:1 5f0c1d6e3b1c4a0f9d27a8b4c6e1f203 --reason stolen")]
pub enum Credential {
    /// List a device's credentials.
    #[command(after_help = "Example:\n  claviger credential list urn:dev:1 -o json")]
    List(OfDevice),
    /// Show a credential, without its key.
    #[command(after_help = "\
Example:
  claviger credential show urn:dev:1 5f0c1d6e3b1c4a0f9d27a8b4c6e1f203")]
    Show(Named),
    /// Revoke a credential: nothing can be done with it any more.
    #[command(after_help = "\
Example:
  claviger credential revoke urn:dev:1 5f0c1d6e3b1c4a0f9d27a8b4c6e1f203 --reason stolen")]
    Revoke(Revoke),
}

/// A device's credentials.
#[derive(Debug, Args)]
pub struct OfDevice {
    #[command(flatten)]
    remote: Remote,
    /// The device's id.
    device: String,
}

/// One credential.
#[derive(Debug, Args)]
pub struct Named {
    #[command(flatten)]
    remote: Remote,
    /// The device's id.
    device: String,
    /// The credential's id.
    id: String,
}

/// A credential to be revoked.
#[derive(Debug, Args)]
pub struct Revoke {
    #[command(flatten)]
    remote: Remote,
    /// The device's id.
    device: String,
    /// The credential's id.
    id: String,
    /// Why; it stands on the device's timeline.
    #[arg(long, value_name = "WORDS")]
    reason: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl Credential {
    /// Does it.
    ///
    /// # Errors
    /// What the API said.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(OfDevice { remote, device }) => {
                let path = ["devices", &device, "credentials"];
                let all: Credentials = Client::new(&remote)?.get(&path, &[]).await?;
                remote.output.print(&all, |all| credentials(&all.credentials))
            }
            Self::Show(Named { remote, device, id }) => {
                let path = ["devices", &device, "credentials", &id];
                let credential: Row = Client::new(&remote)?.get(&path, &[]).await?;
                remote.output.print(&credential, shown)
            }
            Self::Revoke(Revoke { remote, device, id, reason, yes }) => {
                let client = Client::new(&remote)?;
                confirm(&format!("Revoke credential {id} of {device}"), yes)?;
                let path = ["devices", &device, "credentials", &id, "revoke"];
                let body = RevokeCredential { reason };
                let credential: Row = client.send_to(Method::POST, &path, &body).await?;
                remote.output.print(&credential, shown)
            }
        }
    }
}

fn key(credential: &Row) -> String {
    match (credential.key_length, &credential.public_key) {
        (Some(length), _) => format!("{length} bytes"),
        (None, Some(public)) => public.clone(),
        (None, None) => "-".to_owned(),
    }
}

fn shown(credential: &Row) -> String {
    let end = credential.not_after.map_or_else(|| "-".to_owned(), |end| end.to_string());
    facts(&[
        ("Credential", credential.id.clone()),
        ("State", credential.state.clone()),
        ("Origin", credential.origin.clone()),
        ("Proof", proof(credential)),
        ("Key", key(credential)),
        ("Fingerprint", credential.fingerprint.clone().unwrap_or_else(|| "-".to_owned())),
        (
            "For",
            if credential.parties.is_empty() {
                "bootstrap".to_owned()
            } else {
                credential.parties.join(", ")
            },
        ),
        ("Valid from", credential.not_before.to_string()),
        ("Valid until", end),
    ])
}
