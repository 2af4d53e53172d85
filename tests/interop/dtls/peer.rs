//! The foreign clients of these tests, by their commands.

use claviger_tests::Peer;
use core::net::SocketAddr;
use tokio::process::Command;

pub(crate) const NAME: &str = "urn:dev:engine";
pub(crate) const KEY: &str = "0f0e0d0c0b0a09080706050403020100";

/// OpenSSL's client.
pub(crate) fn openssl(server: SocketAddr, cipher: &str, more: &[&str]) -> Peer {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-dtls1_2", "-connect", &server.to_string()])
        .args(["-psk_identity", NAME, "-psk", KEY])
        .args(["-cipher", &format!("{cipher}:@SECLEVEL=0")])
        .args(more);
    Peer::start(command)
}

/// GnuTLS's client; `cipher` as in its priority strings.
pub(crate) fn gnutls(server: SocketAddr, cipher: &str, more: &[&str]) -> Peer {
    let priority = format!("NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+{cipher}");
    let mut command = Command::new("gnutls-cli");
    command
        .args(["--udp", "-p", &server.port().to_string(), &server.ip().to_string()])
        .args(["--pskusername", NAME, "--pskkey", KEY, "--priority", &priority])
        .args(more);
    Peer::start(command)
}
