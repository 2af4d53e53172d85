//! What a bootstrap costs the ledger: commands, rows and bytes. A figure that changes is looked at.

use super::*;
use core::cell::Cell;

/// Rows that count what is asked of them.
#[derive(Default)]
struct Counting {
    rows: MemoryRows,
    looks: Cell<u32>,
    ranges: Cell<u32>,
    put: u32,
    removed: u32,
    bytes: usize,
}

impl Rows for Counting {
    fn row(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.looks.set(self.looks.get() + 1);
        self.rows.row(key)
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.put += 1;
        self.bytes += key.len() + value.len();
        self.rows.put(key, value);
    }

    fn remove(&mut self, key: &[u8]) {
        self.removed += 1;
        self.rows.remove(key);
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.ranges.set(self.ranges.get() + 1);
        self.rows.range(from, to, limit)
    }
}

/// A device of a tenant with this kind of connector, enrolled a moment ago.
fn enrolled(kind: ConnectorKind) -> Rig {
    let mut rig = Rig::empty();
    rig.done(Found { cluster: [1; 16] });
    rig.done(create_tenant("default"));
    rig.done(PutConnector { kind, ..put_connector("default") });
    rig.done(put_profile("default", "coaps://lwm2m.example:5684"));
    rig.done(enrol(1));
    rig
}

/// Each command with its look-ups, ranges, rows put, rows removed, and the bytes of what was put.
fn costs(rig: &mut Rig, commands: Vec<Command>) -> Vec<String> {
    let cost = |command: Command| {
        rig.now += 1;
        rig.index += 1;
        let name = command.name();
        let envelope = rig.envelope(command).encode();
        let mut rows = Counting { rows: rig.rows.clone(), ..Counting::default() };
        let outcome = apply(&mut rows, rig.index, &envelope).unwrap();
        assert!(!matches!(Outcome::decode(&outcome), None | Some(Outcome::Refused(_))), "{name}");
        rig.rows = rows.rows;
        let (looks, ranges) = (rows.looks.get(), rows.ranges.get());
        format!("{name} {looks} {ranges} {} {} {}", rows.put, rows.removed, rows.bytes)
    };
    commands.into_iter().map(cost).collect()
}

#[test]
fn a_bootstrap_for_a_server_that_asks_is_two_commits_without_a_range() {
    let mut rig = enrolled(ConnectorKind::Pull);

    let costs = costs(&mut rig, vec![open_with(1, 1, 10).into(), deliver(10).into()]);

    assert_eq!(costs, ["OpenSession 12 0 13 0 1487", "DeliverCredential 6 0 9 0 962"]);
}

#[test]
fn a_session_that_can_be_resumed_costs_one_row_more_and_so_does_the_fifth() {
    let mut rig = enrolled(ConnectorKind::Pull);
    let open = |n| OpenSession { fresh: None, ..open_resumable(1, n, n) };

    let costs = costs(&mut rig, (1..6).map(|n| open(n).into()).collect());

    let first = "OpenSession 9 0 10 0 1050";
    let fifth = "OpenSession 9 1 8 3 886";
    assert_eq!([&costs[0], &costs[4]], [first, fifth]);
}

#[test]
fn a_device_at_first_contact_is_enrolled_and_staged_in_one_commit_without_a_range() {
    let mut rig = enrolled(ConnectorKind::Pull);
    rig.run(put_trust_anchor(Some("meters")));
    let anchor = Some(rig.view().trust_anchor("default", "factory").unwrap().version);
    let enrol = Some(Box::new(enrol_certificate(2)));
    let command = OpenSession { anchor, enrol, ..open_with(2, 1, 10) };

    let costs = costs(&mut rig, vec![command.into()]);

    assert_eq!(costs, ["OpenSession 27 0 17 0 2069"]);
}

#[test]
fn a_server_that_is_told_costs_one_commit_more() {
    let mut rig = enrolled(ConnectorKind::Webhook);
    let commands = vec![
        open_with(1, 1, 10).into(),
        confirm(10).into(),
        deliver(10).into(),
        report(10).into(),
        close(1).into(),
    ];

    let costs = costs(&mut rig, commands);

    let expected = [
        "OpenSession 12 0 13 0 1466",
        "ConfirmOutbox 6 0 5 1 409",
        "DeliverCredential 6 0 9 0 985",
        "ReportUse 7 1 8 0 713",
        "CloseSession 6 1 6 2 417",
    ];
    assert_eq!(costs, expected);
}
