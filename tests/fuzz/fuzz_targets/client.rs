//! Datagrams to a client, in whatever state an undisturbed server has left it.
//!
//! The first byte is the client's form, the second says how far it got; the rest is a script.
#![no_main]

use claviger_dtls::ClientOutput;
use claviger_fuzz::{Act, Server, converse, device, said, script};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [form, turns, rest @ ..] = bytes else { return };
    let mut server = Server::default();
    let mut client = device(*form, None);
    converse(&mut server, &mut client, usize::from(turns % 5));
    let (mut now, mut reports) = (server.now, Vec::new());
    for act in script(rest) {
        match act {
            Act::Datagram(datagram) => client.receive(now, datagram),
            Act::Wait(time) => {
                now += time;
                client.handle_timeout(now);
            }
        }
        said(&mut client, &mut reports);
    }
    let data = |report: &&ClientOutput| matches!(report, ClientOutput::Data(_));
    assert!(reports.iter().filter(data).all(|it| *it == ClientOutput::Data(b"pong".to_vec())));
    let opened = |report: &&ClientOutput| matches!(report, ClientOutput::Established { .. });
    assert!(reports.iter().filter(opened).count() <= 1);
});
