//! `claviger demo`

use super::client::{Client, Remote};
use super::exit::{Exit, Failure};
use super::output::{self, Format};
use super::serve::Stop;
use super::simulate::{self, How, Proof};
use crate::app::{App, TENANT};
use crate::config::{Coaps, Config, Http, Node};
use crate::crypto::SystemCrypto;
use crate::http::AdminToken;
use clap::Args;
use claviger_api::Secret;
use core::net::SocketAddr;

/// Everything at once.
#[derive(Debug, Args)]
#[command(after_help = "\
It uses free ports and a temporary folder, and leaves nothing behind.

Example:
  claviger demo")]
pub struct Demo {}

impl Demo {
    /// Runs a server, a device and an LwM2M server; stops them again.
    ///
    /// # Errors
    /// If any of it does not work.
    pub async fn run(self) -> Result<(), Failure> {
        let mut stop = Stop::new()?;
        let folder = tempfile::tempdir()
            .map_err(|error| Failure::failed(format!("cannot make a temporary folder: {error}")))?;
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config {
            node: Node { data: folder.path().join("data"), ..Node::default() },
            http: Http { listen: free, ..Http::default() },
            coaps: vec![Coaps { listen: free, ..Coaps::default() }],
            ..Config::default()
        };
        let (text, token) = AdminToken::make(&SystemCrypto);
        let app = App::start(config, false, Some(token)).await;
        let app = app.map_err(|error| Failure::failed(error.to_string()))?;
        let shown = tokio::select! {
            shown = show(&app, &text) => shown,
            () = stop.wait() => Err(Failure::new(Exit::Failed, "it was interrupted")),
        };
        app.stop().await;
        shown
    }
}

async fn show(app: &App, token: &str) -> Result<(), Failure> {
    let (http, coaps) = (app.addresses().http, app.addresses().coaps[0]);
    output::line(format_args!("Claviger runs: API http://{http}, devices coaps://{coaps}\n"))?;
    let remote = Remote {
        server: format!("http://{http}"),
        token: Some(Secret::new(token.to_owned())),
        ca_file: None,
        tenant: TENANT.to_owned(),
        output: Format::Table,
    };
    let client = Client::new(&remote)?;
    let how = How { written_as: claviger_device::Format::Tlv, proof: Proof::Psk };
    simulate::run(&client, coaps, &[], how, Format::Table).await
}
