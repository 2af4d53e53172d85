//! Datagrams to a server, in whatever state an undisturbed device has left it.
//!
//! The first byte is the device's form, the second says how far it got; the rest is a script.
#![no_main]

use claviger_fuzz::{Act, Server, converse, device, script};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [form, turns, rest @ ..] = bytes else { return };
    let mut server = Server::default();
    let mut client = device(*form, None);
    converse(&mut server, &mut client, usize::from(turns % 5));
    let read = server.read.len();
    for act in script(rest) {
        match act {
            Act::Datagram(datagram) => drop(server.receive(datagram)),
            Act::Wait(time) => drop(server.pass(time)),
        }
    }
    // Nobody but the device has its key, and a script can only repeat what it said.
    assert!(server.read[read..].iter().all(|payload| payload == b"data" || payload.len() == 2));
});
