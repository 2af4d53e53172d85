//! Eclipse Californium's DTLS, in Java; `scandium/` has the program that drives it.

use super::{NO_TICKETS, Stack, Task, words};
use crate::mode::{By, Feature, Mode, Role};
use claviger_tests::{Peer, java};

pub(crate) struct Scandium;

fn start(role: Role, task: &Task<'_>) -> Peer {
    let mut command = java("scandium", "Scandium");
    command.args(words(role, task).split(' ')).current_dir(task.pki.path(""));
    Peer::start(command)
}

impl Stack for Scandium {
    fn name(&self) -> &'static str {
        "Scandium"
    }

    fn version(&self) -> String {
        let mut java = java("scandium", "Scandium");
        java.arg("version");
        let said = super::output_of(java);
        let (_, version) = said.trim().rsplit_once("scandium-").expect("the name of a file");
        version.trim_end_matches(".jar").to_owned()
    }

    fn cannot(&self, _: Role, mode: &Mode) -> Option<&'static str> {
        (mode.feature == Feature::Resumption(By::Ticket)).then_some(NO_TICKETS)
    }

    fn connect(&self, task: &Task<'_>) -> Peer {
        start(Role::Client, task)
    }

    fn serve(&self, task: &Task<'_>) -> Peer {
        start(Role::Server, task)
    }
}
