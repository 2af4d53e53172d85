//! Any sequence of commands over a small world, so that they meet each other often.

use super::*;
use proptest::prelude::*;

/// Envelopes of few devices, sessions and credentials, few of them repeated or of an old version.
pub(super) fn envelopes() -> impl Strategy<Value = Vec<Envelope>> {
    let envelope = (command(), 0u64..400, time(), proptest::option::weighted(0.05, 0u64..12));
    let envelope = envelope.prop_map(|(command, id, time, expected)| Envelope {
        expected,
        ..Envelope::new(time, request(1000 + id), command)
    });
    proptest::collection::vec(envelope, 0..160)
}

/// Near times, so that credentials live; far ones, so that they expire; and the last one, rarely.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![
        600 => START - 1000..START + 400_000,
        20 => 0..START + 3 * LIFETIME,
        1 => Just(u64::MAX),
    ]
}

/// Device 1 mostly, which is in session from the start; device 3 is not enrolled at first.
fn who() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(1), 2 => Just(2), 1 => Just(3)]
}

fn command() -> impl Strategy<Value = Command> {
    let staging = (who(), 1u8..8, 10u8..18);
    prop_oneof![
        1 => setting_up(),
        2 => (who(), 1u8..4, 1u8..4).prop_map(|(n, identity, endpoint)| {
            let identity = format!("identity-{identity}").into_bytes();
            let endpoint = format!("urn:dev:{endpoint}");
            EnrolDevice { identity, endpoint, ..enrol(n) }.into()
        }),
        1 => (who(), any::<bool>()).prop_map(|(n, key)| {
            if key { enrol_key(n).into() } else { enrol_certificate(n).into() }
        }),
        1 => (0u8..3).prop_map(|which| match which {
            0 => put_trust_anchor(None).into(),
            1 => put_trust_anchor(Some("meters")).into(),
            _ => delete_trust_anchor().into(),
        }),
        8 => opening(),
        2 => (who(), 1u8..8).prop_map(|(n, s)| {
            RaiseGeneration { device: device(n), ..raise(s) }.into()
        }),
        10 => staging.prop_map(|(n, s, c)| {
            StageCredential { device: device(n), session: sess(s), ..stage(c) }.into()
        }),
        14 => about_a_credential(),
        4 => ending(),
        2 => changing(),
        1 => (who(), any::<bool>()).prop_map(|(n, refused)| {
            NoteFailure { device: device(n), ..note(refused) }.into()
        }),
        2 => (who(), 1u8..8).prop_map(|(n, s)| {
            CloseSession { device: device(n), ..close(s) }.into()
        }),
    ]
}

fn setting_up() -> impl Strategy<Value = Command> {
    (0u8..4, 0u8..3).prop_map(|(which, n)| match which {
        0 => Found { cluster: [n; 16] }.into(),
        1 => create_tenant(["default", "other", "third"][usize::from(n)]).into(),
        2 => put_connector("default").into(),
        _ => put_profile("default", ["coaps://a", "coaps://b", "coaps://c"][usize::from(n)]).into(),
    })
}

fn ending() -> impl Strategy<Value = Command> {
    let which = prop_oneof![4 => Just(0), 2 => Just(1), 2 => Just(2), 1 => Just(3)];
    (who(), prop_oneof![4 => 10u8..18, 1 => 1u8..4], which).prop_map(|(n, c, which)| match which {
        0 => ConfirmWithdrawal { device: device(n), ..forgotten(c) }.into(),
        1 => RevokeCredential { device: device(n), ..revoke(c) }.into(),
        2 => {
            let all = (10..18).flat_map(|c| [(device(1), cred(c)), (device(n), cred(c))]);
            ExpireCredentials { credentials: all.collect() }.into()
        }
        _ => DeleteDevice { device: device(n) }.into(),
    })
}

fn changing() -> impl Strategy<Value = Command> {
    (who(), 0u8..4, any::<bool>()).prop_map(|(n, which, other)| {
        let name = if other { "others" } else { "meters" };
        match which {
            0 => RotateCredential { device: device(n) }.into(),
            1 => UpdateDevice { device: device(n), profile: name.into() }.into(),
            2 => delete_profile(name).into(),
            _ => PutProfile { name: name.into(), ..put_profile("default", "coaps://d") }.into(),
        }
    })
}

fn opening() -> impl Strategy<Value = Command> {
    let credential = proptest::option::weighted(0.4, 10u8..18);
    let fresh = proptest::option::weighted(0.5, 10u8..18);
    // A handle, or the version of a trust anchor that enrols.
    let more = prop_oneof![2 => Just((None, None)),
        1 => (1u8..20).prop_map(|handle| (Some(handle), None)),
        1 => (0u64..200).prop_map(|version| (None, Some(version)))];
    (who(), 1u8..40, proptest::option::of(1u8..12), 0u8..3, credential, fresh, more).prop_map(
        |(n, session, cid, peer, credential, fresh, (handle, anchor))| {
            // The low ids are those that other commands name.
            let session = if session < 28 { session % 7 + 1 } else { session };
            let mut command = open_at(n, session, &format!("192.0.2.{peer}:5684"));
            command.opened.cid = cid.map(|c| vec![c; 8]).unwrap_or_default();
            // The manufacturer's credential, or whatever has become of one of ours.
            command.opened.credential = credential.map_or(cred(n), cred);
            command.fresh = fresh.and_then(|number| open_with(n, session, number).fresh);
            command.resumable = handle.and_then(|it| open_resumable(n, session, it).resumable);
            command.enrol = anchor.map(|_| Box::new(enrol_certificate(n)));
            command.anchor = anchor;
            command.into()
        },
    )
}

fn about_a_credential() -> impl Strategy<Value = Command> {
    (who(), 10u8..18, 1u8..8, 0u8..3).prop_map(|(n, c, s, which)| match which {
        0 => ConfirmOutbox { device: device(n), ..confirm(c) }.into(),
        1 => DeliverCredential { device: device(n), session: sess(s), ..deliver(c) }.into(),
        _ => ReportUse { device: device(n), ..report(c) }.into(),
    })
}
