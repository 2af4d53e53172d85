//! `claviger demo`

use super::client::{Client, Remote};
use super::dev::Stop;
use super::exit::{Exit, Failure};
use super::output::{self, Format};
use super::simulate;
use crate::app::{App, Config, TENANT};
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
            data: folder.path().join("data"),
            http: free,
            coaps: free,
            public_url: None,
            hide_unknown_identity: false,
        };
        let app = App::start(config).await.map_err(|error| Failure::failed(error.to_string()))?;
        let shown = tokio::select! {
            shown = show(&app) => shown,
            () = stop.wait() => Err(Failure::new(Exit::Failed, "it was interrupted")),
        };
        app.stop().await;
        shown
    }
}

async fn show(app: &App) -> Result<(), Failure> {
    let (http, coaps) = (app.addresses().http, app.addresses().coaps);
    output::line(format_args!("Claviger runs: API http://{http}, devices coaps://{coaps}\n"))?;
    let remote = Remote {
        server: format!("http://{http}"),
        token: Some(Secret::new(app.admin_token().to_owned())),
        tenant: TENANT.to_owned(),
        output: Format::Table,
    };
    let client = Client::new(&remote)?;
    simulate::run(&client, coaps, &[]).await
}
