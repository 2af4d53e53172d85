//! What holds after any sequence of commands.

use super::invariants::{
    Table, audit_is_whole, audits, indices_are_whole, lookups_are_whole, of_kind, read,
    records_are_whole, the_feed_is_whole,
};
use super::sequences::envelopes;
use super::*;
use crate::key::Kind;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Device 1 is there from the start: the sequences meet something.
fn world() -> Rig {
    let mut rig = Rig::staged();
    rig.done(enrol(2));
    rig
}

fn states(rig: &Rig) -> BTreeMap<Vec<u8>, State> {
    of_kind(&rig.rows.0, Kind::Credential)
        .map(|(key, bytes)| (key[3..].to_vec(), read::<Credential>(bytes).state))
        .collect()
}

/// The kinds of the rows in which `after` differs from `before`.
fn changed(before: &Table, after: &Table) -> BTreeSet<u8> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).map(|key| key[2]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    })]

    #[test]
    fn a_refused_command_changes_nothing_but_time_and_its_note(sequence in envelopes()) {
        let mut rig = world();
        for envelope in &sequence {
            let before = rig.rows.0.clone();
            let audited = audits(&rig).len();

            let outcome = rig.submit(envelope);

            if !matches!(outcome, Outcome::Refused(_)) {
                continue;
            }
            let mut kinds = changed(&before, &rig.rows.0);
            kinds.remove(&(Kind::Meta as u8));
            let noted = [Kind::Device, Kind::Timeline, Kind::Audit, Kind::Recent];
            let noted = noted.into_iter().chain([Kind::Feed, Kind::FeedEnd]);
            let noted: BTreeSet<u8> = noted.map(|kind| kind as u8).collect();
            let note = audits(&rig).len() - audited;
            let is_note = kinds == noted && note == 1;
            prop_assert!(kinds.is_empty() || is_note, "{outcome:?}: {kinds:?}");
        }
    }

    #[test]
    fn rows_stay_whole_and_every_audited_event_has_one_entry(sequence in envelopes()) {
        let mut rig = world();
        let (mut noted, mut refused) = (BTreeSet::new(), 0);
        for envelope in &sequence {
            let before = rig.clone();
            let outcome = rig.submit(envelope);
            match (&envelope.command, &outcome) {
                (Command::NoteFailure(c), Outcome::Done) if c.refused => {
                    let old = before.view().device(&c.device).unwrap().version;
                    refused += usize::from(rig.view().device(&c.device).unwrap().version > old);
                }
                (Command::OpenSession(c), Outcome::Refused(Refusal::State { .. })) => {
                    let old = before.view().device(&c.device).unwrap().version;
                    let told = rig.view().device(&c.device).unwrap().version > old;
                    prop_assert!(told || noted.contains(&(c.device.clone(), c.session)));
                    noted.insert((c.device.clone(), c.session));
                    refused += usize::from(told);
                }
                (Command::StageCredential(c), Outcome::Refused(_)) => {
                    let version = |rig: &Rig| rig.view().device(&c.device).map(|d| d.version);
                    refused += usize::from(version(&rig) > version(&before));
                }
                _ => (),
            }
            // Every few commands: often enough to name the one that broke them.
            if rig.index.is_multiple_of(8) {
                lookups_are_whole(&rig);
                records_are_whole(&rig);
                indices_are_whole(&rig);
            }
        }
        lookups_are_whole(&rig);
        records_are_whole(&rig);
        indices_are_whole(&rig);
        the_feed_is_whole(&rig);
        audit_is_whole(&rig, refused);
    }

    #[test]
    fn time_never_goes_back_and_no_life_begins_anew(sequence in envelopes()) {
        let mut rig = world();
        for envelope in &sequence {
            let (time, before) = (rig.view().meta().unwrap().time, states(&rig));

            rig.submit(envelope);

            prop_assert_eq!(rig.view().meta().unwrap().time, time.max(envelope.time));
            let after = states(&rig);
            for (key, old) in before {
                let Some(new) = after.get(&key).copied() else {
                    continue;
                };
                prop_assert!(new == old || old.is_live() || new == State::Revoked);
                let rank = |state| State::ALL.iter().position(|s| *s == state);
                prop_assert!(rank(new) >= rank(old) || new == State::Revoked);
            }
        }
    }

    #[test]
    fn two_replicas_are_byte_identical(sequence in envelopes()) {
        let (mut one, mut two) = (world(), world());

        let first: Vec<_> = sequence.iter().map(|envelope| one.submit(envelope)).collect();
        let second: Vec<_> = sequence.iter().map(|envelope| two.submit(envelope)).collect();

        prop_assert_eq!(first, second);
        prop_assert_eq!(one.rows, two.rows);
    }

    #[test]
    fn no_session_has_one_generation_twice(sequence in envelopes()) {
        let mut rig = world();
        let mut begun = BTreeSet::from([(device(1), sess(1), 1)]);
        for mut envelope in sequence {
            // While a handshake is fresh; a later repetition is refused before it is proposed.
            envelope.time = envelope.time.min(START + 400_000);
            let before = rig.clone();
            let (of, session, generation) = match (rig.submit(&envelope), envelope.command) {
                (Outcome::Generation(g), Command::RaiseGeneration(c)) => (c.device, c.session, g),
                (Outcome::Opened { generation, .. }, Command::OpenSession(c)) => {
                    if before.view().session(&c.device, c.session).is_some() {
                        continue;
                    }
                    (c.device, c.session, generation)
                }
                _ => continue,
            };
            prop_assert!(begun.insert((of, session, generation)));
        }
    }

    #[test]
    fn random_bytes_are_damage(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), framed: bool,
    ) {
        let mut rig = world();
        let before = rig.rows.clone();
        let bytes = if framed { [&[1][..], &bytes].concat() } else { bytes };

        let fate = apply(&mut rig.rows, 9, &bytes);

        prop_assert_eq!(fate, Err(Damage { what: "a command", index: 9 }));
        prop_assert_eq!(rig.rows, before);
    }

    #[test]
    fn a_broken_command_is_damage_or_another_command(
        sequence in envelopes(), at: prop::sample::Index, byte: u8, cut: bool,
    ) {
        let mut rig = world();
        for envelope in sequence.iter().take(8) {
            let mut bytes = envelope.encode();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let damaged = apply(&mut rig.rows, 9, &bytes);
            let expected = Err(Damage { what: "a command", index: 9 });
            prop_assert!(damaged.is_ok() || damaged == expected);
            prop_assert!(!cut || damaged.is_err());
        }
    }
}
