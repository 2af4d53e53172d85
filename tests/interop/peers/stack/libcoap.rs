//! libcoap's `coap-client` and `coap-server`, built on OpenSSL and on GnuTLS: one question, one
//! answer.

use super::{Manner, NO_ID, NO_RESUMPTION, NO_RPK, Stack, Task, printed, start};
use crate::mode::{Feature, Keys, Mode, Role};
use crate::server::{KEY, NAME};
use claviger_tests::Peer;

pub(crate) struct LibCoap {
    name: &'static str,
    client: &'static str,
    server: &'static str,
    raw_public_keys: bool,
}

impl LibCoap {
    pub(crate) fn on_openssl() -> Self {
        Self {
            name: "libcoap, OpenSSL",
            client: "coap-client-openssl",
            server: "coap-server-openssl",
            raw_public_keys: false,
        }
    }

    pub(crate) fn on_gnutls() -> Self {
        Self {
            name: "libcoap, GnuTLS",
            client: "coap-client-gnutls",
            server: "coap-server-gnutls",
            raw_public_keys: true,
        }
    }
}

/// What both programs are told of keys.
fn keys(side: &str, keys: Keys) -> String {
    match keys {
        Keys::Psk => format!("-k {}", KEY.escape_ascii()),
        Keys::Rpk => format!("-M {side}.ec -n"),
        Keys::X509 => format!("-c {side}.pem -j {side}.key -C ca.pem"),
    }
}

impl Stack for LibCoap {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        let said = printed(self.client, &["-?"]);
        let (_, version) = said.split_once(" v").expect("it says it");
        version.split(' ').next().unwrap_or_default().to_owned()
    }

    fn cannot(&self, role: Role, mode: &Mode) -> Option<&'static str> {
        if role == Role::Server && !self.raw_public_keys && [0x00AE, 0xC037].contains(&mode.suite) {
            return Some("coap-server-openssl refuses this suite");
        }
        match (mode.keys, mode.feature) {
            (Keys::Rpk, _) if !self.raw_public_keys => Some(NO_RPK),
            (_, Feature::Handshake) => None,
            (_, Feature::Takeover) => Some("coap-client asks once and ends"),
            (_, Feature::Resumption(_)) => Some(NO_RESUMPTION),
            _ => Some(NO_ID),
        }
    }

    fn connect(&self, task: &Task<'_>) -> Peer {
        let identity = match task.mode.keys {
            Keys::Psk => &format!("-u {NAME}"),
            Keys::Rpk | Keys::X509 => "",
        };
        let keys = keys("client", task.mode.keys);
        start(self.client, task, &format!("{identity} {keys} coaps://{}/", task.address))
    }

    fn serve(&self, task: &Task<'_>) -> Peer {
        let keys = keys("server", task.mode.keys);
        // DTLS is one port above.
        let port = task.address.port() - 1;
        start(self.server, task, &format!("-A 127.0.0.1 -p {port} -v 7 {keys}"))
    }

    fn ready(&self) -> &'static str {
        "created DTLS endpoint"
    }

    fn manner(&self) -> Manner {
        Manner::Coap
    }
}
