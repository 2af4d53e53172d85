//! `claviger profile`

use super::client::{Client, Remote};
use super::confirm::confirm;
use super::exit::Failure;
use super::output::{facts, note, table};
use clap::{Args, Subcommand};
use claviger_api::{Profile as Row, Profiles, PutProfile, SecurityMode};
use reqwest::Method;

/// What can be done with bootstrap profiles.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  claviger profile put site --server-uri coaps://lwm2m.example --connector lwm2m
  claviger profile list")]
pub enum Profile {
    /// Set a profile: the LwM2M server that its devices get.
    #[command(after_help = "\
Example:
  claviger profile put site --server-uri coaps://lwm2m.example:5684 --connector lwm2m")]
    Put(Put),
    /// Show a profile.
    #[command(after_help = "Example:\n  claviger profile show site")]
    Show(Named),
    /// Delete a profile that nothing uses.
    #[command(after_help = "\
Examples:
  claviger profile delete NAME
  claviger profile delete NAME --yes")]
    Delete(Delete),
    /// List all profiles.
    #[command(after_help = "Example:\n  claviger profile list")]
    List(List),
}

/// A profile to be set.
#[derive(Debug, Args)]
pub struct Put {
    #[command(flatten)]
    remote: Remote,
    /// Its name.
    name: String,
    /// The LwM2M server, as coaps://host[:port].
    #[arg(long, value_name = "URI")]
    server_uri: String,
    /// The connector by which that server learns of keys.
    #[arg(long, value_name = "NAME")]
    connector: String,
    /// That server's Short Server ID.
    #[arg(long, default_value_t = 1, value_name = "ID")]
    short_server_id: u16,
    /// For how long a registration holds.
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    registration_lifetime: u32,
    /// For how long a key is valid.
    #[arg(long, default_value_t = 31_536_000, value_name = "SECONDS")]
    credential_lifetime: u64,
}

/// One profile.
#[derive(Debug, Args)]
pub struct Named {
    #[command(flatten)]
    remote: Remote,
    /// Its name.
    name: String,
}

/// All profiles.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    remote: Remote,
}

/// A profile to be deleted.
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

impl Profile {
    /// Does it.
    ///
    /// # Errors
    /// What the API said.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Put(put) => put.run().await,
            Self::Show(Named { remote, name }) => {
                let client = Client::new(&remote)?;
                let profile: Row = client.get(&["profiles", &name], &[]).await?;
                remote.output.print(&profile, shown)
            }
            Self::List(List { remote }) => {
                let client = Client::new(&remote)?;
                let profiles: Profiles = client.get(&["profiles"], &[]).await?;
                remote.output.print(&profiles, rows)
            }
            Self::Delete(Delete { remote, name, yes }) => {
                let client = Client::new(&remote)?;
                confirm(&format!("Delete profile {name}"), yes)?;
                client.delete(&["profiles", &name]).await?;
                note(format_args!("Deleted {name}."));
                Ok(())
            }
        }
    }
}

impl Put {
    async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        let body = PutProfile {
            short_server_id: self.short_server_id,
            registration_lifetime: self.registration_lifetime,
            credential_lifetime: self.credential_lifetime,
            security_mode: SecurityMode::Psk,
            ..PutProfile::new(self.server_uri, self.connector)
        };
        let path = ["profiles", self.name.as_str()];
        let profile: Row = client.send_to(Method::PUT, &path, &body).await?;
        self.remote.output.print(&profile, shown)
    }
}

fn shown(profile: &Row) -> String {
    facts(&[
        ("Profile", profile.name.clone()),
        ("LwM2M server", profile.server_uri.clone()),
        ("Short Server ID", profile.short_server_id.to_string()),
        ("Registration lifetime", format!("{} s", profile.registration_lifetime)),
        ("Credential lifetime", format!("{} s", profile.credential_lifetime)),
        ("Binding", profile.binding.clone()),
        ("Connector", profile.connector.clone()),
        ("Version", profile.version.to_string()),
    ])
}

fn rows(profiles: &Profiles) -> String {
    let row = |row: &Row| {
        vec![
            row.name.clone(),
            row.server_uri.clone(),
            row.short_server_id.to_string(),
            row.connector.clone(),
            row.version.to_string(),
        ]
    };
    let rows: Vec<_> = profiles.profiles.iter().map(row).collect();
    table(&["NAME", "SERVER", "SSID", "CONNECTOR", "VERSION"], &rows)
}
