//! `claviger cluster backup`, `restore` and `recover`: copies of the ledger, and what goes on from one.

use crate::cli::client::{Client, Remote};
use crate::cli::config::Source;
use crate::cli::confirm::confirm;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Format, facts, note};
use crate::clock::SystemClock;
use crate::config::{Config, Role};
use crate::crypto::SystemCrypto;
use clap::Args;
use claviger_actors::Clock;
use claviger_api::Timestamp;
use claviger_ledger::Begun;
use claviger_machine::Crypto;
use claviger_raft::{Backup as Taken, OpenError, Successor, recover, restore, survivor};
use data_encoding::HEXLOWER;
use reqwest::Method;
use serde::Serialize;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A backup to be taken.
#[derive(Debug, Args)]
pub struct Backup {
    #[command(flatten)]
    remote: Remote,
    /// The file to write; it must not be there.
    file: PathBuf,
}

/// A backup to go on from.
#[derive(Debug, Args)]
pub struct Restore {
    #[command(flatten)]
    source: Source,
    /// The backup.
    file: PathBuf,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// How it is printed what came of it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// A node to go on from.
#[derive(Debug, Args)]
pub struct Recover {
    #[command(flatten)]
    source: Source,
    /// The folder of the node that is left, as its configuration names it: `node.data`. It stays
    /// as it is.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// How it is printed what came of it.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What came of it, for programs.
#[derive(Serialize)]
struct Done {
    cluster: String,
    incarnation: u64,
    sessions_ended: u64,
    staged_ended: u64,
    to_review: u64,
    node: String,
}

impl Backup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Self { remote, file } = self;
        let client = Client::of_cluster(&remote)?;
        let draft = draft_of(&file);
        if let Some(there) = [&file, &draft].into_iter().find(|path| path.exists()) {
            return Err(Failure::failed(format!("{} is there already", there.display())));
        }
        let answer = client.answer(client.request(Method::GET, &["backup"], &[])).await?;
        let written = write(&client, answer, &draft).await;
        let checked = written.and_then(|()| Taken::check(&draft).map_err(|error| broken(&error)));
        let taken = checked.and_then(|taken| {
            let kept = std::fs::rename(&draft, &file);
            kept.map(|()| taken).map_err(|error| unwritten(&file, &error))
        });
        if taken.is_err() {
            let _ = std::fs::remove_file(&draft);
        }
        let taken = taken?;
        note(format_args!("Backed up to {}. Keep the key-encryption key, too.", file.display()));
        let shown = serde_json::json!({
            "cluster": HEXLOWER.encode(&taken.cluster),
            "incarnation": taken.incarnation,
            "level": taken.level,
            "time": Timestamp(taken.time),
            "index": taken.index,
            "version": taken.version,
        });
        remote.output.print(&shown, |_| {
            facts(&[
                ("Cluster", HEXLOWER.encode(&taken.cluster)),
                ("Incarnation", taken.incarnation.to_string()),
                ("Holds all until", Timestamp(taken.time).to_string()),
                ("Index", taken.index.to_string()),
            ])
        })
    }
}

async fn write(
    client: &Client,
    mut answer: reqwest::Response,
    draft: &Path,
) -> Result<(), Failure> {
    let file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(draft);
    let mut file = file.map_err(|error| unwritten(draft, &error))?;
    while let Some(piece) = answer.chunk().await.map_err(|_| client.silent())? {
        file.write_all(&piece).map_err(|error| unwritten(draft, &error))?;
    }
    file.sync_all().map_err(|error| unwritten(draft, &error))
}

fn draft_of(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    file.with_file_name(name)
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", path.display()))
}

fn broken(error: &OpenError) -> Failure {
    Failure::failed(error.to_string())
}

impl Restore {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { source, file, yes, output } = self;
        let to = successor(&source.load()?)?;
        let taken = Taken::check(&file).map_err(|error| broken(&error))?;
        let time = Timestamp(taken.time);
        confirm(&format!("Begin anew from {}, as of {time}", file.display()), yes)?;
        let (_, begun) = restore(&file, &to).map_err(|error| broken(&error))?;
        done(output, &begun, &to)
    }
}

impl Recover {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { source, from, yes, output } = self;
        let to = successor(&source.load()?)?;
        let from = from.join("ledger");
        let left = survivor(&from).map_err(|error| broken(&error))?;
        note(format_args!(
            "Node {:016x} has the log up to term {}, index {}. Of several that are left, take the one \
             with the highest term, and of these the one with the highest index.",
            left.id, left.term, left.last_index
        ));
        confirm("Give up the old cluster, and begin anew from this node", yes)?;
        let begun = recover(&from, claviger_ledger::apply, &to).map_err(|error| broken(&error))?;
        done(output, &begun, &to)
    }
}

/// The node that a copy becomes: the one of this configuration, which has no data yet.
fn successor(config: &Config) -> Result<Successor, Failure> {
    let usage = |words: &str| Failure::new(Exit::Usage, words);
    if !config.has(Role::Ledger) {
        return Err(usage("the configuration is of an edge, which has no ledger"));
    }
    let listen = config.cluster.listen.get().map(|address| address.to_string());
    let address = config.cluster.advertise.get().map(ToOwned::to_owned).or(listen);
    let now = SystemClock::new().now().as_millis();
    let crypto: &dyn Crypto = &SystemCrypto;
    Ok(Successor {
        folder: config.node.data.join("ledger"),
        id: u64::from_be_bytes(crypto.random()),
        address: address.unwrap_or_default(),
        now: u64::try_from(now).unwrap_or(u64::MAX),
    })
}

fn done(output: Format, begun: &Begun, to: &Successor) -> Result<(), Failure> {
    let done = Done {
        cluster: HEXLOWER.encode(&begun.cluster),
        incarnation: begun.incarnation,
        sessions_ended: begun.sessions,
        staged_ended: begun.staged,
        to_review: begun.marked,
        node: format!("{:016x}", to.id),
    };
    output.print(&done, |done| {
        let text = facts(&[
            ("Cluster", done.cluster.clone()),
            ("Incarnation", done.incarnation.to_string()),
            ("Sessions that ended", done.sessions_ended.to_string()),
            ("Staged credentials that ended", done.staged_ended.to_string()),
            ("Credentials to review", done.to_review.to_string()),
            ("Node", done.node.clone()),
        ]);
        format!(
            "{text}\nStart it with the key-encryption key of the old cluster. No old node may run any \
             more; new ones join with empty folders."
        )
    })
}
