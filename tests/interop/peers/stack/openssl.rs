//! OpenSSL's `s_client` and `s_server`: Debian's, and a newer one that has raw public keys.

use super::{ComesBack, NO_ID, Stack, Task, printed, start};
use crate::mode::{By, Keys, Mode, Role};
use crate::server::{HEX, NAME};
use claviger_tests::{Peer, installed};
use std::path::PathBuf;

pub(crate) struct OpenSsl {
    name: &'static str,
    program: PathBuf,
    raw_public_keys: bool,
    /// What its programs are told beyond the mode.
    more: &'static str,
    /// Whether the server asks for a key.
    asks: bool,
}

impl OpenSsl {
    /// The one that is on the `PATH`.
    pub(crate) fn of_the_system() -> Self {
        Self {
            name: "OpenSSL 3.0",
            program: "openssl".into(),
            raw_public_keys: false,
            more: "",
            asks: true,
        }
    }

    /// The one that `tests/setup` builds.
    pub(crate) fn built() -> Self {
        Self {
            name: "OpenSSL 4.0",
            program: installed("openssl/openssl"),
            raw_public_keys: true,
            ..Self::of_the_system()
        }
    }

    /// The same with more arguments.
    pub(crate) fn with(self, more: &'static str) -> Self {
        Self { more, ..self }
    }

    /// The same with a server that asks for no key.
    pub(crate) fn that_asks_for_nothing(self) -> Self {
        Self { asks: false, ..self }
    }
}

/// OpenSSL's name of a suite.
pub(crate) fn cipher(suite: u16) -> &'static str {
    match suite {
        0xC0A8 => "PSK-AES128-CCM8",
        0xC0A4 => "PSK-AES128-CCM",
        0x00A8 => "PSK-AES128-GCM-SHA256",
        0x00AE => "PSK-AES128-CBC-SHA256",
        0xC037 => "ECDHE-PSK-AES128-CBC-SHA256",
        0xC0AE => "ECDHE-ECDSA-AES128-CCM8",
        0xC0AC => "ECDHE-ECDSA-AES128-CCM",
        0xC02B => "ECDHE-ECDSA-AES128-GCM-SHA256",
        0xC023 => "ECDHE-ECDSA-AES128-SHA256",
        _ => panic!("no name for {suite:#06x}"),
    }
}

/// What both programs are told of keys.
fn keys(own: &str, other: &str, keys: Keys) -> String {
    match keys {
        Keys::Psk => format!("-psk {HEX}"),
        Keys::X509 => {
            format!("-cert {own}.pem -key {own}.key -CAfile ca.pem -verify_return_error")
        }
        Keys::Rpk => format!(
            "-cert {own}.pem -key {own}.key -enable_server_rpk -enable_client_rpk \
             -expected-rpks {other}.pub -verify_return_error"
        ),
    }
}

impl Stack for OpenSsl {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        let said = printed(&self.program, &["version"]);
        said.split_whitespace().nth(1).unwrap_or_default().to_owned()
    }

    fn cannot(&self, _: Role, mode: &Mode) -> Option<&'static str> {
        if mode.has_ids() {
            return Some(NO_ID);
        }
        (mode.keys == Keys::Rpk && !self.raw_public_keys)
            .then_some("it has raw public keys since 3.2")
    }

    fn connect(&self, task: &Task<'_>) -> Peer {
        let mode = task.mode;
        let resumption = match (mode.resumption(), task.again) {
            (None, _) => "",
            (Some(By::Id), false) => "-no_ticket -sess_out session",
            (Some(By::Id), true) => "-no_ticket -sess_in session",
            (Some(By::Ticket), false) => "-sess_out session",
            (Some(By::Ticket), true) => "-sess_in session",
        };
        let arguments = format!(
            "s_client -dtls1_2 -connect {} -cipher {}:@SECLEVEL=0 -psk_identity {NAME} {} \
             {resumption} {}",
            task.address,
            cipher(mode.suite),
            keys("client", "server", mode.keys),
            self.more,
        );
        start(&self.program, task, &arguments)
    }

    fn comes_back(&self) -> ComesBack {
        ComesBack::Restarted
    }

    fn serve(&self, task: &Task<'_>) -> Peer {
        let mode = task.mode;
        let own = match mode.keys {
            // It wants a certificate whatever the suite.
            Keys::Psk => "-cert server.pem -key server.key",
            Keys::Rpk | Keys::X509 if self.asks => "-Verify 1",
            Keys::Rpk | Keys::X509 => "",
        };
        let resumption = match mode.resumption() {
            None => "",
            Some(By::Id) => "-no_ticket",
            Some(By::Ticket) => "-no_cache",
        };
        let arguments = format!(
            "s_server -dtls1_2 -accept {} -cipher {}:@SECLEVEL=0 {own} {} {resumption} {}",
            task.address,
            cipher(mode.suite),
            keys("server", "client", mode.keys),
            self.more,
        );
        start(&self.program, task, &arguments)
    }

    fn ready(&self) -> &'static str {
        "ACCEPT"
    }
}
