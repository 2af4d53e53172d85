//! `claviger trust-anchor`

use super::client::{Client, Remote};
use super::confirm::confirm;
use super::exit::{Exit, Failure};
use super::input;
use super::output::{self, facts, note, table};
use clap::{Args, Subcommand, ValueEnum};
use claviger_api::{EndpointIn, PutTrustAnchor, TrustAnchor as Row, TrustAnchors};
use reqwest::Method;
use std::path::PathBuf;

/// What can be done with trust anchors.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  claviger trust-anchor put factory --certificates factory-ca.pem
  claviger trust-anchor list")]
pub enum TrustAnchor {
    /// Set a trust anchor: an authority whose certificates name devices of yours.
    #[command(after_help = "\
A device under it is enrolled by `claviger device enrol --certificate --trust-anchor NAME`; or it
enrols itself when it first comes, with the profile that --enrol-with-profile names. Say that only
of an authority that certifies your devices and no others.

Examples:
  claviger trust-anchor put factory --certificates factory-ca.pem
  claviger trust-anchor put factory --certificates factory-ca.pem --endpoint-in uri
  claviger trust-anchor put factory --certificates factory-ca.pem --enrol-with-profile meters")]
    Put(Put),
    /// Show a trust anchor.
    #[command(after_help = "\
Examples:
  claviger trust-anchor show factory
  claviger trust-anchor show factory --pem > factory-ca.pem")]
    Show(Show),
    /// Delete a trust anchor: no certificate under it is taken any more.
    #[command(after_help = "\
Examples:
  claviger trust-anchor delete NAME
  claviger trust-anchor delete NAME --yes")]
    Delete(Delete),
    /// List all trust anchors.
    #[command(after_help = "Example:\n  claviger trust-anchor list")]
    List(List),
}

/// A trust anchor to be set.
#[derive(Debug, Args)]
pub struct Put {
    #[command(flatten)]
    remote: Remote,
    /// Its name.
    name: String,
    /// A file with the authority's certificates in PEM; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    certificates: PathBuf,
    /// Where the endpoint name stands in a device's certificate.
    #[arg(long, value_enum, default_value = "common-name", value_name = "PLACE")]
    endpoint_in: Place,
    /// The profile that an unknown device with a valid certificate is enrolled with.
    #[arg(long, value_name = "NAME")]
    enrol_with_profile: Option<String>,
    /// Do not ask before one that is there is replaced.
    #[arg(long)]
    yes: bool,
}

/// Where an endpoint name stands, by its name on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Place {
    /// The subject's common name
    CommonName,
    /// A dNSName of the subjectAltName
    DnsName,
    /// A URI of the subjectAltName, as urn:dev:...
    Uri,
}

impl From<Place> for EndpointIn {
    fn from(place: Place) -> Self {
        match place {
            Place::CommonName => Self::CommonName,
            Place::DnsName => Self::DnsName,
            Place::Uri => Self::Uri,
        }
    }
}

/// One trust anchor.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    remote: Remote,
    /// Its name.
    name: String,
    /// Print its certificates in PEM.
    #[arg(long, conflicts_with = "output")]
    pem: bool,
}

/// All trust anchors.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    remote: Remote,
}

/// A trust anchor to be deleted.
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

impl TrustAnchor {
    /// Does it.
    ///
    /// # Errors
    /// What the API said.
    pub async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Put(put) => put.run().await,
            Self::Show(Show { remote, name, pem }) => {
                let client = Client::new(&remote)?;
                let anchor: Row = client.get(&["trust-anchors", &name], &[]).await?;
                if pem {
                    return output::line(anchor.certificates.trim_end());
                }
                remote.output.print(&anchor, shown)
            }
            Self::List(List { remote }) => {
                let client = Client::new(&remote)?;
                let anchors: TrustAnchors = client.get(&["trust-anchors"], &[]).await?;
                remote.output.print(&anchors, rows)
            }
            Self::Delete(Delete { remote, name, yes }) => {
                let client = Client::new(&remote)?;
                let what = "so that no device opens a session by a certificate under it";
                confirm(&format!("Delete trust anchor {name}, {what}"), yes)?;
                client.delete(&["trust-anchors", &name]).await?;
                note(format_args!("Deleted {name}."));
                Ok(())
            }
        }
    }
}

impl Put {
    async fn run(self) -> Result<(), Failure> {
        let client = Client::new(&self.remote)?;
        let body = PutTrustAnchor {
            certificates: input::pem(&self.certificates)?,
            endpoint_in: self.endpoint_in.into(),
            enrol_with_profile: self.enrol_with_profile,
        };
        let path = ["trust-anchors", self.name.as_str()];
        let known: Option<Row> = match client.get(&path, &[]).await {
            Ok(known) => Some(known),
            Err(failure) if failure.exit == Exit::NotFound => None,
            Err(failure) => return Err(failure),
        };
        if known.is_some_and(|known| known.certificates.trim() != body.certificates.trim()) {
            confirm(&format!("Replace the certificates of trust anchor {}", self.name), self.yes)?;
        }
        let anchor: Row = client.send_to(Method::PUT, &path, &body).await?;
        self.remote.output.print(&anchor, shown)
    }
}

const fn place(place: EndpointIn) -> &'static str {
    match place {
        EndpointIn::CommonName => "common name",
        EndpointIn::DnsName => "DNS name",
        EndpointIn::Uri => "URI",
    }
}

fn shown(anchor: &Row) -> String {
    let enrols = anchor.enrol_with_profile.as_ref();
    let enrols = enrols.map_or_else(|| "no".to_owned(), |profile| format!("with {profile}"));
    let mut all = vec![
        ("Trust anchor", anchor.name.clone()),
        ("Endpoint is the", place(anchor.endpoint_in).to_owned()),
        ("Enrols unknown devices", enrols),
        ("Version", anchor.version.to_string()),
    ];
    for authority in &anchor.authorities {
        all.push(("Authority", authority.subject.clone()));
        all.push(("  Fingerprint", authority.fingerprint.clone()));
        all.push(("  Valid until", authority.not_after.to_string()));
    }
    facts(&all)
}

fn rows(anchors: &TrustAnchors) -> String {
    let row = |row: &Row| {
        let subjects: Vec<_> = row.authorities.iter().map(|it| it.subject.as_str()).collect();
        let enrols = row.enrol_with_profile.clone().unwrap_or_else(|| "-".to_owned());
        let place = place(row.endpoint_in).to_owned();
        vec![row.name.clone(), subjects.join("; "), place, enrols, row.version.to_string()]
    };
    let rows: Vec<_> = anchors.trust_anchors.iter().map(row).collect();
    table(&["NAME", "AUTHORITY", "ENDPOINT IN", "ENROLS WITH", "VERSION"], &rows)
}
