//! Nodes of the cluster: their authority, and the tokens that let them in.

use super::*;

const TOKEN: [u8; 16] = [0x70; 16];
const DAY: u64 = 86_400_000;

fn authority(certificate: u8) -> PutNodeAuthority {
    let (certificate, sealed_key) = (vec![certificate; 8], vec![3; 40]);
    let (created_at, retiring) = (0, None);
    PutNodeAuthority { authority: NodeAuthority { certificate, sealed_key, created_at, retiring } }
}

fn token(uses: u32) -> CreateJoinToken {
    let (role, secret_hash) = (NodeRole::Ledger, [5; 32]);
    let (expires_at, returns) = (START + DAY, None);
    CreateJoinToken { token: TOKEN, role, secret_hash, expires_at, uses, returns }
}

fn admit(node: u64) -> AdmitNode {
    AdmitNode {
        token: TOKEN,
        secret_hash: [5; 32],
        node,
        role: NodeRole::Ledger,
        key_hash: [node as u8; 32],
        certified_until: START + 2 * DAY,
        issuer: None,
    }
}

fn renew(node: u64) -> NoteNodeCertificate {
    let (role, key_hash) = (NodeRole::Ledger, [9; 32]);
    let (certified_until, shown) = (START + 3 * DAY, Some([node as u8; 32]));
    NoteNodeCertificate { node, role, key_hash, certified_until, shown, issuer: None }
}

fn invalid() -> Refusal {
    not_found("join token that is valid", RequestId(TOKEN))
}

/// What the audit log tells of the cluster.
fn audited(rig: &Rig) -> Vec<EventCode> {
    rig.view().tenant_audit(HOME, None, 99).into_iter().map(|entry| entry.code).collect()
}

#[test]
fn the_first_authority_stays() {
    let mut rig = Rig::ready();
    assert_eq!(rig.run(authority(1)), Outcome::Made);

    assert_eq!(rig.run(authority(1)), Outcome::Done);
    assert_eq!(rig.refused(authority(2)), taken("authority", "nodes"));

    let kept = rig.view().node_authority().unwrap();
    assert_eq!((kept.certificate, kept.sealed_key), (vec![1; 8], vec![3; 40]));
    assert_eq!(kept.created_at, START);
    assert_eq!(audited(&rig), [EventCode::NodeAuthorityMade]);
}

#[test]
fn a_token_lets_in_as_many_nodes_as_it_says() {
    let mut rig = Rig::ready();
    rig.run(token(2));

    assert_eq!(rig.run(admit(1)), Outcome::Made);
    assert_eq!(rig.run(admit(2)), Outcome::Made);
    assert_eq!(rig.refused(admit(3)), invalid());

    let nodes = rig.view().nodes();
    assert_eq!(nodes.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(nodes[1].1.key_hash, [2; 32]);
    let joined = EventCode::NodeJoined;
    assert_eq!(audited(&rig), [EventCode::JoinTokenCreated, joined, joined]);
}

#[test]
fn a_node_that_got_no_answer_is_let_in_once() {
    let mut rig = Rig::ready();
    rig.run(token(1));
    rig.run(admit(1));

    assert_eq!(rig.run(admit(1)), Outcome::Done);

    assert_eq!(audited(&rig).len(), 2);
    assert_eq!(rig.refused(AdmitNode { node: 2, ..admit(1) }), invalid());
}

#[test]
fn a_node_that_renewed_its_key_joins_again_by_the_use_that_it_had() {
    let mut rig = Rig::ready();
    rig.run(token(1));
    rig.run(admit(1));
    rig.run(renew(1));

    assert_eq!(rig.run(AdmitNode { key_hash: [9; 32], ..admit(1) }), Outcome::Done);

    assert_eq!(rig.refused(admit(1)), taken("node id", "0000000000000001"));
    assert_eq!(rig.refused(admit(2)), invalid());
}

#[test]
fn a_wrong_secret_another_role_and_a_late_one_are_refused_alike() {
    let mut rig = Rig::ready();
    rig.run(token(9));

    let wrong = AdmitNode { secret_hash: [6; 32], ..admit(1) };
    let role = AdmitNode { role: NodeRole::Edge, ..admit(1) };
    let other = AdmitNode { token: [0x71; 16], ..admit(1) };
    assert_eq!(rig.refused(wrong), invalid());
    assert_eq!(rig.refused(role), invalid());
    let unknown = not_found("join token that is valid", RequestId([0x71; 16]));
    assert_eq!(rig.refused(other), unknown);
    rig.now = START + DAY;
    assert_eq!(rig.refused(admit(1)), invalid());
    assert!(rig.view().nodes().is_empty());
    assert_eq!(audited(&rig).len(), 1);
}

#[test]
fn nobody_takes_the_id_of_a_node_that_is_there() {
    let mut rig = Rig::ready();
    rig.run(token(9));
    rig.run(admit(1));

    let thief = AdmitNode { key_hash: [7; 32], ..admit(1) };

    assert_eq!(rig.refused(thief), taken("node id", "0000000000000001"));
    assert_eq!(rig.view().node(1).unwrap().key_hash, [1; 32]);
    assert_eq!(rig.view().join_token(&TOKEN).unwrap().uses_left, 8);
}

#[test]
fn a_revoked_token_lets_nobody_in_and_those_it_let_in_stay() {
    let mut rig = Rig::ready();
    rig.run(token(9));
    rig.run(admit(1));

    rig.done(RevokeJoinToken { token: TOKEN });

    assert_eq!(rig.refused(admit(2)), invalid());
    assert_eq!(rig.view().nodes().len(), 1);
    assert!(rig.view().join_tokens().is_empty());
    let again = rig.refused(RevokeJoinToken { token: TOKEN });
    assert_eq!(again, not_found("join token", RequestId(TOKEN)));
}

#[test]
fn a_further_certificate_may_be_of_another_key_and_never_of_another_role() {
    let mut rig = Rig::ready();
    rig.run(token(1));
    rig.run(admit(1));

    rig.done(renew(1));

    let node = rig.view().node(1).unwrap();
    assert_eq!((node.key_hash, node.certified_until), ([9; 32], START + 3 * DAY));
    let edge = NoteNodeCertificate { role: NodeRole::Edge, ..renew(1) };
    assert_eq!(rig.refused(edge), not_found("node", "0000000000000001"));
}

#[test]
fn of_two_that_hold_a_certificate_one_is_refused_and_it_is_told() {
    let mut rig = Rig::ready();
    rig.run(token(1));
    rig.run(admit(1));
    let by = |shown: u8, key: u8| NoteNodeCertificate {
        key_hash: [key; 32],
        shown: Some([shown; 32]),
        ..renew(1)
    };
    // The thief is first, and again because it got no answer.
    rig.done(by(1, 20));
    rig.done(by(1, 21));

    // The key that the node made for its next certificate is not known: its answer was another's.
    assert_eq!(rig.refused(by(9, 30)), not_found("newest key of node", "0000000000000001"));
    rig.done(by(21, 22));
    assert_eq!(rig.refused(by(1, 30)), not_found("newest key of node", "0000000000000001"));

    assert_eq!(rig.view().node(1).unwrap().key_hash, [22; 32]);
    let told = audited(&rig).into_iter().filter(|code| *code == EventCode::NodeRefused).count();
    assert_eq!(told, 2);
}

#[test]
fn what_is_proposed_again_from_any_node_acts_and_is_told_once() {
    let mut rig = Rig::ready();
    rig.run(token(2));
    rig.run(admit(1));
    let told = audited(&rig).len();
    let commands: [Command; 2] = [renew(1).into(), RevokeJoinToken { token: TOKEN }.into()];
    for command in commands {
        let envelope = rig.envelope(command);
        assert_eq!(rig.submit(&envelope), Outcome::Done);
        assert_eq!(rig.submit(&envelope), Outcome::Done);
    }
    assert_eq!(audited(&rig).len(), told + 2);
}

#[test]
fn a_new_incarnation_knows_no_node_no_token_and_no_authority() {
    let mut rig = Rig::ready();
    rig.run(authority(1));
    rig.run(token(2));
    rig.run(admit(1));

    begin_incarnation(&mut rig.rows, 1 << 40, START).unwrap();
    rig.index = 1 << 40;

    let view = rig.view();
    assert_eq!(view.node_authority(), None);
    assert!(view.join_tokens().is_empty() && view.nodes().is_empty());
    assert_eq!(rig.refused(admit(1)), invalid());
    assert_eq!(rig.run(authority(2)), Outcome::Made);
}

#[test]
fn a_dismissed_node_gets_no_certificate_and_its_id_stays_taken() {
    let mut rig = Rig::ready();
    rig.run(token(9));
    rig.run(admit(1));

    rig.done(DismissNode { node: 1 });
    rig.done(DismissNode { node: 1 });

    assert!(rig.view().node(1).unwrap().dismissed);
    assert_eq!(rig.refused(renew(1)), not_found("node", "0000000000000001"));
    assert_eq!(rig.refused(admit(1)), taken("node id", "0000000000000001"));
    assert_eq!(rig.refused(DismissNode { node: 2 }), not_found("node", "0000000000000002"));
    assert_eq!(audited(&rig).last(), Some(&EventCode::NodeDismissed));
}

#[test]
fn edges_are_forgotten_when_their_certificates_are_over_and_ledger_nodes_never() {
    let mut rig = Rig::ready();
    let edge = |node| AdmitNode { role: NodeRole::Edge, token: [0x71; 16], ..admit(node) };
    let expires_at = START + 9 * DAY;
    let edges = CreateJoinToken { role: NodeRole::Edge, token: [0x71; 16], expires_at, ..token(9) };
    rig.run(token(9));
    rig.run(edges);
    rig.run(admit(1));
    rig.run(edge(2));
    rig.now = START + 3 * DAY;

    rig.run(AdmitNode { certified_until: START + 4 * DAY, ..edge(3) });

    let nodes: Vec<_> = rig.view().nodes().into_iter().map(|(id, _)| id).collect();
    assert_eq!(nodes, [1, 3]);
}

#[test]
fn edges_whose_certificates_are_over_are_forgotten_at_the_leaders_word_and_no_others() {
    let mut rig = Rig::ready();
    let edge = |node| AdmitNode { role: NodeRole::Edge, token: [0x71; 16], ..admit(node) };
    let expires_at = START + 9 * DAY;
    let edges = CreateJoinToken { role: NodeRole::Edge, token: [0x71; 16], expires_at, ..token(9) };
    rig.run(token(9));
    rig.run(edges);
    rig.run(admit(1));
    rig.run(edge(2));
    rig.run(AdmitNode { certified_until: START + 9 * DAY, ..edge(3) });
    rig.now = START + 3 * DAY;

    rig.done(ForgetEdges { nodes: vec![1, 2, 3, 4] });

    let nodes: Vec<_> = rig.view().nodes().into_iter().map(|(id, _)| id).collect();
    assert_eq!(nodes, [1, 3]);
    let many = ForgetEdges { nodes: vec![1; ForgetEdges::MOST + 1] };
    assert!(matches!(rig.refused(many), Refusal::TooLong { .. }));
}

#[test]
fn a_node_that_lost_its_certificate_comes_back_by_a_token_once_somebody_says_so() {
    let mut rig = Rig::ready();
    rig.run(token(9));
    rig.run(admit(1));
    let anew = AdmitNode { key_hash: [7; 32], ..admit(1) };
    assert_eq!(rig.refused(anew.clone()), taken("node id", "0000000000000001"));

    rig.done(ReadmitNode { node: 1 });

    // What it had is of no use any more, and whoever comes first has the id.
    assert_eq!(rig.refused(renew(1)), not_found("node", "0000000000000001"));
    assert_eq!(rig.run(anew), Outcome::Made);
    assert_eq!(rig.refused(admit(1)), taken("node id", "0000000000000001"));
    let (told, joined) = (EventCode::NodeReadmitted, EventCode::NodeJoined);
    assert_eq!(audited(&rig)[2..], [told, joined]);
}

/// Node 1, which was dismissed, and node 2, which is an edge.
fn one_dismissed_and_an_edge() -> Rig {
    let mut rig = Rig::ready();
    let edges = CreateJoinToken { role: NodeRole::Edge, token: [0x71; 16], ..token(9) };
    rig.run(token(9));
    rig.run(edges);
    rig.run(admit(1));
    rig.run(AdmitNode { role: NodeRole::Edge, token: [0x71; 16], ..admit(2) });
    rig.done(DismissNode { node: 1 });
    rig
}

#[test]
fn a_node_that_was_dismissed_and_an_edge_do_not_come_back_under_their_ids() {
    let mut rig = one_dismissed_and_an_edge();

    for node in [1, 2, 3] {
        let what = "ledger node that may come back";
        assert_eq!(rig.refused(ReadmitNode { node }), not_found(what, format!("{node:016x}")));
    }
    assert_eq!(rig.view().nodes().len(), 2);
}

/// A token by which the ledger node 1 comes back.
fn returning() -> CreateJoinToken {
    CreateJoinToken { token: [0x72; 16], returns: Some(1), ..token(1) }
}

fn returns(node: u64, key: u8) -> AdmitNode {
    AdmitNode { token: [0x72; 16], key_hash: [key; 32], ..admit(node) }
}

#[test]
fn a_node_comes_back_under_its_id_by_a_token_of_its_own_and_once() {
    let mut rig = Rig::ready();
    rig.run(token(9));
    rig.run(admit(1));
    let used = not_found("join token that is valid", RequestId([0x72; 16]));

    assert_eq!(rig.run(returning()), Outcome::Made);

    // Nobody else comes by that token, and nobody takes the id by another one meanwhile.
    assert_eq!(rig.refused(returns(2, 7)), used);
    let thief = AdmitNode { key_hash: [8; 32], ..admit(1) };
    assert_eq!(rig.refused(thief), taken("node id", "0000000000000001"));
    assert_eq!(rig.run(returns(1, 7)), Outcome::Made);
    assert_eq!(rig.run(returns(1, 7)), Outcome::Done, "it got no answer");
    assert_eq!(rig.refused(returns(1, 8)), taken("node id", "0000000000000001"));
    assert_eq!(rig.view().node(1).unwrap().key_hash, [7; 32]);
    let (told, joined) = (EventCode::NodeReadmitted, EventCode::NodeJoined);
    assert_eq!(audited(&rig)[2..], [told, joined]);
}

#[test]
fn a_node_that_is_removed_before_it_came_back_does_not() {
    let mut rig = Rig::ready();
    rig.run(token(9));
    rig.run(admit(1));
    rig.run(returning());

    rig.done(DismissNode { node: 1 });

    assert!(rig.view().node(1).unwrap().dismissed, "its certificate of before is not admitted");
    assert_eq!(rig.refused(returns(1, 7)), taken("node id", "0000000000000001"));
}

#[test]
fn no_token_brings_back_an_edge_or_a_node_that_was_dismissed() {
    let mut rig = one_dismissed_and_an_edge();

    let refused = |node: u64| not_found("ledger node that may come back", format!("{node:016x}"));
    for node in [1, 2] {
        let command = CreateJoinToken { returns: Some(node), ..returning() };
        assert_eq!(rig.refused(command), refused(node));
    }
    let as_edge = CreateJoinToken { returns: Some(3), role: NodeRole::Edge, ..returning() };
    assert_eq!(rig.refused(as_edge), refused(3));
}

#[test]
fn a_certificate_says_who_issued_it_and_one_that_was_replaced_issues_none() {
    let mut rig = Rig::ready();
    rig.run(authority(1));
    rig.run(token(9));
    let name = |rig: &Rig| Some(rig.view().node_authority().unwrap().name());
    let first = name(&rig);
    rig.run(AdmitNode { issuer: first, ..admit(1) });

    rig.run(successor(2, 1));

    let none = || not_found("authority that still issues certificates", "nodes");
    assert_eq!(rig.refused(AdmitNode { issuer: first, ..admit(2) }), none());
    assert_eq!(rig.refused(NoteNodeCertificate { issuer: first, ..renew(1) }), none());
    assert_eq!(rig.view().node(1).unwrap().issuer, first);
    let second = name(&rig);
    rig.done(NoteNodeCertificate { issuer: second, ..renew(1) });
    assert_eq!(rig.view().node(1).unwrap().issuer, second);
}

/// What level 5 brought.
#[test]
fn who_issues_and_who_returns_is_written_behind_what_was_written_before() {
    let commands: [(Command, Command, &str); 3] = [
        (token(1).into(), CreateJoinToken { returns: Some(1), ..token(1) }.into(), "01"),
        (admit(1).into(), AdmitNode { issuer: Some([6; 32]), ..admit(1) }.into(), "5820"),
        (renew(1).into(), NoteNodeCertificate { issuer: Some([6; 32]), ..renew(1) }.into(), "5820"),
    ];
    for (before, now, field) in commands {
        assert_eq!((before.level(), now.level()), (2, 5));
        let encoded = |command: Command| Envelope::new(START, request(7), command).encode();
        let (before, now) = (encoded(before), encoded(now));
        let tail = data_encoding::HEXLOWER.encode(&now[before.len()..]);
        assert!(tail.starts_with(field), "{tail}");
        assert!(frame::decode::<Envelope>(&now).is_some());
    }
}

fn successor(certificate: u8, before: u8) -> ReplaceNodeAuthority {
    let retiring =
        RetiringAuthority { certificate: vec![before; 8], cross: vec![certificate, before] };
    let authority = authority(certificate).authority;
    ReplaceNodeAuthority { authority: NodeAuthority { retiring: Some(retiring), ..authority } }
}

#[test]
fn an_authority_is_replaced_and_the_one_before_is_trusted_until_it_is_retired() {
    let mut rig = Rig::ready();
    assert_eq!(rig.refused(successor(2, 1)), not_found("authority", "nodes"));
    rig.run(authority(1));
    rig.run(token(9));
    rig.now += 5;

    assert_eq!(rig.refused(successor(3, 2)), taken("authority", "nodes"));
    assert_eq!(rig.run(successor(2, 1)), Outcome::Made);
    assert_eq!(rig.run(successor(2, 1)), Outcome::Done);
    let kept = rig.view().node_authority().unwrap();
    assert_eq!((kept.certificate, kept.created_at), (vec![2; 8], START + 5));
    assert_eq!(kept.retiring.unwrap().certificate, vec![1; 8]);
    assert!(matches!(rig.refused(successor(3, 2)), Refusal::InUse { .. }));

    rig.done(RetireNodeAuthority { certificate: vec![9; 8] });
    assert!(rig.view().node_authority().unwrap().retiring.is_some());
    assert_eq!(rig.run(admit(1)), Outcome::Made);
    rig.done(RetireNodeAuthority { certificate: vec![1; 8] });
    assert_eq!(rig.refused(admit(2)), invalid());
    rig.done(RetireNodeAuthority { certificate: vec![1; 8] });
    assert_eq!(rig.view().node_authority().unwrap().retiring, None);
    assert_eq!(rig.run(successor(3, 2)), Outcome::Made);
    use EventCode::{NodeAuthorityMade, NodeAuthorityReplaced, NodeAuthorityRetired};
    let replaced = NodeAuthorityReplaced;
    let (created, joined) = (EventCode::JoinTokenCreated, EventCode::NodeJoined);
    let retired = NodeAuthorityRetired;
    let all = [NodeAuthorityMade, created, replaced, joined, retired, replaced];
    assert_eq!(audited(&rig), all);
}

#[test]
fn the_keys_of_edges_have_one_generation_after_the_other() {
    let mut rig = Rig::ready();
    assert_eq!(rig.view().edge_keys(), EdgeKeys { generation: 1, since: 0 });

    assert_eq!(rig.run(RotateEdgeKeys { expect: 1 }), Outcome::Made);
    assert_eq!(rig.run(RotateEdgeKeys { expect: 1 }), Outcome::Done);
    assert_eq!(rig.view().edge_keys(), EdgeKeys { generation: 2, since: START });
    let changed = Refusal::Changed { expected: 5, actual: 2 };
    assert_eq!(rig.refused(RotateEdgeKeys { expect: 5 }), changed);
    assert_eq!(audited(&rig), [EventCode::EdgeKeysRotated]);
}

/// What level 3 brought.
#[test]
fn commands_of_nodes_that_come_back_are_written_as_they_were_at_first() {
    let (new, sealed, old) = ("02".repeat(8), "03".repeat(40), "01".repeat(8));
    let replaces = format!("82184581818448{new}5828{sealed}008248{old}420201");
    let commands: [(Command, &str); 5] = [
        (ReadmitNode { node: 1 }.into(), "821842818101"),
        (ForgetEdges { nodes: vec![1, 2] }.into(), "8218438181820102"),
        (RotateEdgeKeys { expect: 1 }.into(), "821844818101"),
        (successor(2, 1).into(), &replaces),
        (RetireNodeAuthority { certificate: vec![1; 2] }.into(), "8218478181420101"),
    ];
    for (command, written) in commands {
        let envelope = Envelope::new(START, request(7), command);
        assert_eq!(envelope.command.level(), 3);
        let bytes = data_encoding::HEXLOWER.encode(&envelope.encode());
        let before = "01841a000f42405000000000000000000000000000000007f6";
        assert_eq!(bytes, before.to_owned() + written);
        assert_eq!(frame::decode::<Envelope>(&envelope.encode()), Some(envelope));
    }
    assert_eq!(frame::encode(&EventCode::NodeReadmitted), [1, 0x18, 67]);
    assert_eq!(frame::encode(&EventCode::EdgeKeysRotated), [1, 0x18, 68]);
    let mut rig = Rig::ready();
    rig.done(RotateEdgeKeys { expect: 1 });
    let row = rig.rows.row(&key::of_all(key::Kind::EdgeKeys, &[])).unwrap();
    assert_eq!(data_encoding::HEXLOWER.encode(&row), "0182021a000f4240");
}

#[test]
fn there_are_so_many_tokens_and_no_more_until_some_are_over() {
    let mut rig = Rig::ready();
    let numbered = |number: u16| {
        let mut id = TOKEN;
        id[..2].copy_from_slice(&number.to_be_bytes());
        CreateJoinToken { token: id, ..token(1) }
    };
    for number in 0..256 {
        assert_eq!(rig.run(numbered(number)), Outcome::Made);
    }
    let full = Refusal::Full { what: "join tokens".into(), limit: 256 };
    assert_eq!(rig.refused(numbered(256)), full);
    rig.now = START + DAY;

    assert_eq!(rig.run(numbered(257)), Outcome::Made);

    assert_eq!(rig.view().join_tokens().len(), 1);
}

#[test]
fn no_token_and_no_authority_shows_what_it_keeps() {
    let mut rig = Rig::ready();
    rig.run(token(1));
    rig.run(authority(1));
    let view = rig.view();
    let shown = format!("{:?} {:?}", view.join_tokens(), view.node_authority());
    assert!(!shown.contains("5, 5") && !shown.contains("3, 3"), "{shown}");
}

/// What is written stays as it was at first, in `golden/nodes.txt`.
#[test]
fn commands_and_rows_of_nodes_are_written_and_read_as_they_were_at_first() {
    let mut lines = String::new();
    let mut line = |name: &str, bytes: &[u8]| {
        lines += &format!("{name} {}\n", data_encoding::HEXLOWER.encode(bytes));
    };
    let commands: [Command; 6] = [
        authority(1).into(),
        token(2).into(),
        RevokeJoinToken { token: TOKEN }.into(),
        admit(1).into(),
        renew(1).into(),
        DismissNode { node: 1 }.into(),
    ];
    for command in commands {
        let envelope = Envelope::new(START, request(7), command);
        line(&format!("command.{}", envelope.command.name()), &envelope.encode());
        assert_eq!(frame::decode::<Envelope>(&envelope.encode()), Some(envelope));
    }
    let mut rig = Rig::ready();
    rig.run(authority(1));
    rig.run(token(2));
    rig.run(admit(1));
    let rows = [
        ("authority", key::of_all(key::Kind::NodeAuthority, &[])),
        ("join_token", key::of_all(key::Kind::JoinToken, &TOKEN)),
        ("node", key::of_all(key::Kind::Node, &1u64.to_be_bytes())),
    ];
    for (name, key) in rows {
        line(&format!("key.{name}"), &key);
        line(&format!("record.{name}"), &rig.rows.row(&key).unwrap());
    }
    for code in [
        EventCode::NodeAuthorityMade,
        EventCode::JoinTokenCreated,
        EventCode::JoinTokenRevoked,
        EventCode::NodeJoined,
        EventCode::NodeCertified,
        EventCode::NodeDismissed,
        EventCode::NodeRefused,
    ] {
        line(&format!("event.{code}"), &frame::encode(&code));
    }
    assert_eq!(lines, include_str!("golden/nodes.txt"));
}
