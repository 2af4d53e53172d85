//! Mbed TLS, by its binding for Python; `python/` has the program that drives it.

use super::{NO_RPK, Stack, Task, printed, start, words};
use crate::mode::{Feature, Keys, Mode, Role};
use claviger_tests::{Peer, installed};
use std::path::{Path, PathBuf};

/// A script of ours.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/peers/python").join(name)
}

pub(crate) struct MbedTls;

const MBEDTLS: &str = "tools/mbedtls/bin/python";

impl MbedTls {
    fn start(role: Role, task: &Task<'_>) -> Peer {
        let script = script("mbedtls_peer.py");
        start(installed(MBEDTLS), task, &format!("{} {}", script.display(), words(role, task)))
    }
}

impl Stack for MbedTls {
    fn name(&self) -> &'static str {
        "Mbed TLS"
    }

    fn version(&self) -> String {
        let script = script("mbedtls_peer.py").display().to_string();
        let said = printed(installed(MBEDTLS), &[&script, "version"]);
        said.trim().trim_start_matches("Mbed TLS ").to_owned()
    }

    fn cannot(&self, _: Role, mode: &Mode) -> Option<&'static str> {
        match (mode.keys, mode.feature) {
            (Keys::Rpk, _) => Some(NO_RPK),
            (_, Feature::Resumption(_)) => Some("python-mbedtls has no call for it"),
            _ if mode.has_ids() => Some("2.28 has only a draft of connection ids"),
            _ => None,
        }
    }

    fn connect(&self, task: &Task<'_>) -> Peer {
        Self::start(Role::Client, task)
    }

    fn serve(&self, task: &Task<'_>) -> Peer {
        Self::start(Role::Server, task)
    }
}
