//! pion, in Go; `pion/main.go` drives it.

use super::{NO_RPK, NO_SUITE, NO_TICKETS, Stack, Task, printed, start, words};
use crate::mode::{By, Feature, Keys, Mode, Role};
use claviger_tests::{Peer, installed};

pub(crate) struct Pion;

const PROGRAM: &str = "pion/pion";

impl Stack for Pion {
    fn name(&self) -> &'static str {
        "pion"
    }

    fn version(&self) -> String {
        printed(installed(PROGRAM), &["version"]).trim().trim_start_matches('v').to_owned()
    }

    fn cannot(&self, _: Role, mode: &Mode) -> Option<&'static str> {
        match (mode.keys, mode.suite, mode.feature) {
            (Keys::Rpk, ..) => Some(NO_RPK),
            (Keys::X509, 0xC023, _) => Some(NO_SUITE),
            (_, _, Feature::Resumption(By::Ticket)) => Some(NO_TICKETS),
            _ => None,
        }
    }

    fn connect(&self, task: &Task<'_>) -> Peer {
        start(installed(PROGRAM), task, &words(Role::Client, task))
    }

    fn serve(&self, task: &Task<'_>) -> Peer {
        start(installed(PROGRAM), task, &words(Role::Server, task))
    }
}
