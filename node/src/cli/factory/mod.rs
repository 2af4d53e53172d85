//! `claviger factory`: lists of devices with their keys encrypted; nothing here asks a server.

mod keygen;
mod list;
mod turn;

use super::bulk::FileFormat;
use super::exit::Failure;
use clap::{Args, Subcommand};
use claviger_factory::{PrivateKey, PublicKey};
use keygen::Keygen;
use std::path::{Path, PathBuf};
use turn::Turn;

/// The longest file of a key.
const KEY: usize = 16 * 1024;

/// What can be done with lists.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  claviger factory encrypt --key import-key.json devices.csv > encrypted.csv
  claviger factory keygen --private recipient-private.json > recipient.json")]
pub enum Factory {
    /// Encrypt the keys in a list of devices to an import key.
    #[command(after_help = "\
A list is CSV whose first line names its columns: endpoint and psk (in hexadecimal digits), and if
need be identity, id and profile. Or it is NDJSON, each line as `POST /devices` takes it. It comes
out in the same form. Each key is bound to its device's endpoint and identity, and to the tenant
of the import key. A line that is wrong is left out and told on standard error, and the exit code
is then 7.

Examples:
  claviger factory encrypt --key import-key.json devices.csv > encrypted.csv
  claviger factory encrypt --key import-key.json --format ndjson < devices.ndjson > encrypted.ndjson")]
    Encrypt(List),
    /// Decrypt the keys in a list or an export, by the private half of a recipient's key.
    #[command(after_help = "\
Keys come out in hexadecimal digits. Mind where standard output goes.

Examples:
  claviger factory decrypt --key recipient-private.json fleet.ndjson > clear.ndjson
  claviger factory decrypt --key recipient-private.json encrypted.csv > clear.csv")]
    Decrypt(List),
    /// Make a recipient's key pair: the public half on standard output, the other in a file.
    #[command(after_help = "\
The file can be read by its owner only, and one that is there is never written over.

Example:
  claviger factory keygen --private recipient-private.json > recipient.json")]
    Keygen(Keygen),
}

/// A list, and the key for it.
#[derive(Debug, Args)]
pub struct List {
    /// The file of the key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// How the list is written; by default as its name says.
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// The list; `-` for standard input.
    #[arg(default_value = "-", value_name = "LIST")]
    list: PathBuf,
}

impl Factory {
    /// Does it.
    ///
    /// # Errors
    /// If a file cannot be read, or a line of it was wrong.
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Keygen(keygen) => keygen.run(),
            Self::Encrypt(list) => {
                let key = read_public(&list.key)?;
                let known = format!("the key {}", key.id());
                let whose = if key.tenant().is_empty() {
                    known
                } else {
                    format!("{known} of the tenant \"{}\"", key.tenant())
                };
                list.turn(&Turn::Encrypt(key), "Encrypted", &whose)
            }
            Self::Decrypt(list) => {
                let key = read_private(&list.key)?;
                let whose = format!("the key {}", key.public().id());
                list.turn(&Turn::Decrypt(key), "Decrypted", &whose)
            }
        }
    }
}

impl List {
    fn turn(&self, turn: &Turn, done: &str, whose: &str) -> Result<(), Failure> {
        let format = self.format.map_or_else(|| FileFormat::of(&self.list), Ok)?;
        list::turn(turn, &self.list, format, |keys| format!("{done} {keys} keys by {whose}."))
    }
}

/// A public key in a file, or the public half of a private one.
///
/// # Errors
/// If there is none.
pub fn read_public(path: &Path) -> Result<PublicKey, Failure> {
    let text = std::fs::read(path);
    let text = text.map_err(|error| unusable(path, &error))?;
    // Our own words, or the name of a member that is missing.
    serde_json::from_slice(&text).map_err(|error| match error.is_data() {
        true => unusable(path, &error),
        false => unusable(path, &"it is not JSON"),
    })
}

/// The private key in `path`, which only its owner may read.
///
/// # Errors
/// If there is none.
pub fn read_private(path: &Path) -> Result<PrivateKey, Failure> {
    let read = crate::secret_file::read(path, KEY);
    let read = read.map_err(|error| Failure::failed(error.to_string()))?;
    let text = read.ok_or_else(|| unusable(path, &"there is no such file"))?;
    // No word of it: what is wrong may be the secret.
    let words = "there is no private key of X25519 as `claviger factory keygen` writes it";
    serde_json::from_slice(&text).map_err(|_| unusable(path, &words))
}

fn unusable(path: &Path, why: &dyn core::fmt::Display) -> Failure {
    Failure::failed(format!("cannot use the key in {}: {why}", path.display()))
}
