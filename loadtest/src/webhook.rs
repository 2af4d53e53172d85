//! An LwM2M server's end of the webhook, which takes every credential at once.
//!
//! It runs on a thread of its own, so that a driver that is busy keeps nobody waiting. It checks
//! no signatures: it is there to be as cheap as can be, on the machine that is being measured.

use crate::Failure;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use claviger_api::CredentialStaged;
use claviger_device::Account;
use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

/// What it was told and no device has shown yet: the key in hexadecimal, by PSK identity.
#[derive(Debug, Clone, Default)]
pub struct Told(Arc<Mutex<HashMap<String, String>>>);

impl Told {
    /// Takes out what was told of `account`.
    ///
    /// # Errors
    /// Words, if nothing was, or another key: then the device was given what its LwM2M server does
    /// not know.
    pub fn take(&self, account: &Account) -> Result<(), String> {
        let identity = String::from_utf8_lossy(&account.identity);
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&*identity);
        let key: String = account.key.iter().map(|byte| format!("{byte:02x}")).collect();
        match told {
            Some(told) if told == key => Ok(()),
            Some(_) => Err("the LwM2M server was told another key than the device".to_owned()),
            None => Err("the LwM2M server was not told before the device".to_owned()),
        }
    }
}

/// Starts a receiver on a free port of loopback; gives its URL and what it is told. It ends with
/// the process.
///
/// # Errors
/// If there is no port or no thread.
pub fn start() -> Result<(String, Told), Failure> {
    let failed = "cannot receive webhooks on loopback";
    let socket = TcpListener::bind("127.0.0.1:0").map_err(Failure::because(failed))?;
    socket.set_nonblocking(true).map_err(Failure::because(failed))?;
    let address = socket.local_addr().map_err(Failure::because(failed))?;
    let told = Told::default();
    let router = Router::new().route("/", post(take)).with_state(told.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::because(failed))?;
    let serve = move || {
        runtime.block_on(async {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            axum::serve(socket, router).await
        })
    };
    let thread = std::thread::Builder::new().name("webhook".to_owned()).spawn(serve);
    thread.map_err(Failure::because(failed))?;
    Ok((format!("http://{address}/"), told))
}

async fn take(State(told): State<Told>, body: Bytes) -> StatusCode {
    let Ok(staged) = serde_json::from_slice::<CredentialStaged>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let psk = staged.data.psk;
    let key = psk.key.expose().to_owned();
    told.0.lock().unwrap_or_else(PoisonError::into_inner).insert(psk.identity, key);
    StatusCode::NO_CONTENT
}
