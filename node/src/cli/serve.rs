//! A server in this process, from its start to its end.

use super::begin::begin;
use super::exit::Failure;
use super::output;
use crate::app::App;
use crate::config::Config;
use crate::http::AdminToken;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs a server until it is told to stop; with `init` it founds a cluster. Once it is ready, `announce` says so. Without an
/// `admin_token` it takes the one in the file that `config` names.
///
/// # Errors
/// If it does not start, or a part of it ends by itself.
pub async fn serve(
    config: Config,
    init: bool,
    admin_token: Option<AdminToken>,
    announce: impl FnOnce(&App) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // Before anything is said: whoever reads that it runs may stop it at once.
    let mut stop = Stop::new()?;
    begin(&config.log, true);
    let app = tokio::select! {
        app = App::start(config, init, admin_token) => app,
        // One that still waits for its cluster.
        () = stop.wait() => return Ok(()),
    };
    let mut app = app.map_err(|error| Failure::failed(error.to_string()))?;
    if !app.addresses().tls && !app.addresses().http.ip().is_loopback() {
        output::note("Warning: the API has no TLS and listens beyond this machine.");
    }
    let ran = match announce(&app) {
        Ok(()) => run(&mut app, &mut stop).await,
        unsaid => unsaid,
    };
    app.stop().await;
    ran
}

async fn run(app: &mut App, stop: &mut Stop) -> Result<(), Failure> {
    let failed = |error| Failure::failed(format!("cannot hear signals: {error}"));
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    loop {
        tokio::select! {
            () = stop.wait() => return Ok(()),
            // Without anything to read again it is what it is to others: the terminal has gone.
            _ = hangup.recv() => if !app.reload() {
                return Ok(());
            },
            () = app.ended() => {
                return Err(Failure::failed("a part of it has ended; the log says why"));
            }
        }
    }
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
