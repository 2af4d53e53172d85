//! The command line: a server to try things out, a simulated device, and the API by hand.
//!
//! Data goes to standard output, everything else to standard error. A command asks the API as
//! anybody could; only `dev` and `demo` run a server in their own process. How a command ended is
//! told by its exit code ([`Exit`]).

mod client;
mod connector;
mod demo;
mod dev;
mod device;
mod exit;
mod input;
mod output;
mod profile;
mod simulate;

use clap::{Parser, Subcommand};
use exit::{Exit, Failure};
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

const AFTER: &str = "\
Exit codes:
  0 done   1 failed   2 wrong usage   3 not found   4 conflict   5 denied   6 unavailable

Environment:
  CLAVIGER_SERVER   the API's URL, for --server
  CLAVIGER_TOKEN    the admin token, for --token
  CLAVIGER_LOG      what is logged to standard error: error, warn, info, debug, or per module

Examples:
  claviger demo                 everything at once: a server, a device, a bootstrap
  claviger dev                  a server to try things out
  claviger simulate lwm2m       a device that bootstraps at that server
  claviger device show NAME     what happened to a device";

/// Claviger gives IoT devices their keys.
#[derive(Debug, Parser)]
#[command(name = "claviger", version, about, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server and a simulated device in one process, in a temporary folder.
    Demo(demo::Demo),
    /// Run all roles in one process, to try things out.
    Dev(dev::Dev),
    /// Run a simulated device against a server.
    #[command(subcommand)]
    Simulate(simulate::Simulate),
    /// Enrol devices and see how they stand.
    #[command(subcommand)]
    Device(device::Device),
    /// Set and show bootstrap profiles: what devices get.
    #[command(subcommand)]
    Profile(profile::Profile),
    /// Set and show connectors: how LwM2M servers learn of keys.
    #[command(subcommand)]
    Connector(connector::Connector),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output; clap knows which is which.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    log(&cli.command);
    crate::hygiene::forbid_core_dumps();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(error) => {
            Err(Failure::new(Exit::Failed, format!("the system gives no threads: {error}")))
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(format_args!("claviger: {failure}"));
            failure.exit.into()
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(demo) => demo.run().await,
        Command::Dev(dev) => dev.run().await,
        Command::Simulate(simulate) => simulate.run().await,
        Command::Device(device) => device.run().await,
        Command::Profile(profile) => profile.run().await,
        Command::Connector(connector) => connector.run().await,
    }
}

/// Logs to standard error: of a server what an operator wants to know, else only what is wrong.
fn log(command: &Command) {
    // A single voter makes openraft warn of its own first vote at each start.
    let level = match command {
        Command::Dev(_) => "info,openraft=error",
        _ => "warn,openraft=error",
    };
    let filter = EnvFilter::try_from_env("CLAVIGER_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        fn check(command: &clap::Command, path: &str) {
            let children: Vec<_> = command.get_subcommands().collect();
            if children.is_empty() {
                let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(after.contains("claviger "), "{path} has no example");
            }
            for child in children {
                check(child, &format!("{path} {}", child.get_name()));
            }
        }
        check(&Cli::command(), "claviger");
    }

    #[test]
    fn reads_what_the_readme_shows() {
        for line in [
            "claviger demo",
            "claviger dev -o json --data d --http 127.0.0.1:0 --coaps 127.0.0.1:0",
            "claviger simulate lwm2m --endpoint a --endpoint b",
            "claviger device enrol --endpoint e --profile p --psk-file - --token t",
            "claviger profile put p --server-uri coaps://h --connector c",
            "claviger connector put c --url https://h/",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn takes_no_key_as_an_argument() {
        let line = "claviger device enrol --endpoint e --profile p --psk 00";
        assert!(Cli::try_parse_from(line.split(' ')).is_err());
    }
}
