//! Sessions that can be resumed.

use super::*;

fn resumable(rig: &Rig, handle: u8) -> bool {
    rig.view().resumption(&[handle; 16]).is_some()
}

#[test]
fn what_it_takes_to_resume_a_session_is_found_by_its_handle() {
    let mut rig = Rig::in_session();

    rig.run(open_resumable(1, 2, 7));

    let expected = Resumption {
        device: device(1),
        credential: cred(1),
        realm: "default".into(),
        sealed: vec![7; 122],
    };
    assert_eq!(rig.view().resumption(&[7; 16]), Some(expected));
}

#[test]
fn a_credential_has_four_at_most_and_the_oldest_goes() {
    let mut rig = Rig::in_session();

    (2..7).for_each(|n| drop(rig.run(open_resumable(1, n, n))));

    assert_eq!((1..8).filter(|n| resumable(&rig, *n)).collect::<Vec<_>>(), [3, 4, 5, 6]);
}

#[test]
fn they_outlive_their_session_and_go_with_their_credential() {
    let mut rig = Rig::in_session();
    rig.run(open_resumable(1, 2, 7));

    rig.done(close(2));
    assert!(resumable(&rig, 7));
    rig.ended(RevokeCredential { credential: cred(1), ..revoke(1) });

    assert!(!resumable(&rig, 7));
}

#[test]
fn they_go_with_their_device() {
    let mut rig = Rig::in_session();
    rig.run(open_resumable(1, 2, 7));

    rig.ended(delete());

    assert!(!resumable(&rig, 7));
}

#[test]
fn a_handle_that_is_taken_stays_whose_it_is() {
    let mut rig = Rig::in_session();
    rig.done(enrol(2));
    rig.run(open_resumable(1, 2, 7));

    let outcome = rig.run(open_resumable(2, 3, 7));

    assert!(matches!(outcome, Outcome::Opened { .. }), "{outcome:?}");
    assert_eq!(rig.view().resumption(&[7; 16]).unwrap().device, device(1));
    rig.ended(DeleteDevice { device: device(2) });
    assert!(resumable(&rig, 7));
}

#[test]
fn a_resumed_session_says_so_and_is_refused_as_any_other() {
    let mut rig = Rig::in_session();
    let resumed = |session| OpenSession { resumed: true, ..open(1, session) };

    rig.run(resumed(2));

    let timeline = rig.view().timeline(&device(1));
    let expected = "Resumed a session that was opened by the PSK identity \"identity-1\", from \
                    192.0.2.1:49152; DTLS session with a connection id.";
    assert_eq!(timeline.last().unwrap().words, expected);
    rig.ended(RevokeCredential { credential: cred(1), ..revoke(1) });
    assert_eq!(rig.refused(resumed(3)), in_state("revoked"));
    assert_eq!(rig.audited(EventCode::Refused), 1);
}
