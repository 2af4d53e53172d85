//! `claviger connector`

use super::client::{Client, Remote};
use super::confirm::confirm;
use super::exit::Failure;
use super::input;
use super::output::{facts, note, table};
use clap::{Args, Subcommand};
use claviger_api::Connectors;
use claviger_api::{Connector as Row, ConnectorKind, PutConnector, Secret};
use reqwest::Method;
use std::path::PathBuf;

/// What can be done with connectors.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  claviger connector put lwm2m --url https://lwm2m.example/claviger
  claviger connector show lwm2m")]
pub enum Connector {
    /// Set a connector: how an LwM2M server comes to the keys of its devices.
    #[command(after_help = "\
By webhook, or --pull: without --secret-file a signing secret is made and shown once.

With --leshan keys go into the security store of a Leshan server demo, whose first page --url is.
It holds one key a device: the old one is gone when the new one is put there, so a device whose
bootstrap then fails cannot register until the next one. --secret-file has what a proxy before
Leshan wants as the header Authorization: `Basic ...` or `Bearer ...`. Leshan reports no use, so
credentials stay `delivered`.

Examples:
  claviger connector put lwm2m --url https://lwm2m.example/claviger
  claviger connector put lwm2m --url http://127.0.0.1:8090/ --secret-file secret
  claviger connector put asks --pull
  claviger connector put leshan --leshan --url http://127.0.0.1:8081
  echo \"Bearer $TOKEN\" | \\
    claviger connector put leshan --leshan --url https://leshan.example --secret-file -")]
    Put(Put),
    /// Show a connector, without its secret.
    #[command(after_help = "Example:\n  claviger connector show lwm2m")]
    Show(Named),
    /// List all connectors.
    #[command(after_help = "Example:\n  claviger connector list")]
    List(List),
    /// Delete a connector that nothing uses.
    #[command(after_help = "\
Examples:
  claviger connector delete NAME
  claviger connector delete NAME --yes")]
    Delete(Delete),
}

/// A connector to be set.
#[derive(Debug, Args)]
pub struct Put {
    #[command(flatten)]
    remote: Remote,
    /// Its name.
    name: String,
    /// Where the webhook is sent, or Leshan's first page: https, or http at a loopback address.
    #[arg(long, required_unless_present = "pull", conflicts_with = "pull")]
    url: Option<String>,
    /// The LwM2M server asks for keys instead, at `connectors/NAME/psk`.
    #[arg(long)]
    pull: bool,
    /// The server is a Leshan server demo: keys are put into its security store.
    #[arg(long, requires = "url")]
    leshan: bool,
    /// A file with the secret: whsec_<base64>, or for Leshan a header's value; `-` for standard
    /// input.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// One connector.
#[derive(Debug, Args)]
pub struct Named {
    #[command(flatten)]
    remote: Remote,
    /// Its name.
    name: String,
}

/// A connector to be deleted.
#[derive(Debug, Args)]
pub struct Delete {
    #[command(flatten)]
    remote: Remote,
    /// Its name.
    name: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// All connectors.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    remote: Remote,
}

impl Connector {
    /// Does it.
    ///
    /// # Errors
    /// What the API said.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Put(put) => put.run().await,
            Self::Show(Named { remote, name }) => {
                let client = Client::new(&remote)?;
                let connector: Row = client.get(&["connectors", &name], &[]).await?;
                remote.output.print(&connector, shown)
            }
            Self::List(List { remote }) => {
                let client = Client::new(&remote)?;
                let connectors: Connectors = client.get(&["connectors"], &[]).await?;
                remote.output.print(&connectors, rows)
            }
            Self::Delete(Delete { remote, name, yes }) => {
                let client = Client::new(&remote)?;
                confirm(&format!("Delete connector {name}"), yes)?;
                client.delete(&["connectors", &name]).await?;
                note(format_args!("Deleted {name}."));
                Ok(())
            }
        }
    }
}

impl Put {
    async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        let secret = self.secret_file.as_deref().map(input::secret).transpose()?;
        let secret = secret.map(|text| Secret::new(text.as_str().to_owned()));
        let (kind, url) = match self.url {
            Some(url) if self.leshan => (ConnectorKind::Leshan, url),
            Some(url) => (ConnectorKind::Webhook, url),
            None => (ConnectorKind::Pull, String::new()),
        };
        let body = PutConnector { kind, url, secret };
        let path = ["connectors", self.name.as_str()];
        let connector: Row = client.send_to(Method::PUT, &path, &body).await?;
        self.remote.output.print(&connector, shown)?;
        if connector.secret.is_some() {
            note("Give the secret to the LwM2M server now: it is not shown again.");
        }
        Ok(())
    }
}

fn shown(connector: &Row) -> String {
    let overlap = match connector.overlap {
        true => "an old and a new credential of a device are valid at once",
        false => "none: a new credential takes the old one away",
    };
    let mut pairs = vec![
        ("Connector", connector.name.clone()),
        ("Kind", connector.kind.as_str().to_owned()),
        ("URL", connector.url.clone()),
        ("Overlap", overlap.to_owned()),
        ("Version", connector.version.to_string()),
    ];
    if let Some(secret) = &connector.secret {
        pairs.push(("Secret", secret.expose().to_owned()));
    }
    facts(&pairs)
}

fn rows(connectors: &Connectors) -> String {
    let row = |row: &Row| {
        let kind = row.kind.as_str().to_owned();
        vec![row.name.clone(), kind, row.url.clone(), row.version.to_string()]
    };
    let rows: Vec<_> = connectors.connectors.iter().map(row).collect();
    table(&["NAME", "KIND", "URL", "VERSION"], &rows)
}
