//! webrtc-dtls and dimpl, in Rust; `rust/` has the program that drives them.

use super::{NO_ID, NO_RESUMPTION, NO_RPK, NO_SUITE, Stack, Task, start, words};
use crate::mode::{Feature, Keys, Mode, Role};
use claviger_tests::{Peer, installed};

/// Which packages that program is made of.
const LOCK: &str = include_str!("../rust/Cargo.lock");

fn locked(name: &str) -> String {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = LOCK.split_once(&entry).expect("it is locked");
    rest.split('"').next().unwrap_or_default().to_owned()
}

fn run(stack: &str, role: Role, task: &Task<'_>) -> Peer {
    start(installed("peers-rust/peers-rust"), task, &format!("{stack} {}", words(role, task)))
}

pub(crate) struct WebRtc;

impl Stack for WebRtc {
    fn name(&self) -> &'static str {
        "webrtc-dtls"
    }

    fn version(&self) -> String {
        locked(self.name())
    }

    fn cannot(&self, _: Role, mode: &Mode) -> Option<&'static str> {
        match (mode.keys, mode.suite, mode.feature) {
            (Keys::Rpk, ..) => Some(NO_RPK),
            (_, 0x00AE | 0xC037 | 0xC023, _) => Some(NO_SUITE),
            (.., Feature::Resumption(_)) => Some(NO_RESUMPTION),
            _ if mode.has_ids() => Some(NO_ID),
            _ => None,
        }
    }

    fn connect(&self, task: &Task<'_>) -> Peer {
        run(self.name(), Role::Client, task)
    }

    fn serve(&self, task: &Task<'_>) -> Peer {
        run(self.name(), Role::Server, task)
    }
}

pub(crate) struct Dimpl;

impl Stack for Dimpl {
    fn name(&self) -> &'static str {
        "dimpl"
    }

    fn version(&self) -> String {
        locked(self.name())
    }

    fn cannot(&self, _: Role, mode: &Mode) -> Option<&'static str> {
        match (mode.keys, mode.suite, mode.feature) {
            (Keys::Rpk, ..) => Some(NO_RPK),
            (.., Feature::Resumption(_)) => Some(NO_RESUMPTION),
            _ if mode.has_ids() => Some(NO_ID),
            (_, 0xC0A8, _) | (Keys::X509, 0xC02B, _) => None,
            _ => Some(NO_SUITE),
        }
    }

    fn connect(&self, task: &Task<'_>) -> Peer {
        run(self.name(), Role::Client, task)
    }

    fn serve(&self, task: &Task<'_>) -> Peer {
        run(self.name(), Role::Server, task)
    }
}
