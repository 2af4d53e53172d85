//! Eclipse Californium's DTLS, in Java; `scandium/` has the program that drives it.

use super::{NO_TICKETS, Stack, Task, cache, words};
use crate::mode::{By, Feature, Mode, Role};
use claviger_tests::Peer;
use tokio::process::Command;

pub(crate) struct Scandium;

/// How the program is started, in words.
fn java() -> [String; 6] {
    let folder = cache("scandium");
    let folder = folder.display();
    [
        "-XX:TieredStopAtLevel=1".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        "-Xmx64m".to_owned(),
        "-cp".to_owned(),
        format!("{folder}/interop-scandium.jar:{folder}/lib/*"),
        "claviger.interop.Scandium".to_owned(),
    ]
}

fn start(role: Role, task: &Task<'_>) -> Peer {
    let mut command = Command::new("java");
    let words = words(role, task);
    command.args(java()).args(words.split(' ')).current_dir(task.pki.path(""));
    Peer::start(command)
}

impl Stack for Scandium {
    fn name(&self) -> &'static str {
        "Scandium"
    }

    fn version(&self) -> String {
        let java = java();
        let words: Vec<_> = java.iter().map(String::as_str).chain(["version"]).collect();
        let said = super::printed("java", &words);
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
