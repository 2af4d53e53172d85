//! `claviger dev`

use super::exit::Failure;
use super::output::{self, Format};
use crate::app::{App, Config};
use clap::Args;
use core::net::SocketAddr;
use std::path::PathBuf;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A server to try things out.
#[derive(Debug, Args)]
#[command(after_help = "\
It keeps its ledger and its key in the data folder, prints where it listens, and stops on Ctrl-C.
It is for trying things out: whoever has the folder has the keys, and the API has no TLS.

Examples:
  claviger dev
  claviger dev --data /tmp/claviger --http 127.0.0.1:0 --coaps 0.0.0.0:5684 -o json")]
pub struct Dev {
    /// The data folder; made if missing.
    #[arg(long, default_value = "./claviger-data", value_name = "DIR")]
    data: PathBuf,
    /// Where the API listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR")]
    http: SocketAddr,
    /// Where devices come to, by CoAP over DTLS; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:5684", value_name = "ADDR")]
    coaps: SocketAddr,
    /// The API's URL as LwM2M servers reach it, where they report use; by default where it listens.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Answer an unknown PSK identity with silence, as a wrong key, instead of DTLS alert 115:
    /// strangers learn nothing, and an LwM2M client learns late that it is not enrolled.
    #[arg(long)]
    hide_unknown_identity: bool,
    /// How addresses and token are printed; json gives one line.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Dev {
    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn run(self) -> Result<(), Failure> {
        // Before anything is said: whoever reads that it runs may stop it at once.
        let mut stop = Stop::new()?;
        let data = self.data.clone();
        let config = Config {
            data: self.data,
            http: self.http,
            coaps: self.coaps,
            public_url: self.public_url,
            hide_unknown_identity: self.hide_unknown_identity,
        };
        let mut app =
            App::start(config).await.map_err(|error| Failure::failed(error.to_string()))?;
        if !app.addresses().http.ip().is_loopback() {
            output::note("Warning: the API has no TLS and listens beyond this machine.");
        }
        let said = match self.output {
            Format::Table => output::line(welcome(&app, &data.display().to_string())),
            Format::Json => output::line(serde_json::json!({
                "http": format!("http://{}", app.addresses().http),
                "coaps": app.addresses().coaps.to_string(),
                "admin_token": app.admin_token(),
            })),
        };
        let ran = match said {
            Ok(()) => tokio::select! {
                () = stop.wait() => Ok(()),
                () = app.ended() => Err(Failure::failed("a part of it has ended; the log says why")),
            },
            unsaid => unsaid,
        };
        app.stop().await;
        ran
    }
}

fn welcome(app: &App, data: &str) -> String {
    let (http, coaps, token) = (app.addresses().http, app.addresses().coaps, app.admin_token());
    let server = if http.port() == 8080 && http.ip().is_loopback() {
        String::new()
    } else {
        format!("  export CLAVIGER_SERVER=http://{http}\n")
    };
    let to = if coaps.port() == 5684 { String::new() } else { format!(" --coaps {coaps}") };
    format!(
        "Claviger is running, to try things out.\n\n\
         API          http://{http}\n\
         Devices      coaps://{coaps}\n\
         Data         {data}\n\
         Admin token  {token}\n\n\
         Next, in another terminal:\n{server}  export CLAVIGER_TOKEN={token}\n  \
         claviger simulate lwm2m{to}\n\n\
         Ctrl-C stops it."
    )
}

/// The signals by which a process is asked to stop.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Begins to listen for them.
    ///
    /// # Errors
    /// If the system does not let it.
    pub fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::failed(format!("cannot hear signals: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for one.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
