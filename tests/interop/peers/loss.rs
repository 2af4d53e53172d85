//! A handshake survives the loss of any one of its datagrams, whoever the peer is.

use crate::mode::{Keys, Mode, Role};
use crate::pki::Pki;
use crate::run;
use crate::stack::{self, Manner, Stack};
use crate::table::words;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Which datagram is lost; few stacks have more than 8 in a handshake.
const LOST: core::ops::RangeInclusive<u32> = 1..=8;
/// Runs at a time: they mostly wait for a timer.
static PLACES: Semaphore = Semaphore::const_new(12);

static PSK: Mode = Mode::new("PSK, CCM_8", Keys::Psk, 0xC0A8);
static X509: Mode = Mode::new("X.509, GCM", Keys::X509, 0xC02B);

/// Why a peer does not get over a loss itself.
fn excuse(stack: &dyn Stack, role: Role) -> Option<&'static str> {
    match (stack.name(), role) {
        ("webrtc-dtls", Role::Server) => Some("it does not send its last flight again"),
        ("tinydtls", Role::Server) => Some("a repeated ClientHello ends its repetitions"),
        // One question, and no second try.
        _ if stack.manner() == Manner::Coap => Some("coap-client gives up early"),
        _ => None,
    }
}

async fn survives(stack: Arc<dyn Stack>, role: Role, mode: &'static Mode, lost: u32) {
    let _place = PLACES.acquire().await.expect("it is never closed");
    let (pki, lost) = (Pki::new(), Some(lost));
    match role {
        Role::Client => run::their_client(&*stack, &pki, mode, lost).await,
        Role::Server => run::their_server(&*stack, &pki, mode, lost).await,
    }
}

/// Every run with a peer that is tried; what failed, in words.
async fn with_every_peer(role: Role, mode: &'static Mode) -> String {
    let stacks = stack::all().into_iter();
    let stacks = stacks
        .filter(|stack| excuse(&**stack, role).is_none() && stack.cannot(role, mode).is_none());
    let mut runs = Vec::new();
    for (stack, lost) in stacks.flat_map(|stack| LOST.map(move |lost| (stack.clone(), lost))) {
        let name = stack.name();
        runs.push((name, lost, tokio::spawn(survives(stack, role, mode, lost))));
    }
    let mut failures = String::new();
    for (name, lost, run) in runs {
        if let Err(error) = run.await {
            failures +=
                &format!("\n{name} as {role:?}, without datagram {lost}: {}\n", words(error));
        }
    }
    failures
}

#[tokio::test]
async fn their_client_with_a_pre_shared_key_survives_the_loss_of_any_datagram() {
    assert_eq!(with_every_peer(Role::Client, &PSK).await, "");
}

#[tokio::test]
async fn their_client_with_a_certificate_survives_the_loss_of_any_datagram() {
    assert_eq!(with_every_peer(Role::Client, &X509).await, "");
}

#[tokio::test]
async fn our_client_with_a_pre_shared_key_survives_the_loss_of_any_datagram() {
    assert_eq!(with_every_peer(Role::Server, &PSK).await, "");
}

#[tokio::test]
async fn our_client_with_a_certificate_survives_the_loss_of_any_datagram() {
    assert_eq!(with_every_peer(Role::Server, &X509).await, "");
}
