//! The command line. Figures go to standard output, everything else to standard error.

mod bootstrap;
mod cluster;
mod compare;
mod course;
mod handshakes;
mod ledger;
mod output;
mod peer;
mod scale;
mod server;
mod sessions;

use clap::{Parser, Subcommand};
use claviger_loadtest::{Failure, end_all};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// The exit code where it was stopped by a signal.
const STOPPED: i32 = 130;

const AFTER: &str = "\
Exit codes:
  0 done   1 a device failed, or nothing could be measured   2 wrong usage   130 it was stopped";

/// Puts load on bootstrap servers, and says what it costs them.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, about, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Drive simulated LwM2M devices through whole bootstraps.
    Bootstrap(bootstrap::Bootstrap),
    /// Drive clients through handshakes, ours or those of another DTLS library.
    Handshakes(handshakes::Handshakes),
    /// Measure a cluster of nodes and edges, each a process of its own.
    Cluster(cluster::Cluster),
    /// Put load on the replicated ledger of three nodes, and on etcd, turn by turn.
    Ledger(ledger::Ledger),
    /// Run one node of `ledger`; it is started by that.
    #[command(hide = true)]
    LedgerNode(ledger::LedgerNode),
    /// See what a fleet of a million costs: memory, restart, and the tail of bootstraps.
    Scale(scale::Scale),
    /// Open more and more sessions that stay, and see whether the old ones live.
    Sessions(sessions::Sessions),
    /// Put the same load on Claviger and on a peer, turn by turn.
    #[command(subcommand)]
    Compare(compare::Compare),
    /// Run a server that Claviger is compared with.
    #[command(subcommand)]
    Peer(peer::Peer),
}

/// Runs the command line of this process.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = raise_limit().and_then(|()| end_when_asked()).and_then(|()| match cli.command {
        Command::Bootstrap(bootstrap) => bootstrap.run(),
        Command::Handshakes(handshakes) => handshakes.run(),
        Command::Cluster(cluster) => cluster.run(),
        Command::Ledger(ledger) => ledger.run(),
        Command::LedgerNode(node) => node.run(),
        Command::Scale(scale) => scale.run(),
        Command::Sessions(sessions) => sessions.run(),
        Command::Compare(compare) => compare.run(),
        Command::Peer(peer) => peer.run(),
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(format_args!("loadtest: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// When this process is asked to end, so do the servers that it started.
fn end_when_asked() -> Result<(), Failure> {
    let failed = "cannot wait for signals";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::because(failed))?;
    let entered = runtime.enter();
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    drop(entered);
    let mut interrupt = signals.0.map_err(Failure::because(failed))?;
    let mut terminate = signals.1.map_err(Failure::because(failed))?;
    let asked = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let wait = move || {
        runtime.block_on(asked);
        end_all(STOPPED)
    };
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
    thread.map(drop).map_err(Failure::because(failed))
}

/// Where devices share no sockets, each has one: as many files as this process may have.
fn raise_limit() -> Result<(), Failure> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).map_err(Failure::because("cannot raise the limit of files"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
