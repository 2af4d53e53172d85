//! `claviger identity`

use super::client::{Client, Remote};
use super::confirm::confirm;
use super::exit::Failure;
use super::input;
use super::output::{self, facts};
use clap::{Args, Subcommand};
use claviger_api::{PutServerIdentity, Secret, ServerIdentity};
use reqwest::Method;
use std::path::PathBuf;

const PATH: &[&str] = &["server-identity"];

/// What can be done with the server's own key. Devices with raw public keys must have its public
/// half, devices with certificates the authority of its chain.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  claviger identity show
  claviger identity show --public-key > server.pub
  claviger identity set --private-key server.key --chain server.pem")]
pub enum Identity {
    /// Show what devices know the server by; never its private key.
    #[command(after_help = "\
Examples:
  claviger identity show
  claviger identity show --public-key > server.pub
  claviger identity show --chain > server.pem")]
    Show(Show),
    /// Set the server's key, with its certificate if it has one.
    #[command(after_help = "\
The private key is sealed in the ledger and never shown. Devices that know the server by its old
key do not trust the new one. A chain alone is for the key that is held, which then stays: devices
with certificates mostly want one of the server.

Examples:
  claviger identity set --chain server.pem
  claviger identity set --private-key server.key --chain server.pem
  claviger identity set --private-key - --yes < server.key")]
    Set(Set),
    /// Have a new key made, without a certificate.
    #[command(after_help = "\
Devices that know the server by its old key do not trust the new one.

Examples:
  claviger identity generate
  claviger identity generate --yes")]
    Generate(Generate),
}

/// What is shown.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    remote: Remote,
    /// Print the public key in PEM.
    #[arg(long, conflicts_with_all = ["output", "chain"])]
    public_key: bool,
    /// Print the certificates in PEM.
    #[arg(long, conflicts_with = "output")]
    chain: bool,
}

/// What is set.
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    remote: Remote,
    /// A file with the private key in PEM, on P-256 or P-384; `-` for standard input. Where it is
    /// absent, the chain is for the key that is held.
    #[arg(long, value_name = "FILE", required_unless_present = "chain")]
    private_key: Option<PathBuf>,
    /// A file with its certificate in PEM, and behind it those that lead to its root.
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// What is made.
#[derive(Debug, Args)]
pub struct Generate {
    #[command(flatten)]
    remote: Remote,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl Identity {
    /// Does it.
    ///
    /// # Errors
    /// What the API said.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Show(show) => show.run().await,
            Self::Set(Set { remote, private_key, chain, yes }) => {
                let chain = chain.as_deref().map(input::pem).transpose()?;
                let key = private_key.as_deref().map(input::secret).transpose()?;
                let private_key = key.map(|key| Secret::new(key.as_str().to_owned()));
                // A certificate for the key that is held takes nothing away.
                let yes = yes || private_key.is_none();
                put(&remote, &PutServerIdentity { generate: false, private_key, chain }, yes).await
            }
            Self::Generate(Generate { remote, yes }) => {
                let body = PutServerIdentity { generate: true, ..PutServerIdentity::default() };
                put(&remote, &body, yes).await
            }
        }
    }
}

impl Show {
    async fn run(self) -> Result<(), Failure> {
        let identity: ServerIdentity = Client::new(&self.remote)?.get(PATH, &[]).await?;
        if self.public_key {
            return output::line(identity.public_key_pem.trim_end());
        }
        if self.chain {
            let none = || Failure::failed("the server's key has no certificate");
            return output::line(identity.chain.ok_or_else(none)?.trim_end());
        }
        self.remote.output.print(&identity, shown)
    }
}

async fn put(remote: &Remote, body: &PutServerIdentity, yes: bool) -> Result<(), Failure> {
    let client = Client::new(remote)?;
    confirm("Replace the key that devices know this server by", yes)?;
    let identity: ServerIdentity = client.send_to(Method::PUT, PATH, body).await?;
    remote.output.print(&identity, shown)
}

fn shown(identity: &ServerIdentity) -> String {
    let count = identity.chain.as_ref().map_or(0, |chain| chain.matches("-----BEGIN").count());
    let certificates = if count == 0 { "none".to_owned() } else { count.to_string() };
    facts(&[
        ("Public key", identity.public_key.clone()),
        ("Fingerprint", identity.fingerprint.clone()),
        ("Certificates", certificates),
        ("Subject", identity.subject.clone().unwrap_or_else(|| "-".to_owned())),
        ("Valid until", identity.not_after.map_or_else(|| "-".to_owned(), |at| at.to_string())),
        ("Version", identity.version.to_string()),
    ])
}
