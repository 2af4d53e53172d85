//! tinydtls, in C; `tinydtls/peer.c` drives it.

use super::{NO_ID, NO_RESUMPTION, NO_SUITE, Stack, Task, start, words};
use crate::mode::{Feature, Keys, Mode, Role};
use claviger_tests::{Peer, installed};

pub(crate) struct TinyDtls;

const PROGRAM: &str = "tinydtls/tinydtls";

impl Stack for TinyDtls {
    fn name(&self) -> &'static str {
        "tinydtls"
    }

    fn version(&self) -> String {
        let said = std::fs::read_to_string(installed("tinydtls/version"));
        said.unwrap_or_else(|error| panic!("{error}; run tests/setup")).trim().to_owned()
    }

    fn cannot(&self, _: Role, mode: &Mode) -> Option<&'static str> {
        match (mode.keys, mode.suite, mode.feature) {
            (Keys::X509, ..) => Some("it has no certificates"),
            (.., Feature::Resumption(_)) => Some(NO_RESUMPTION),
            _ if mode.has_ids() => Some(NO_ID),
            (_, 0xC0A8 | 0xC0A4 | 0xC0AE, _) => None,
            _ => Some(NO_SUITE),
        }
    }

    fn connect(&self, task: &Task<'_>) -> Peer {
        start(installed(PROGRAM), task, &words(Role::Client, task))
    }

    fn serve(&self, task: &Task<'_>) -> Peer {
        start(installed(PROGRAM), task, &words(Role::Server, task))
    }
}
