//! The server that is driven: one that runs, or one that is started for it.

use super::output::note;
use clap::{Args, ValueEnum};
use claviger_loadtest::{
    Api, Check, Claviger, Credential, Failure, Kind as Fleet, Leshan, Process, can_look_at,
};
use core::net::SocketAddr;
use core::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tempfile::TempDir;

/// Which server is driven.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Options {
    /// Where the devices bootstrap; without, a server is started for the run, and stopped.
    #[arg(long, value_name = "ADDR")]
    target: Option<SocketAddr>,
    /// The target's process on this machine: then its CPU time and memory are told.
    #[arg(long, value_name = "PID", requires = "target")]
    server_pid: Option<u32>,
    /// The API of a target that is Claviger.
    #[arg(long, env = "CLAVIGER_SERVER", value_name = "URL", requires = "token")]
    api: Option<String>,
    /// The admin token; better in CLAVIGER_TOKEN, where no list of processes shows it.
    #[arg(long, env = "CLAVIGER_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Which server is started.
    #[arg(long, value_enum, default_value_t, conflicts_with = "target")]
    start: Kind,
    #[command(flatten)]
    own: Own,
    /// The LwM2M server asks Claviger for keys when it needs them, instead of taking webhooks.
    #[arg(long)]
    pull: bool,
}

/// What a Claviger is started with.
#[derive(Debug, Clone, Args)]
pub(super) struct Own {
    /// Claviger's binary; by default the one beside this.
    #[arg(long, value_name = "FILE")]
    claviger: Option<PathBuf>,
    /// Where Claviger's data folder is made, on a real disk; it is removed at the end.
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    pub(super) data: PathBuf,
}

/// The servers that can be started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Claviger, on free ports.
    #[default]
    Claviger,
    /// The bootstrap server of Eclipse Leshan, in Java.
    Leshan,
}

/// A server that knows its devices.
pub(super) struct Side {
    /// Its name.
    pub(super) name: &'static str,
    /// Where devices bootstrap.
    pub(super) target: SocketAddr,
    /// Its process, where that is known.
    pub(super) process: Option<Process>,
    /// What looks at what devices were given.
    pub(super) check: Box<Check>,
    /// It is stopped when this is dropped.
    _running: Running,
}

/// What was started, and the folder that goes after it.
enum Running {
    Elsewhere,
    Claviger { _server: Claviger, _folder: TempDir },
    Leshan { _server: Leshan },
}

impl Options {
    /// The server, ready for the devices of these numbers.
    pub(super) fn ready(&self, numbers: Range<u32>, kind: Fleet) -> Result<Side, Failure> {
        let Fleet { cid, credential, .. } = kind;
        match (self.target, self.start) {
            (Some(target), _) => self.running(target, numbers, credential),
            (None, Kind::Claviger) => self.own.start(numbers, self.pull, credential),
            (None, Kind::Leshan) if self.pull => Err(Failure::new("--pull is for Claviger")),
            (None, Kind::Leshan) => leshan(numbers.end, cid, credential),
        }
    }

    /// A server that runs: enrols the devices there, if it is Claviger.
    fn running(
        &self,
        target: SocketAddr,
        numbers: Range<u32>,
        credential: Credential,
    ) -> Result<Side, Failure> {
        let process = self.server_pid.map(Process);
        if let Some(process) = process {
            let what = format!("cannot measure the process {}", process.0);
            can_look_at(process).map_err(Failure::because(what))?;
        }
        let check: Box<Check> = match (&self.api, &self.token) {
            (Some(api), Some(token)) => {
                enrol(&Api::new(api, token)?.proving(credential), numbers, self.pull)?
            }
            _ if self.pull => return Err(Failure::new("--pull needs --api and --token")),
            _ => Box::new(|_, _| Ok(())),
        };
        Ok(Side { name: "server", target, process, check, _running: Running::Elsewhere })
    }
}

impl Own {
    /// Starts Claviger and enrols the devices of these numbers.
    pub(super) fn start(
        &self,
        numbers: Range<u32>,
        pull: bool,
        credential: Credential,
    ) -> Result<Side, Failure> {
        let folder = tempfile::Builder::new().prefix("loadtest-").tempdir_in(&self.data);
        let folder = folder.map_err(Failure::because("no folder for Claviger's data"))?;
        let binary = self.binary()?;
        note(format_args!("starting {}", binary.display()));
        let claviger = Claviger::start(&binary, folder.path())?;
        let check = enrol(&claviger.api()?.proving(credential), numbers, pull)?;
        let (target, process) = (claviger.target(), Some(claviger.process()));
        let running = Running::Claviger { _server: claviger, _folder: folder };
        Ok(Side { name: "Claviger", target, process, check, _running: running })
    }

    /// Claviger's binary.
    pub(super) fn binary(&self) -> Result<PathBuf, Failure> {
        if let Some(binary) = &self.claviger {
            return Ok(binary.clone());
        }
        let own = std::env::current_exe();
        let own = own.map_err(Failure::because("name Claviger's binary with --claviger"))?;
        Ok(own.with_file_name("claviger"))
    }

    /// Where data folders are made.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// What tells this binary from others.
    pub(super) fn build(&self) -> Result<String, Failure> {
        let binary = self.binary()?;
        let changed = binary.metadata().and_then(|metadata| metadata.modified());
        let changed = changed.map_err(Failure::because(binary.display()))?;
        let since = changed.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(format!("{} of {} s", binary.display(), since.as_secs()))
    }
}

/// Starts Leshan's server with the devices from 0 to before `end`.
pub(super) fn leshan(end: u32, cid: bool, credential: Credential) -> Result<Side, Failure> {
    note(format_args!("starting Leshan's server with {end} devices"));
    let leshan = Leshan::start(end, cid, credential)?;
    Ok(Side {
        name: "Leshan",
        target: leshan.target(),
        process: Some(leshan.process()),
        check: Box::new(Leshan::check),
        _running: Running::Leshan { _server: leshan },
    })
}

/// Enrols devices; gives what looks at what they are given.
fn enrol(api: &Api, numbers: Range<u32>, pull: bool) -> Result<Box<Check>, Failure> {
    let (began, count) = (Instant::now(), numbers.len());
    note(format_args!("enrolling {count} devices"));
    let check: Box<Check> = if pull {
        api.prepare_pull(numbers)?;
        Box::new(|_, _| Ok(()))
    } else {
        let told = api.prepare(numbers)?;
        Box::new(move |_, account| told.take(account))
    };
    if api.was_busy() > 0 {
        note(format_args!("warning: Claviger could not take them {} times", api.was_busy()));
    }
    note(format_args!("enrolled in {:.1} s", began.elapsed().as_secs_f64()));
    Ok(check)
}
