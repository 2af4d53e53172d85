//! GnuTLS's `gnutls-cli` and `gnutls-serv`.

use super::{ComesBack, Manner, NO_ID, Stack, Task, printed, start};
use crate::mode::{By, Keys, Mode, Role};
use crate::server::{HEX, NAME};
use claviger_tests::Peer;

pub(crate) struct GnuTls;

/// A priority string for one suite.
fn priority(mode: &Mode) -> String {
    let suite = match mode.suite {
        0xC0A8 => "+PSK:+AES-128-CCM-8",
        0xC0A4 => "+PSK:+AES-128-CCM",
        0x00A8 => "+PSK:+AES-128-GCM",
        0x00AE => "+PSK:+AES-128-CBC:-MAC-ALL:+SHA256",
        0xC037 => "+ECDHE-PSK:+AES-128-CBC:-MAC-ALL:+SHA256",
        0xC0AE => "+ECDHE-ECDSA:+AES-128-CCM-8",
        0xC0AC => "+ECDHE-ECDSA:+AES-128-CCM",
        0xC02B => "+ECDHE-ECDSA:+AES-128-GCM",
        0xC023 => "+ECDHE-ECDSA:+AES-128-CBC:-MAC-ALL:+SHA256",
        suite => panic!("no name for {suite:#06x}"),
    };
    let form = match mode.keys {
        Keys::Rpk => ":-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK",
        Keys::Psk | Keys::X509 => "",
    };
    let tickets = match mode.resumption() {
        Some(By::Id) => ":%NO_TICKETS",
        Some(By::Ticket) | None => "",
    };
    let base = "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:-CIPHER-ALL:+SIGN-ALL:+GROUP-ALL";
    format!("{base}:{suite}{form}{tickets}")
}

/// What both programs are told of keys; those that are shared apart.
fn keys(side: &str, keys: Keys) -> String {
    match keys {
        Keys::Psk => String::new(),
        Keys::Rpk => format!("--rawpkkeyfile {side}.key --rawpkfile {side}.pub"),
        Keys::X509 => {
            format!("--x509cafile ca.pem --x509certfile {side}.pem --x509keyfile {side}.key")
        }
    }
}

impl Stack for GnuTls {
    fn name(&self) -> &'static str {
        "GnuTLS"
    }

    fn version(&self) -> String {
        let said = printed("gnutls-cli", &["--version"]);
        said.lines().next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned()
    }

    fn cannot(&self, role: Role, mode: &Mode) -> Option<&'static str> {
        if mode.has_ids() {
            return Some(NO_ID);
        }
        (role == Role::Client && mode.suite == 0xC037)
            .then_some("gnutls-cli 3.7.9 crashes with this suite")
    }

    fn connect(&self, task: &Task<'_>) -> Peer {
        let mode = task.mode;
        let trust = match mode.keys {
            Keys::Psk => &format!("--pskusername {NAME} --pskkey {HEX}"),
            Keys::Rpk => "--no-ca-verification",
            Keys::X509 => "--verify-hostname server.test",
        };
        let resumption = match mode.resumption() {
            None => "",
            Some(_) => "--resume",
        };
        let arguments = format!(
            "--udp -p {} 127.0.0.1 {trust} {} {resumption} --priority {}",
            task.address.port(),
            keys("client", mode.keys),
            priority(mode)
        );
        start("gnutls-cli", task, &arguments)
    }

    fn comes_back(&self) -> ComesBack {
        ComesBack::ByItself
    }

    fn serve(&self, task: &Task<'_>) -> Peer {
        let mode = task.mode;
        let trust = match mode.keys {
            Keys::Psk => "--pskpasswd psk",
            Keys::Rpk | Keys::X509 => "--require-client-cert",
        };
        let resumption = match mode.resumption() {
            Some(By::Ticket) => "--nodb",
            Some(By::Id) | None => "",
        };
        let arguments = format!(
            "--udp --echo -p {} {trust} {} {resumption} --priority {}",
            task.address.port(),
            keys("server", mode.keys),
            priority(mode)
        );
        start("gnutls-serv", task, &arguments)
    }

    fn ready(&self) -> &'static str {
        "listening on IPv4"
    }

    fn manner(&self) -> Manner {
        Manner::Echoes
    }
}
