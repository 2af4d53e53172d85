//! What anybody can send, without a key.

use super::*;
use claviger_dtls::ClientFailure;
use claviger_machine::Crypto;

/// How many fragments the ClientHello comes in.
const FRAGMENTS: u32 = 30_000;

#[tokio::test]
async fn random_datagrams_are_dropped() {
    let mut rig = Rig::start().await;
    let before = rig.failures().await;
    let stranger = rig.raw(BAD, KEY).await;
    let crypto = SeededCrypto::new(1);
    for length in 1..=200_usize {
        let mut datagram = vec![0; length];
        crypto.fill(&mut datagram);
        // No content type of DTLS, whatever the other bytes say.
        datagram[0] = 128 + datagram[0] % 128;
        stranger.socket.send(&datagram).await.unwrap();
    }
    rig.moved(&before, &[(&dropped("unknown_type"), 200)]).await;
}

#[tokio::test]
async fn truncated_records_are_dropped() {
    let mut rig = Rig::start().await;
    let before = rig.failures().await;
    let mut stranger = rig.raw(BAD, KEY).await;
    let hello = stranger.hello();
    for length in 1..hello.len() {
        stranger.socket.send(&hello[..length]).await.unwrap();
    }
    rig.moved(&before, &[(&dropped("malformed"), hello.len() as u64 - 1)]).await;
}

/// A ClientHello of 30,000 bytes, by its own word, in fragments of one byte.
fn fragment(number: u32) -> Vec<u8> {
    let mut record = vec![22, 254, 253, 0, 0];
    record.extend(&u64::from(number).to_be_bytes()[2..]);
    record.extend(13_u16.to_be_bytes());
    record.push(1);
    record.extend(&FRAGMENTS.to_be_bytes()[1..]);
    record.extend([0, 0]);
    record.extend(&number.to_be_bytes()[1..]);
    record.extend([0, 0, 1, 0xaa]);
    record
}

#[tokio::test]
async fn a_hello_in_thirty_thousand_fragments_leaves_nothing_behind() {
    let mut rig = Rig::start().await;
    let before = rig.failures().await;
    let stranger = rig.raw(BAD, KEY).await;
    for number in 0..FRAGMENTS {
        stranger.socket.send(&fragment(number)).await.unwrap();
        if number % 128 == 127 {
            // The kernel's buffer must not be what drops them.
            rig.received(u64::from(number)).await;
        }
    }
    rig.moved(&before, &[(&dropped("too_long"), FRAGMENTS.into())]).await;
    let (_, metrics) = rig.claviger.page("/metrics").await;
    assert!(metrics.contains("claviger_dtls_handshakes_in_progress 0\n"), "{metrics}");
}

#[tokio::test]
async fn a_forged_alert_ends_no_session() {
    // Given an open session
    let mut rig = Rig::start().await;
    let mut session = rig.raw(BAD, KEY).await;
    session.open().await.expect("a session");
    let before = rig.failures().await;

    // When somebody sends fatal alerts in its name, in the clear and with a made-up MAC
    let plain = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 80];
    session.socket.send(&plain).await.unwrap();
    let mut sealed = vec![21, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 18];
    sealed.extend([0x5a; 18]);
    session.socket.send(&sealed).await.unwrap();

    // Then they are counted, and the session goes on
    let drops = [(&*dropped("plaintext_alert"), 1), (&*dropped("wrong_form"), 1)];
    rig.moved(&before, &drops).await;
    session.send(&devices::ping(1)).await;
    assert_eq!(session.receive(PATIENCE).await, Some(devices::reset(1)));
}

#[tokio::test]
async fn a_wrong_key_gets_silence_and_a_line_for_the_operator() {
    let mut rig = Rig::start().await;
    let before = rig.failures().await;
    let mut stranger = rig.raw(BAD, [0x43; 16]).await;

    let ended = tokio::time::timeout(Duration::from_millis(700), stranger.open()).await;

    assert!(ended.is_err(), "it was answered: {ended:?}");
    rig.moved(&before, &[("claviger_dtls_opens_refused_total{reason=\"bad_key\"}", 1)]).await;
    let (reason, advice) = rig.attempt(BAD).await;
    assert_eq!(reason, "bad_key");
    assert!(advice.contains("key"), "{advice}");
}

#[tokio::test]
async fn an_unknown_identity_gets_an_alert_and_a_line_for_the_operator() {
    let mut rig = Rig::start().await;
    let before = rig.failures().await;
    let mut stranger = rig.raw("urn:dev:nobody", KEY).await;

    let ended = tokio::time::timeout(PATIENCE, stranger.open()).await.expect("an answer");

    assert!(matches!(ended, Err(ClientFailure::Alert(_))), "{ended:?}");
    let expected = [
        ("claviger_dtls_handshakes_total{result=\"unknown_identity\"}", 1),
        ("claviger_dtls_opens_refused_total{reason=\"unknown_identity\"}", 1),
        ("claviger_dtls_alerts_total{result=\"sent\"}", 1),
    ];
    rig.moved(&before, &expected).await;
    let (reason, advice) = rig.attempt("urn:dev:nobody").await;
    assert_eq!(reason, "unknown_identity");
    assert!(advice.contains("nrol"), "{advice}");
}
