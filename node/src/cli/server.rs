//! `claviger server`

use super::config::{self, Source};
use super::exit::Failure;
use super::output::{self, Format};
use super::serve::serve;
use crate::app::Addresses;
use crate::config::{Config, Role};
use clap::Args;
use std::path::PathBuf;

/// A server for real.
#[derive(Debug, Args)]
#[command(after_help = "\
It says on standard output when it is ready, logs to standard error, and stops in good order at
SIGTERM or SIGINT. SIGHUP reads the certificate of HTTPS again. `claviger config show` prints every key that the file may have.

Examples:
  claviger server --config /etc/claviger.toml
  claviger server --config /etc/claviger.toml --check
  claviger server --config /etc/claviger.toml --init
  CLAVIGER_LOG=debug CLAVIGER_LOG_FORMAT=json claviger server --config claviger.toml -o json")]
pub struct Server {
    /// The configuration, in TOML.
    #[arg(long, env = "CLAVIGER_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and the files that it names, and end.
    #[arg(long)]
    check: bool,
    /// Found a cluster with this node as its first: once, with a data folder that has no ledger. A
    /// node that is alone needs none of this.
    #[arg(long, conflicts_with = "check")]
    init: bool,
    /// How it is printed that it is ready; json gives one line.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Server {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// If the configuration is wrong, or it does not start.
    pub async fn run(self) -> Result<(), Failure> {
        let source = Source { config: Some(self.config) };
        if self.check {
            return config::check(&source);
        }
        let config = source.load()?;
        let said = config.clone();
        serve(config, self.init, None, |app| {
            let addresses = app.addresses();
            match self.output {
                Format::Table => output::line(ready(&said, addresses)),
                Format::Json => output::line(serde_json::json!({
                    "http": addresses.url(),
                    "coaps": addresses.coaps.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    "link": addresses.link.map(|link| link.to_string()),
                })),
            }
        })
        .await
    }
}

fn ready(config: &Config, addresses: &Addresses) -> String {
    let has_api = config.has(Role::Ledger);
    let mut facts = vec![(if has_api { "API" } else { "Health" }, addresses.url())];
    facts.extend(addresses.coaps.iter().zip(&config.coaps).map(|(address, listener)| {
        ("Devices", format!("coaps://{address}, tenant {}", listener.tenant.as_str()))
    }));
    facts.extend(addresses.link.map(|link| ("Nodes", link.to_string())));
    if has_api {
        facts.push(("Data", config.node.data.display().to_string()));
        facts.push(("Admin token", format!("in {}", config.admin_token().display())));
    }
    format!("Claviger is ready.\n{}", output::facts(&facts).trim_end())
}
