//! Writes the seeds of all targets anew: `cargo run --example seeds`, in this folder.

use claviger_dtls::{Claim, OpenCall, StoredSession, schedule};
use claviger_front::{
    Close, Content, Deliver, FromEdge, Open, Opened, Refusal, Refused, Repeat, ToEdge, Trace,
    Transmit,
};
use claviger_fuzz::{NAME, START, Server, address, converse, device, said, written};
use std::fs;
use std::path::Path;

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new("seeds").join(target);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), bytes).expect("a file");
}

fn main() {
    for form in [0, 1, 2, 7, 8, 16, 34, 48, 64, 70, 80, 84, 90, 96, 112] {
        conversation(form);
    }
    frames();
    for (name, bytes) in [
        ("server", &[0][..]),
        ("client", &[1]),
        ("server-lost-flight", &[0, 2, 4, 0, 0, 0]),
        ("client-flipped-finished", &[1, 5, 0, 0, 70, 1]),
    ] {
        write("differential", name, bytes);
    }
}

/// What a device of this form and the server say, with a resumption behind it.
fn conversation(form: u8) {
    let (mut server, mut client) = (Server::default(), device(form, None));
    let (up, down) = converse(&mut server, &mut client, 4);
    assert_eq!(server.sessions.len(), 1, "{form}");
    let name = format!("form-{form}");
    write("server", &name, &[&[form, 0][..], &written(&up)].concat());
    write("server", &format!("{name}-late"), &[&[form, 2][..], &written(&up[2..])].concat());
    write("client", &name, &[&[form, 0][..], &written(&down)].concat());
    write("client", &format!("{name}-late"), &[&[form, 2][..], &written(&down[1..])].concat());
    client.send(b"data").expect("open");
    let data = said(&mut client, &mut Vec::new());
    write("server", &format!("{name}-data"), &[&[form, 4][..], &written(&data)].concat());
    let pong = server.send(b"pong");
    write("client", &format!("{name}-data"), &[&[form, 4][..], &written(&pong)].concat());
    let resumption = client.resumption();
    let mut again = device(form, resumption);
    let (resumed, _) = converse(&mut server, &mut again, 4);
    write("server", &format!("{name}-resumed"), &[&[form, 4][..], &written(&resumed)].concat());
    let call = server.call.expect("it was opened");
    evidence(&name, &call);
    stored(&name, &call);
}

/// What the server tells the ledger's side of such a device.
fn evidence(name: &str, call: &OpenCall) {
    let mut transcript = call.transcript.clone();
    let cut = transcript.len().div_ceil(8).min(255);
    transcript.resize(cut * 8, 0);
    let mut suites = claviger_dtls::SUITES.iter();
    let suite = suites.position(|it| it.id == call.suite).expect("known") as u8;
    write("evidence", name, &[&[suite, cut as u8][..], &transcript, &call.finished].concat());
}

fn stored(name: &str, call: &OpenCall) {
    let opened = match &call.claim {
        Claim::Psk { .. } => schedule::open_resumable(claviger_fuzz::KEY, START, &call.evidence()),
        _ => schedule::open_shared(START, &call.evidence()).map(|opened| (opened, None)),
    };
    let (opened, kept) = opened.expect("the key is right");
    let stored = StoredSession::at_open(&call.evidence(), &opened, call.peer, START);
    let bytes = stored.expect("it is open").encode().expect("short ids");
    write("stored", name, &bytes);
    if let Some(kept) = kept {
        write("stored", &format!("{name}-resumable"), &kept.encode());
    }
}

fn frames() {
    let trace = Trace { id: [1; 16], span: [2; 8], sampled: true };
    let open = Open {
        trace,
        call: 7,
        listener: "coaps".into(),
        realm: "default".into(),
        peer: address(),
        identity: NAME.to_vec(),
        suite: 0xC0A8,
        transcript: vec![1; 60],
        finished: vec![2; 20],
        cid: Some([4; 8]),
        peer_cid: Some(vec![5]),
        shared: None,
    };
    let deliver = Deliver {
        trace,
        session: [3; 16],
        tenant: "default".into(),
        device: "1".into(),
        alert: false,
        epoch: 1,
        sequence: 9,
        from: address(),
        newest: true,
        payload: vec![0x40, 0, 0, 1],
        check: None,
        limit: None,
    };
    let repeat = Repeat { session: [3; 16], tenant: "default".into(), device: "1".into() };
    let up = [FromEdge::Open(open), FromEdge::Deliver(deliver), FromEdge::Repeat(repeat)];
    for (at, frame) in up.iter().enumerate() {
        write("frames", &format!("from-edge-{at}"), &frame.encode());
    }
    let transmit = |content| {
        let (session, sequence, deadline) = ([3; 16], 1 << 24, 1);
        ToEdge::Transmit(Transmit { session, sequence, deadline, to: Some(address()), content })
    };
    let opened = Opened {
        call: 7,
        session: [3; 16],
        tenant: "default".into(),
        device: "1".into(),
        keys: vec![6; 40],
        verify_data: [7; 12],
    };
    let down = [
        ToEdge::Opened(opened),
        ToEdge::Refused(Refused { call: 7, refusal: Refusal::Denied }),
        transmit(Content::Application(vec![1, 2, 3])),
        transmit(Content::PathChallenge([8; 8])),
        ToEdge::Close(Close { session: [3; 16] }),
    ];
    for (at, frame) in down.iter().enumerate() {
        write("frames", &format!("to-edge-{at}"), &frame.encode());
    }
}
