//! The bytes of frames: what one version sends, every later one reads.

use crate::*;

fn from_edge() -> [(&'static str, FromEdge); 5] {
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
        ("Listen", FromEdge::Listen(Listen { listener: "coaps".into(), realm: "default".into() })),
    ]
}

fn to_edge() -> [(&'static str, ToEdge); 10] {
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
    ]
}

#[test]
fn the_bytes_are_what_they_were_at_first() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut lines = String::new();
    for (name, frame) in from_edge() {
        let bytes = frame.encode();
        lines += &format!("{name} {}\n", hex(&bytes));
        assert_eq!(FromEdge::decode(&bytes).as_ref(), Ok(&frame));
        assert!(bytes.len() <= frame.room());
    }
    for (name, frame) in to_edge() {
        let bytes = frame.encode();
        lines += &format!("{name} {}\n", hex(&bytes));
        assert_eq!(ToEdge::decode(&bytes).as_ref(), Ok(&frame));
        assert!(bytes.len() <= frame.room());
    }

    assert_eq!(lines, include_str!("golden.txt"));
}

#[test]
fn a_session_to_go_on_with_does_not_print_its_keys() {
    let [.., (_, next), _, _, _] = to_edge();
    assert!(matches!(next, ToEdge::Continue(_)));
    assert!(!format!("{next:?}").contains("[6"));
}
