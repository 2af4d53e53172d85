//! `claviger server`

use super::config::{self, Source};
use super::exit::Failure;
use super::output::{self, Format};
use super::serve::serve;
use crate::app::Addresses;
use crate::config::Config;
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
  CLAVIGER_LOG=debug CLAVIGER_LOG_FORMAT=json claviger server --config claviger.toml -o json")]
pub struct Server {
    /// The configuration, in TOML.
    #[arg(long, env = "CLAVIGER_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and the files that it names, and end.
    #[arg(long)]
    check: bool,
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
        serve(config, None, |app| {
            let addresses = app.addresses();
            match self.output {
                Format::Table => output::line(ready(&said, addresses)),
                Format::Json => output::line(serde_json::json!({
                    "http": addresses.url(),
                    "coaps": addresses.coaps.iter().map(ToString::to_string).collect::<Vec<_>>(),
                })),
            }
        })
        .await
    }
}

fn ready(config: &Config, addresses: &Addresses) -> String {
    let mut facts = vec![("API", addresses.url())];
    facts.extend(addresses.coaps.iter().zip(&config.coaps).map(|(address, listener)| {
        ("Devices", format!("coaps://{address}, tenant {}", listener.tenant.as_str()))
    }));
    facts.push(("Data", config.node.data.display().to_string()));
    facts.push(("Admin token", format!("in {}", config.admin_token().display())));
    format!("Claviger is ready.\n{}", output::facts(&facts).trim_end())
}
