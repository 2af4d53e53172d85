//! `claviger key`

use super::client::{Client, Remote};
use super::confirm::confirm;
use super::exit::{Exit, Failure};
use super::factory::{read_private, read_public};
use super::output::{self, facts, note, table};
use crate::crypto::SystemCrypto;
use crate::jwk;
use crate::keys::Copy;
use crate::secret_file;
use clap::{Args, Subcommand};
use claviger_api::{
    EscrowKey, EscrowedKey, KeyStatus, ProveKey, PublicJwk, ReplacedKey, TenantKey, WrappedBy,
};
use claviger_machine::{Crypto, Draw};
use claviger_seal::{KEY, RootKey};
use core::fmt;
use data_encoding::BASE64URL_NOPAD;
use reqwest::Method;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What can be done with the keys that the ledger is sealed by.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A key-encryption key (KEK) wraps the cluster's root key, the root key wraps the keys of tenants, and
these seal what the ledger keeps secret. Each can be replaced while everything runs.

Examples:
  claviger key status
  claviger key rotate-tenant --tenant default
  claviger key escrow --to recipient.json > escrow.json")]
pub enum Key {
    /// Show how the keys stand: versions, the KEKs of the root key, what is being replaced.
    #[command(after_help = "Example:\n  claviger key status")]
    Status(All),
    /// Wrap the root key by the KEK that the node's configuration names now.
    #[command(after_help = "\
To replace a KEK: give the new one to every node beside the old one and restart it or send it SIGHUP,
run this once, see with `claviger key status` at each node that the new one is here, take the old one
away with `claviger key drop-kek`, and then from the nodes.

Example:
  claviger key rotate-kek")]
    RotateKek(All),
    /// Take the root key's wrapping by a KEK away, which then opens nothing any more.
    #[command(after_help = "\
Example:
  claviger key drop-kek file:0f1e2d3c4b5a6978")]
    DropKek(DropKek),
    /// Replace the root key. Tenants' keys follow by themselves, and the old one is destroyed.
    #[command(after_help = "\
Copies in escrow are of the old one and open nothing any more: make new ones at once.

Examples:
  claviger key rotate-root
  claviger key rotate-root --yes")]
    RotateRoot(RotateRoot),
    /// Replace the keys that edges are handed: of cookies, and for checking connection ids.
    #[command(after_help = "\
For an edge that was stolen: remove it and revoke its token, and then do this, so that what it had
makes no cookie any more. Edges get the new keys within a second. Open sessions go on: connection
ids of the three generations before stay good, so it takes four times to end ids that were forged.

Example:
  claviger key rotate-edges")]
    RotateEdges(All),
    /// Replace a tenant's key. What it has sealed is sealed anew, and then it is destroyed.
    #[command(after_help = "\
That goes on in the background, also after a crash; `claviger key status` shows how far it is. A copy
of the old log or a backup from before still holds what the old key sealed.

Example:
  claviger key rotate-tenant --tenant default")]
    RotateTenant(All),
    /// Print a copy of the root key, encrypted to a recipient: it opens the ledger without a KEK.
    #[command(after_help = "\
The recipient is a key of `claviger factory keygen`, whose private half should be kept away from the
cluster. A new root key takes a new copy.

Example:
  claviger key escrow --to recipient.json > escrow.json")]
    Escrow(EscrowArgs),
    /// Show that a copy in escrow opens this ledger; the key stays here.
    #[command(after_help = "\
Example:
  claviger key prove --copy escrow.json --private recipient.key")]
    Prove(Held),
    /// Open a sealed node by a copy in escrow, and have its KEK wrap the root key.
    #[command(after_help = "\
For a ledger whose KEKs are lost: start the node with a new KEK (`claviger key make-kek`, or a new key
in its token), and give it the copy. It is encrypted on its way, for that process alone.

Example:
  claviger key unseal --copy escrow.json --private recipient.key")]
    Unseal(Held),
    /// Make a KEK in a file.
    #[command(after_help = "\
Examples:
  claviger key make-kek /etc/claviger/keks/kek-2
  claviger key make-kek kek")]
    MakeKek(MakeKek),
}

/// Nothing but where.
#[derive(Debug, Args)]
pub struct All {
    #[command(flatten)]
    remote: Remote,
}

/// A KEK that is to go.
#[derive(Debug, Args)]
pub struct DropKek {
    #[command(flatten)]
    remote: Remote,
    /// Its name, as the status has it.
    kek: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// A root key that is to be replaced.
#[derive(Debug, Args)]
pub struct RotateRoot {
    #[command(flatten)]
    remote: Remote,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Whom a copy is for.
#[derive(Debug, Args)]
pub struct EscrowArgs {
    #[command(flatten)]
    remote: Remote,
    /// The recipient's public key.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// A copy, and what opens it.
#[derive(Debug, Args)]
pub struct Held {
    #[command(flatten)]
    remote: Remote,
    /// The copy, as `claviger key escrow` printed it.
    #[arg(long, value_name = "FILE")]
    copy: PathBuf,
    /// The recipient's private key, as `claviger factory keygen` made it.
    #[arg(long, value_name = "FILE")]
    private: PathBuf,
}

/// Where a KEK is to be made.
#[derive(Debug, Args)]
pub struct MakeKek {
    /// The file, which must not be there.
    file: PathBuf,
}

impl Key {
    /// Does it.
    ///
    /// # Errors
    /// What the API said.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Status(All { remote }) => {
                let status: KeyStatus = Client::of_cluster(&remote)?.get(&["keys"], &[]).await?;
                remote.output.print(&status, shown)
            }
            Self::RotateKek(All { remote }) => rotate_kek(&Client::of_cluster(&remote)?).await,
            Self::DropKek(DropKek { remote, kek, yes }) => {
                let client = Client::of_cluster(&remote)?;
                let what = format!("Take {kek} away, without which some nodes may start sealed");
                confirm(&what, yes)?;
                client.delete(&["keys", "kek", &kek]).await?;
                note(format_args!("{kek} opens nothing any more."));
                Ok(())
            }
            Self::RotateRoot(RotateRoot { remote, yes }) => {
                let what = "Replace the root key, so that copies in escrow open nothing any more";
                confirm(what, yes)?;
                let done: ReplacedKey =
                    Client::of_cluster(&remote)?.post(&["keys", "root"]).await?;
                note(format_args!("The root key is at version {}.", done.version));
                note("Copies in escrow are of the old one: make new ones.");
                Ok(())
            }
            Self::RotateEdges(All { remote }) => {
                let client = Client::of_cluster(&remote)?;
                let done: ReplacedKey = client.post(&["keys", "edges"]).await?;
                note(format_args!("The keys of edges are at generation {}.", done.version));
                Ok(())
            }
            Self::RotateTenant(All { remote }) => {
                let done: ReplacedKey = Client::new(&remote)?.post(&["key"]).await?;
                let (tenant, version) = (&remote.tenant, done.version);
                note(format_args!("The key of \"{tenant}\" is at version {version}."));
                Ok(())
            }
            Self::Escrow(EscrowArgs { remote, to }) => {
                let asked = EscrowKey { recipient: jwk::of(&read_public(&to)?) };
                let client = Client::of_cluster(&remote)?;
                let copy: EscrowedKey =
                    client.send_to(Method::POST, &["keys", "escrow"], &asked).await?;
                let text = serde_json::to_string(&copy).map_err(odd)?;
                output::line(text)
            }
            Self::Prove(held) => prove(&held).await,
            Self::Unseal(held) => unseal(&held).await,
            Self::MakeKek(MakeKek { file }) => make_kek(&file),
        }
    }
}

fn odd(_: impl fmt::Display) -> Failure {
    Failure::failed("it cannot be written as JSON")
}

/// Has what needs no answer done.
async fn done(client: &Client, path: &[&str], body: &impl Serialize) -> Result<(), Failure> {
    let request = client.request(Method::POST, path, &[]).json(body);
    client.answer(request.timeout(Client::PATIENCE)).await.map(drop)
}

async fn rotate_kek(client: &Client) -> Result<(), Failure> {
    let done: WrappedBy = client.post(&["keys", "kek"]).await?;
    note(format_args!("The root key is wrapped by {}.", done.kek));
    Ok(())
}

impl Held {
    /// The copy, and the root key in it.
    fn open(&self) -> Result<(Copy, RootKey), Failure> {
        let wrong = |why: &dyn fmt::Display| {
            Failure::new(Exit::Usage, format!("{}: {why}", self.copy.display()))
        };
        let text = std::fs::read(&self.copy).map_err(|error| wrong(&error))?;
        let copy: EscrowedKey =
            serde_json::from_slice(&text).map_err(|_| wrong(&"it is no copy in escrow"))?;
        let key = copy.key.parse().map_err(|error: claviger_factory::NoValue| wrong(&error))?;
        let copy = Copy { cluster: copy.cluster, version: copy.version, key };
        let root = copy.open(&read_private(&self.private)?).map_err(|error| wrong(&error))?;
        Ok((copy, root))
    }
}

async fn prove(held: &Held) -> Result<(), Failure> {
    let (copy, root) = held.open()?;
    let client = Client::of_cluster(&held.remote)?;
    let crypto: &dyn Crypto = &SystemCrypto;
    let challenge: [u8; 32] = crypto.random();
    let asked = ProveKey {
        version: copy.version,
        challenge: BASE64URL_NOPAD.encode(&challenge),
        proof: BASE64URL_NOPAD.encode(&root.prove(&challenge)),
    };
    done(&client, &["keys", "proof"], &asked).await?;
    note("The copy opens this ledger.");
    Ok(())
}

async fn unseal(held: &Held) -> Result<(), Failure> {
    let (copy, root) = held.open()?;
    let client = Client::of_cluster(&held.remote)?;
    let door: PublicJwk = client.get(&["keys", "unseal"], &[]).await?;
    let door = jwk::read(&door).map_err(|_| Failure::failed("the answer is no public key"))?;
    let mut draw = Draw(Arc::new(SystemCrypto));
    let sent = Copy::make(copy.cluster, copy.version, &root, &door, &mut draw);
    let Copy { cluster, version, key } =
        sent.map_err(|error| Failure::failed(error.to_string()))?;
    let asked = EscrowedKey { cluster, version, key: key.to_string() };
    done(&client, &["keys", "unseal"], &asked).await?;
    note("The node is open.");
    rotate_kek(&client).await
}

fn make_kek(file: &Path) -> Result<(), Failure> {
    if file.exists() {
        let words = format!("{} is there already; nothing was done", file.display());
        return Err(Failure::new(Exit::Conflict, words));
    }
    let crypto: &dyn Crypto = &SystemCrypto;
    let bytes: Zeroizing<[u8; KEY]> = Zeroizing::new(crypto.random());
    secret_file::make(file, &*bytes).map_err(|error| Failure::failed(error.to_string()))?;
    note(format_args!("Made {}. Keep a copy of it.", file.display()));
    Ok(())
}

fn shown(status: &KeyStatus) -> String {
    let standing = match &status.reason {
        Some(why) => format!("sealed: {why}"),
        None => "open".to_owned(),
    };
    let wraps = match (&status.kek, &status.provider_error) {
        (Some(kek), _) => kek.clone(),
        (None, Some(why)) => format!("none: {why}"),
        (None, None) => "not asked yet".to_owned(),
    };
    let mut pairs = vec![("This node", standing), ("Wraps by", wraps)];
    if let Some(root) = &status.root {
        let retiring = root.retiring.map(|old| format!("; version {old} is on its way out"));
        let retiring = retiring.unwrap_or_default();
        pairs.push(("Root key", format!("version {}, of {}{retiring}", root.version, root.since)));
        pairs.extend(root.keks.iter().map(|kek| {
            let here = if kek.here { "here" } else { "not here" };
            ("Wrapped by", format!("{} ({here})", kek.name))
        }));
    }
    pairs.push(("Keys of edges", format!("generation {}", status.edges)));
    let row = |it: &TenantKey| {
        let retiring = it.retiring.as_ref().map(|old| {
            format!("version {}: {} sealed anew, {} %", old.version, old.resealed, old.percent)
        });
        let (version, root) = (it.version.to_string(), it.root.to_string());
        vec![it.tenant.clone(), version, root, retiring.unwrap_or_default()]
    };
    let rows: Vec<_> = status.tenants.iter().map(row).collect();
    format!("{}\n{}", facts(&pairs), table(&["TENANT", "KEY", "ROOT KEY", "ON ITS WAY OUT"], &rows))
}
