//! The process of `peer.py`, and the format between it and us.

use crate::{keep, run};
use claviger_tests::installed;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

const SECRET: &str = "000102030405060708090a0b0c0d0e0f";

/// The other implementation; it ends when dropped.
pub(crate) struct Peer(Child);

impl Peer {
    pub(crate) fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/factory/peer.py");
        let mut command = Command::new(installed("tools/hpke/bin/python"));
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().expect("python runs"))
    }

    pub(crate) fn ask(&mut self, asked: &Value) -> Value {
        let stdin = self.0.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{asked}").expect("it reads");
        let mut line = String::new();
        let stdout = self.0.stdout.as_mut().expect("it is piped");
        // One line for one: nothing is left behind in the reader.
        BufReader::new(stdout).read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).expect("it answers in JSON")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn another_implementation_opens_what_we_encrypt() {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = Peer::start();
    let mut key = peer.ask(&json!({ "do": "keygen" }));
    key["tenant"] = json!("default");
    keep(folder.path(), "key.json", &key.to_string());
    let list = format!("endpoint,psk,identity\nurn:dev:ü,{SECRET},one\nb,{SECRET},\n");

    let encrypt = "factory encrypt --key key.json --format csv";
    let said = run(folder.path(), None, encrypt, &list).ok();

    let rows: Vec<Vec<_>> = said.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["endpoint", "psk_hpke", "identity"]);
    for (row, identity) in rows[1..].iter().zip(["one", "b"]) {
        let mut asked = json!({
            "do": "open", "key": key, "purpose": "manufacturer",
            "endpoint": row[0], "identity": identity, "value": row[1],
        });
        assert_eq!(peer.ask(&asked), json!({ "secret": SECRET }));
        asked["identity"] = json!("other");
        assert!(peer.ask(&asked)["error"].as_str().unwrap().starts_with("OpenError"));
    }
}

#[test]
fn we_open_what_another_implementation_encrypts() {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = Peer::start();
    let keygen = "factory keygen --private private.json";
    let public = run(folder.path(), None, keygen, "").json();
    assert!(public.get("d").is_none());
    let seal = |endpoint: &str, bound: &str| {
        json!({
            "do": "seal", "key": public, "purpose": "manufacturer", "secret": SECRET,
            "endpoint": bound, "identity": endpoint,
        })
    };
    let mut list = "psk_hpke,endpoint\n".to_owned();
    for (endpoint, bound) in [("a", "a"), ("b", "a")] {
        let value = peer.ask(&seal(endpoint, bound));
        list += &format!("{},{endpoint}\n", value["value"].as_str().unwrap());
    }

    let said = run(folder.path(), None, "factory decrypt --key private.json --format csv", &list);

    assert_eq!((said.code, &*said.stdout), (Some(7), &*format!("psk,endpoint\n{SECRET},a\n")));
    assert!(said.stderr.contains("line 3: it does not open"), "{}", said.stderr);
}
