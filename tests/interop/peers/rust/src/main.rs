//! A peer for Claviger's interop tests, on webrtc-dtls or on dimpl.
//!
//! It takes its task as words key=value; its keys are files of the working folder. What it reads on
//! standard input it sends, a line each, and what it receives it prints. It ends with its input.

mod sans_io;
mod webrtc;

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What it is to do.
pub struct Task {
    pub server: bool,
    pub address: SocketAddr,
    pub uses_psk: bool,
    /// IANA number.
    pub suite: u16,
    pub identity: Vec<u8>,
    pub key: Vec<u8>,
}

impl Task {
    fn read(words: &BTreeMap<String, String>) -> Result<Self> {
        let word = |key: &str| words.get(key).ok_or_else(|| format!("no word {key}"));
        let server = words.contains_key("listen");
        let key = word("psk")?.as_bytes().chunks(2).map(std::str::from_utf8);
        let key: std::result::Result<_, _> =
            key.map(|digits| u8::from_str_radix(digits.unwrap_or("not text"), 16)).collect();
        Ok(Self {
            server,
            address: word(if server { "listen" } else { "connect" })?.parse()?,
            uses_psk: word("keys")? == "psk",
            suite: suite(word("suite")?)?,
            identity: word("identity")?.clone().into_bytes(),
            key: key?,
        })
    }

    /// Which files are its own.
    pub fn side(&self) -> &'static str {
        if self.server { "server" } else { "client" }
    }

    /// Which are its peer's.
    pub fn other_side(&self) -> &'static str {
        if self.server { "client" } else { "server" }
    }
}

fn suite(name: &str) -> Result<u16> {
    Ok(match name {
        "TLS_PSK_WITH_AES_128_CCM_8" => 0xC0A8,
        "TLS_PSK_WITH_AES_128_CCM" => 0xC0A4,
        "TLS_PSK_WITH_AES_128_GCM_SHA256" => 0x00A8,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8" => 0xC0AE,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CCM" => 0xC0AC,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => 0xC02B,
        _ => return Err(format!("no suite {name}").into()),
    })
}

/// Standard input, line by line.
pub fn lines() -> Lines<BufReader<Stdin>> {
    BufReader::new(tokio::io::stdin()).lines()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let stack = words.next().unwrap_or_default();
    let pair = |word: String| {
        let (key, value) = word.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    };
    let task = Task::read(&words.filter_map(pair).collect())?;
    match stack.as_str() {
        "webrtc-dtls" => webrtc::run(task).await,
        "dimpl" => sans_io::run(task).await,
        _ => Err("the first word is webrtc-dtls or dimpl".into()),
    }
}
