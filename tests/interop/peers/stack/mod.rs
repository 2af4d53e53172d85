//! The stacks that are not ours: how each is started, and what it cannot do.

mod gnutls;
mod libcoap;
mod openssl;
mod pion;
mod python;
mod rust;
mod scandium;
mod tinydtls;

use crate::mode::{Keys, Mode, Role};
use crate::pki::Pki;
use crate::server::{HEX, NAME};
use claviger_tests::Peer;
use core::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::process::Command;

pub(crate) use gnutls::GnuTls;
use libcoap::LibCoap;
pub(crate) use openssl::OpenSsl;
use pion::Pion;
use python::MbedTls;
use rust::{Dimpl, WebRtc};
use scandium::Scandium;
use tinydtls::TinyDtls;

/// Reasons that several have not to try a mode.
const NO_SUITE: &str = "it has no such suite";
const NO_RPK: &str = "it has no raw public keys";
const NO_ID: &str = "it has no connection ids, or this build has none";
const NO_RESUMPTION: &str = "it resumes nothing";
const NO_TICKETS: &str = "it has no tickets";

/// One start of a peer.
pub(crate) struct Task<'a> {
    pub(crate) pki: &'a Pki,
    /// Where it connects to or listens.
    pub(crate) address: SocketAddr,
    pub(crate) mode: &'a Mode,
    /// Whether the session of an earlier start is to be resumed.
    pub(crate) again: bool,
}

/// How a client comes back to resume its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ComesBack {
    /// When it is told `!again`.
    WhenTold,
    /// At once, before it says anything.
    ByItself,
    /// As another process, from a file.
    Restarted,
}

/// How a peer deals in application data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It prints what it hears, and sends what it is told.
    Talks,
    /// The same as a client, but as a server it sends back what it hears.
    Echoes,
    /// As a client it asks once and prints the answer; as a server it answers.
    Coap,
}

/// A stack that is not ours.
pub(crate) trait Stack: Send + Sync {
    fn name(&self) -> &'static str;

    /// Of what is installed here.
    fn version(&self) -> String;

    /// Why a mode is not tried; `None` if it is.
    fn cannot(&self, role: Role, mode: &Mode) -> Option<&'static str>;

    /// Starts it as a client.
    fn connect(&self, task: &Task<'_>) -> Peer;

    fn comes_back(&self) -> ComesBack {
        ComesBack::WhenTold
    }

    /// Starts it as a server.
    fn serve(&self, task: &Task<'_>) -> Peer;

    /// What the server says when it can be reached.
    fn ready(&self) -> &'static str {
        "listening"
    }

    fn manner(&self) -> Manner {
        Manner::Talks
    }
}

/// A program in the folder of the keys; `arguments` are parted by spaces.
fn start(program: impl AsRef<Path>, task: &Task<'_>, arguments: &str) -> Peer {
    let mut command = Command::new(program.as_ref());
    command.args(arguments.split_whitespace()).current_dir(task.pki.path(""));
    Peer::start(command)
}

/// A program of ours on a foreign stack, and its words.
fn words(role: Role, task: &Task<'_>) -> String {
    let mode = task.mode;
    let what = match role {
        Role::Client => "connect",
        Role::Server => "listen",
    };
    let keys = match mode.keys {
        Keys::Psk => "psk",
        Keys::Rpk => "rpk",
        Keys::X509 => "x509",
    };
    let mut words = format!(
        "{what}={} keys={keys} suite={} identity={NAME} psk={HEX}",
        task.address,
        mode.suite_name()
    );
    // A server's own id must not be empty: our client finds no use in one.
    match (role, mode.id_of_the_client()) {
        (Role::Client, Some(length)) => words.push_str(&format!(" cid={length}")),
        (Role::Server, Some(_)) => words.push_str(" cid=6"),
        (_, None) => {}
    }
    if mode.resumption().is_some() {
        words.push_str(" resume=yes");
    }
    words
}

/// What a program prints when it is asked for its version.
fn printed(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let mut command = Command::new(program.as_ref());
    command.args(arguments);
    output_of(command)
}

fn output_of(mut command: Command) -> String {
    let command = command.as_std_mut();
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}; run tests/setup"));
    [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat()
}

/// How many there are.
pub(crate) const COUNT: usize = 11;

/// Every stack, in the order of the table.
pub(crate) fn all() -> [Arc<dyn Stack>; COUNT] {
    [
        Arc::new(OpenSsl::of_the_system()),
        Arc::new(OpenSsl::built()),
        Arc::new(GnuTls),
        Arc::new(Pion),
        Arc::new(Scandium),
        Arc::new(WebRtc),
        Arc::new(Dimpl),
        Arc::new(MbedTls),
        Arc::new(TinyDtls),
        Arc::new(LibCoap::on_openssl()),
        Arc::new(LibCoap::on_gnutls()),
    ]
}
