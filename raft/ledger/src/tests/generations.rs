//! Generations of a session's write sequences.

use super::*;

#[test]
fn each_raise_is_a_new_generation_even_of_the_same_envelope() {
    let mut rig = Rig::in_session();
    let envelope = rig.envelope(raise(1));

    let outcomes = [rig.submit(&envelope), rig.submit(&envelope)];

    assert_eq!(outcomes, [Outcome::Generation(2), Outcome::Generation(3)]);
    assert_eq!(rig.view().session(&device(1), sess(1)).unwrap().highest_read, 5);
}

#[test]
fn no_command_lowers_the_highest_sequence_read() {
    let mut rig = Rig::in_session();
    rig.run(RaiseGeneration { highest_read: 80, ..raise(1) });
    let commands: [Command; 3] = [raise(1).into(), stage(10).into(), deliver(10).into()];

    for command in commands {
        rig.run(command);
        assert_eq!(rig.view().session(&device(1), sess(1)).unwrap().highest_read, 80);
    }
}

#[test]
fn the_last_generation_is_followed_by_none() {
    let mut rig = Rig::in_session();
    let session = rig.view().session(&device(1), sess(1)).unwrap();
    let last = Session { generation: u32::MAX, ..session };
    rig.rows.put(key::session(&device(1), sess(1)), frame::encode(&last));

    assert_eq!(rig.refused(raise(1)), taken("generation", u32::MAX));
    assert_eq!(rig.refused(open(1, 1)), taken("generation", u32::MAX));
}

#[test]
fn refuses_a_session_whose_credential_is_not_usable() {
    for state in [State::Superseded, State::Revoked, State::Expired] {
        let mut rig = Rig::in_session();
        let credential = rig.view().credential(&device(1), cred(1)).unwrap();
        let row = key::credential(key::Kind::Credential, &device(1), cred(1));
        rig.rows.put(row, frame::encode(&Credential { state, ..credential }));

        assert_eq!(rig.refused(raise(1)), in_state(state.as_str()));

        assert_eq!(rig.view().session(&device(1), sess(1)).unwrap().generation, 1);
    }
}
