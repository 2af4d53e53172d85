//! `claviger import-key`

use super::client::{Client, Remote};
use super::confirm::confirm;
use super::exit::Failure;
use super::output::{self, facts, note, table};
use crate::jwk;
use clap::{Args, Subcommand};
use claviger_api::{ImportKey as Row, ImportKeys};
use claviger_factory::PublicKey;

/// What can be done with import keys.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  claviger import-key create -o json > import-key.json
  claviger import-key list")]
pub enum ImportKey {
    /// Make a key pair; manufacturers get the public half, the other never leaves the ledger.
    #[command(after_help = "\
What -o json prints is the file for `claviger factory encrypt --key`. Keys that are there already
go on opening what was encrypted to them, until they are deleted.

Examples:
  claviger import-key create
  claviger import-key create -o json > import-key.json")]
    Create(All),
    /// List all import keys, the newest first.
    #[command(after_help = "Example:\n  claviger import-key list")]
    List(All),
    /// Show an import key, by its public half.
    #[command(after_help = "\
Examples:
  claviger import-key show KEY -o json > import-key.json
  claviger import-key show KEY --pem > import-key.pem")]
    Show(Show),
    /// Delete an import key: what was encrypted to it does not open any more.
    #[command(after_help = "\
Examples:
  claviger import-key delete KEY
  claviger import-key delete KEY --yes")]
    Delete(Delete),
}

/// All of them.
#[derive(Debug, Args)]
pub struct All {
    #[command(flatten)]
    remote: Remote,
}

/// One of them.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    remote: Remote,
    /// Its thumbprint, as the list has it.
    key: String,
    /// Print it in PEM.
    #[arg(long, conflicts_with = "output")]
    pem: bool,
}

/// One to be deleted.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    remote: Remote,
    /// Its thumbprint, as the list has it.
    key: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl ImportKey {
    /// Does it.
    ///
    /// # Errors
    /// What the API said.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(All { remote }) => {
                let key: Row = Client::new(&remote)?.post(&["import-keys"]).await?;
                remote.output.print(&key, shown)
            }
            Self::List(All { remote }) => {
                let keys: ImportKeys = Client::new(&remote)?.get(&["import-keys"], &[]).await?;
                remote.output.print(&keys, rows)
            }
            Self::Show(Show { remote, key, pem }) => {
                let key: Row = Client::new(&remote)?.get(&["import-keys", &key], &[]).await?;
                if pem {
                    return output::line(public(&key)?.pem().trim_end());
                }
                remote.output.print(&key, shown)
            }
            Self::Delete(Delete { remote, key, yes }) => {
                let client = Client::new(&remote)?;
                confirm(&format!("Delete the import key {key}"), yes)?;
                client.delete(&["import-keys", &key]).await?;
                note(format_args!("Deleted {key}."));
                Ok(())
            }
        }
    }
}

fn public(key: &Row) -> Result<PublicKey, Failure> {
    jwk::read(&key.key).map_err(|_| Failure::failed("the answer is not what this version knows"))
}

fn id(key: &Row) -> String {
    key.key.kid.clone().unwrap_or_default()
}

fn standing(key: &Row) -> String {
    if key.current { "newest" } else { "older" }.to_owned()
}

fn shown(key: &Row) -> String {
    facts(&[
        ("Import key", id(key)),
        ("Tenant", key.key.tenant.clone().unwrap_or_default()),
        ("Standing", standing(key)),
        ("Made", key.created_at.to_string()),
        ("X25519", key.key.x.clone()),
    ])
}

fn rows(keys: &ImportKeys) -> String {
    let row = |key: &Row| vec![id(key), standing(key), key.created_at.to_string()];
    table(&["KEY", "STANDING", "MADE"], &keys.import_keys.iter().map(row).collect::<Vec<_>>())
}
