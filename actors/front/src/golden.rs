//! The bytes of frames: what one version sends, every later one reads.

use crate::*;

fn from_edge() -> [(&'static str, FromEdge); 6] {
    let trace = Trace { id: [1; 16], span: [2; 8], sampled: true };
    let peer = "192.0.2.1:5684".parse().unwrap();
    let resume = |step| Resume {
        trace,
        call: 7,
        listener: "coaps".into(),
        realm: "default".into(),
        peer,
        handle: [3; 16],
        cid: Some([4; 8]),
        peer_cid: Some(vec![5]),
        step,
    };
    let listen = |shared| {
        let (listener, realm) = ("coaps".into(), "default".into());
        FromEdge::Listen(Listen { listener, realm, shared })
    };
    let accept = Step::Accept { hello: vec![6; 3], random: [7; 32], sequence: 1 };
    let open = Step::Open { suite: 0xc0a8, transcript: vec![8; 3], finished: vec![9; 3] };
    [
        (
            "Sign",
            FromEdge::Sign(Sign {
                call: 7,
                listener: "coaps".into(),
                realm: "default".into(),
                scheme: 0x0403,
                message: vec![6; 3],
                version: None,
            }),
        ),
        ("Resume.accept", FromEdge::Resume(resume(accept))),
        ("Resume.open", FromEdge::Resume(resume(open))),
        (
            "Find",
            FromEdge::Find(Find {
                call: 7,
                listener: "coaps".into(),
                from: peer,
                datagram: vec![6; 3],
            }),
        ),
        ("Listen", listen(false)),
        ("Listen.shared", listen(true)),
    ]
}

fn to_edge() -> [(&'static str, ToEdge); 13] {
    let present = Present {
        realm: "default".into(),
        chain: vec![vec![0x30, 0].into()],
        public_key: vec![5; 3],
        group: 23,
        scheme: 0x0403,
        version: None,
    };
    let not_resumed = |why| ToEdge::NotResumed(NotResumed { call: 7, why });
    let refused = |refusal| ToEdge::Refused(Refused { call: 7, refusal });
    [
        ("Signed", ToEdge::Signed(Signed { call: 7, signature: Some(vec![6; 3].into()) })),
        ("Present", ToEdge::Present(present)),
        (
            "Accepted",
            ToEdge::Accepted(Accepted {
                call: 7,
                suite: 0xc0a8,
                server_hello: vec![6; 3],
                finished: vec![9; 3],
            }),
        ),
        ("NotResumed.full_handshake", not_resumed(WhyNotResumed::FullHandshake)),
        ("NotResumed.forbidden", not_resumed(WhyNotResumed::Forbidden)),
        ("NotResumed.unavailable", not_resumed(WhyNotResumed::Unavailable)),
        (
            "Continue",
            ToEdge::Continue(Continue {
                call: 7,
                tenant: "t".into(),
                device: "d".into(),
                stored: vec![6; 3],
            }),
        ),
        ("Unknown", ToEdge::Unknown(Unknown { call: 7, nobody: true })),
        ("Refused.unknown_key", refused(Refusal::UnknownKey)),
        ("Refused.untrusted", refused(Refusal::Untrusted)),
        (
            "Keys",
            ToEdge::Keys(Keys {
                first: 28_125_000,
                cookies: vec![CookieKey([7; 32]), CookieKey([8; 32])],
                checks: vec![CheckKey { configuration: 1, key: [9; 32] }],
            }),
        ),
        ("Beat", ToEdge::Beat(1_800_000_000_000)),
        ("Hold", ToEdge::Hold(Hold { tenant: "t".into(), device: "d".into(), stored: vec![6; 3] })),
    ]
}

/// What edges say of handshakes and records.
fn of_sessions() -> [(&'static str, FromEdge); 8] {
    let trace = Trace { id: [1; 16], span: [2; 8], sampled: true };
    let from = "[2001:db8::1]:5684".parse().unwrap();
    let open = |cid, peer_cid, shared| {
        FromEdge::Open(Open {
            trace,
            call: 7,
            listener: "coaps".into(),
            realm: "default".into(),
            peer: from,
            identity: vec![3; 3],
            suite: 0xc0a8,
            transcript: vec![8; 3],
            finished: vec![9; 3],
            cid,
            peer_cid,
            shared,
        })
    };
    let deliver = |alert, newest, check, limit| {
        FromEdge::Deliver(Deliver {
            trace,
            session: [3; 16],
            tenant: "t".into(),
            device: "d".into(),
            alert,
            epoch: 1,
            sequence: 9,
            from,
            newest,
            payload: vec![6; 3],
            check,
            limit,
        })
    };
    let repeat = Repeat { session: [3; 16], tenant: "t".into(), device: "d".into() };
    [
        ("Open", open(None, None, None)),
        ("Open.cid", open(Some([4; 8]), Some(vec![5]), None)),
        ("Open.shared", open(None, None, Some(Shared(vec![5; 3])))),
        ("Deliver", deliver(false, true, None, None)),
        ("Deliver.alert", deliver(true, false, None, None)),
        ("Deliver.answered", deliver(false, true, Some(Check::Answered), None)),
        ("Deliver.limited", deliver(false, true, Some(Check::Message), Some(512))),
        ("Repeat", FromEdge::Repeat(repeat)),
    ]
}

/// What edges are told of the same.
fn of_their_fate() -> [(&'static str, ToEdge); 12] {
    let refused = |refusal| ToEdge::Refused(Refused { call: 7, refusal });
    let transmit = |to, content| {
        let (session, sequence, deadline) = ([3; 16], (2 << 24) + 5, 1_800_000_000_000);
        ToEdge::Transmit(Transmit { session, sequence, deadline, to, content })
    };
    let to = Some("192.0.2.1:5684".parse().unwrap());
    [
        (
            "Opened",
            ToEdge::Opened(Opened {
                call: 7,
                session: [3; 16],
                tenant: "t".into(),
                device: "d".into(),
                keys: vec![6; 3],
                verify_data: [9; 12],
            }),
        ),
        ("Refused.unknown_identity", refused(Refusal::UnknownIdentity)),
        ("Refused.bad_finished", refused(Refusal::BadFinished)),
        ("Refused.unavailable", refused(Refusal::Unavailable)),
        ("Refused.denied", refused(Refusal::Denied)),
        ("Transmit", transmit(None, Content::Application(vec![6; 3]))),
        ("Transmit.to", transmit(to, Content::Application(vec![6; 3]))),
        ("Transmit.close_notify", transmit(None, Content::CloseNotify)),
        ("Transmit.finished", transmit(None, Content::Finished)),
        ("Transmit.path_challenge", transmit(to, Content::PathChallenge([7; 8]))),
        ("Transmit.path_response", transmit(to, Content::PathResponse([7; 8]))),
        ("Close", ToEdge::Close(Close { session: [3; 16] })),
    ]
}

#[test]
fn the_bytes_are_what_they_were_at_first() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut lines = String::new();
    for (name, frame) in from_edge().into_iter().chain(of_sessions()) {
        let bytes = frame.encode();
        lines += &format!("{name} {}\n", hex(&bytes));
        assert_eq!(FromEdge::decode(&bytes).as_ref(), Ok(&frame));
        assert!(bytes.len() <= frame.room());
    }
    for (name, frame) in to_edge().into_iter().chain(of_their_fate()) {
        let bytes = frame.encode();
        lines += &format!("{name} {}\n", hex(&bytes));
        assert_eq!(ToEdge::decode(&bytes).as_ref(), Ok(&frame));
        assert!(bytes.len() <= frame.room());
    }

    assert_eq!(lines, include_str!("golden.txt"));
}

#[test]
fn what_has_keys_in_it_does_not_print_them() {
    let with_keys = to_edge().into_iter().filter_map(|(_, frame)| {
        let has = matches!(frame, ToEdge::Continue(_) | ToEdge::Keys(_) | ToEdge::Hold(_));
        has.then(|| format!("{frame:?}"))
    });
    let printed: Vec<_> = with_keys.collect();
    assert_eq!(printed.len(), 3);
    assert!(["[6", "[7", "[9"].iter().all(|key| !printed.concat().contains(key)));
}
