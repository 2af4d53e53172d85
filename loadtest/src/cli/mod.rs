//! The command line. Figures go to standard output, everything else to standard error.

mod bootstrap;
mod compare;
mod output;
mod peer;

use clap::{Parser, Subcommand};
use claviger_loadtest::Failure;
use std::process::ExitCode;

const AFTER: &str = "\
Exit codes:
  0 done   1 a bootstrap failed, or nothing could be measured   2 wrong usage";

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
    let ended = raise_limit().and_then(|()| match cli.command {
        Command::Bootstrap(bootstrap) => bootstrap.run(),
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

/// Each device has a socket: as many files as this process may have.
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
