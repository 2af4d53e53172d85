//! The command line: a server, a simulated device, and the API by hand.
//!
//! Data goes to standard output, everything else to standard error. A command asks the API as
//! anybody could; only `server`, `dev` and `demo` run one in their own process. How a command ended is
//! told by its exit code ([`Exit`]).

mod begin;
mod bulk;
mod client;
mod cluster;
mod completions;
mod config;
mod confirm;
mod connector;
mod credential;
mod demo;
mod dev;
mod device;
mod events;
mod exit;
mod export;
mod factory;
mod identity;
mod import;
mod import_key;
mod input;
mod key;
mod openapi;
mod output;
mod profile;
mod progress;
mod serve;
mod server;
mod simulate;
mod trust_anchor;
mod version;

use begin::{begin, quiet};
use clap::{CommandFactory, Parser, Subcommand};
use exit::{Exit, Failure};
use std::process::ExitCode;

const AFTER: &str = "\
Exit codes:
  0 done   1 failed   2 wrong usage or configuration   3 not found   4 conflict   5 denied
  6 unavailable   7 some of it could not be done

Environment:
  CLAVIGER_SERVER       the API's URL, for --server
  CLAVIGER_TOKEN        the admin token, for --token
  CLAVIGER_CA_FILE      certificates to trust, for --ca-file
  CLAVIGER_CONFIG       a server's configuration, for --config
  CLAVIGER_LOG          what is logged to standard error: error, warn, info, debug, or per module
  CLAVIGER_LOG_FORMAT   how it is logged: text or json
  OTEL_EXPORTER_OTLP_ENDPOINT   where a server sends traces by OTLP, as http://localhost:4318

Examples:
  claviger demo                 everything at once: a server, a device, a bootstrap
  claviger dev                  a server to try things out
  claviger server --config FILE a server for real
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
    /// Run a server as a configuration file says.
    Server(server::Server),
    /// Show or check the configuration of a server.
    #[command(subcommand)]
    Config(config::Config),
    /// Run a simulated device against a server.
    #[command(subcommand)]
    Simulate(simulate::Simulate),
    /// Enrol devices and see how they stand.
    #[command(subcommand)]
    Device(device::Device),
    /// See and revoke the credentials of devices.
    #[command(subcommand)]
    Credential(credential::Credential),
    /// Set and show bootstrap profiles: what devices get.
    #[command(subcommand)]
    Profile(profile::Profile),
    /// Set and show connectors: how LwM2M servers learn of keys.
    #[command(subcommand)]
    Connector(connector::Connector),
    /// Make and show import keys: what manufacturers encrypt their lists to.
    #[command(subcommand)]
    ImportKey(import_key::ImportKey),
    /// Set and show trust anchors: whose certificates devices may prove themselves by.
    #[command(subcommand)]
    TrustAnchor(trust_anchor::TrustAnchor),
    /// Set and show the server's own key: what devices know it by.
    #[command(subcommand)]
    Identity(identity::Identity),
    /// Replace the keys that the ledger is sealed by, and keep a copy of them safe.
    #[command(subcommand)]
    Key(key::Key),
    /// Encrypt and decrypt lists of devices; needs no server.
    #[command(subcommand)]
    Factory(factory::Factory),
    /// Print all that a tenant has.
    Export(export::Export),
    /// Enrol the devices of another bootstrap server.
    #[command(subcommand)]
    Import(import::Import),
    /// See how the cluster stands, and change who belongs to it.
    #[command(subcommand)]
    Cluster(cluster::Cluster),
    /// Print what happened, and follow what happens.
    Events(events::Events),
    /// Print the script by which a shell completes what is typed.
    Completions(completions::Completions),
    /// Print the OpenAPI document of the HTTP API.
    #[command(name = "openapi")]
    OpenApi(openapi::OpenApi),
    /// Print the version.
    Version(version::Version),
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(error) => {
            Err(Failure::new(Exit::Failed, format!("the system gives no threads: {error}")))
        }
    };
    crate::telemetry::stop();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(format_args!("claviger: {failure}"));
            failure.exit.into()
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    // A server logs as its configuration says.
    if !matches!(command, Command::Server(_) | Command::Dev(_)) {
        begin(&quiet()?, matches!(command, Command::Demo(_)));
    }
    match command {
        Command::Demo(demo) => demo.run().await,
        Command::Dev(dev) => dev.run().await,
        Command::Server(server) => server.run().await,
        Command::Config(config) => config.run(),
        Command::Simulate(simulate) => simulate.run().await,
        Command::Device(device) => device.run().await,
        Command::Credential(credential) => credential.run().await,
        Command::Profile(profile) => profile.run().await,
        Command::Connector(connector) => connector.run().await,
        Command::ImportKey(key) => key.run().await,
        Command::TrustAnchor(anchor) => anchor.run().await,
        Command::Identity(identity) => identity.run().await,
        Command::Key(key) => key.run().await,
        Command::Factory(factory) => factory.run(),
        Command::Export(export) => export.run().await,
        Command::Import(import) => import.run().await,
        Command::Cluster(cluster) => cluster.run().await,
        Command::Events(events) => events.run().await,
        Command::Completions(completions) => completions.run(Cli::command()),
        Command::OpenApi(document) => document.run(),
        Command::Version(version) => version.run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        fn check(command: &clap::Command, path: &str) {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains(&format!("\n  {path}")), "{path} has no example of itself");
            for child in command.get_subcommands() {
                check(child, &format!("{path} {}", child.get_name()));
            }
        }
        check(&Cli::command(), "claviger");
    }

    #[test]
    fn reads_what_the_readme_shows() {
        for line in [
            "claviger demo",
            "claviger server --config claviger.toml --check",
            "claviger config show -o json",
            "claviger completions zsh",
            "claviger openapi",
            "claviger dev -o json --data d --http 127.0.0.1:0 --coaps 127.0.0.1:0",
            "claviger simulate lwm2m --endpoint a --endpoint b",
            "claviger device enrol --endpoint e --profile p --psk-file - --token t",
            "claviger device enrol --endpoint e --profile p --public-key device.pub",
            "claviger device enrol --endpoint e --profile p --certificate --trust-anchor a",
            "claviger trust-anchor put a --certificates ca.pem --endpoint-in uri",
            "claviger identity set --private-key k.pem --chain c.pem",
            "claviger profile put p --server-uri coaps://h --connector c",
            "claviger connector put c --url https://h/",
            "claviger connector put c --leshan --url http://127.0.0.1:8081",
            "claviger import leshan --security s --store b --dry-run",
            "claviger cluster status --watch",
            "claviger cluster token create --role edge --uses 10 --lifetime 86400",
            "claviger cluster promote 1 2 --even",
            "claviger cluster readmit 1 --yes",
            "claviger cluster snapshot",
            "claviger cluster join a:1 b:1 --token-file t",
            "claviger server --config claviger.toml --init",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
    }

    #[test]
    fn takes_no_key_as_an_argument() {
        let line = "claviger device enrol --endpoint e --profile p --psk 00";
        assert!(Cli::try_parse_from(line.split(' ')).is_err());
    }

    #[test]
    fn a_device_proves_itself_in_one_way() {
        for proof in [
            "",
            "--psk-file f --public-key k",
            "--certificate",
            "--trust-anchor a",
            "--public-key k --certificate --trust-anchor a",
            "--public-key k --identity i",
        ] {
            let line = format!("claviger device enrol --endpoint e --profile p {proof}");
            assert!(Cli::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }
}
