//! Devices that prove themselves by raw public keys and certificates, and those that resume.

use crate::bootstrap::{KEY, MINUTE, bootstrapped, config, seen, world};
use crate::revocation::{credential, revoke};
use claviger_actors::{CameFrom, EdgeId, Reason};
use claviger_curves::{AwsLc, SigningKey, pem};
use claviger_device::{DeviceConfig, Keys};
use claviger_dtls::{CertificateType, Presented};
use claviger_front::{FromEdge, Sign};
use claviger_ledger::{
    CredentialKind, DeleteDevice, DeleteTrustAnchor, DeviceRef, EventCode, Ledger, NamePlace,
    Origin, Outcome, PutTrustAnchor, State, TrustAnchor, View,
};
use claviger_tests::{Faults, World, system};
use core::net::SocketAddr;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::sync::Arc;

const AUTHORITY: &str = include_str!("../../node/curves/tests/pki/ca.pem");
/// Of the device that its common name says.
const DEVICE: &str = include_str!("../../node/curves/tests/pki/device.pem");
const DEVICE_KEY: &str = include_str!("../../node/curves/tests/pki/device.key");
const NAME: &str = "urn:dev:1";
/// The name that stands in the certificate as a URI.
const URI: &str = "urn:dev:uri-1";

/// A world whose listener has a key, and that key.
async fn keyed_world(seed: u64, faults: Faults) -> (World, Arc<impl Ledger>, Vec<u8>) {
    let (world, ledger) = world(seed, faults).await;
    let server =
        world.give_identity(&SigningKey::generate().expect("randomness"), Vec::new()).await;
    (world, ledger, server)
}

/// A device with this key pair, and a chain for it or none, that knows the server by its key.
fn device(name: &str, key: SigningKey, chain: Vec<Vec<u8>>, server: Vec<u8>) -> DeviceConfig {
    let form = match chain.is_empty() {
        true => CertificateType::RawPublicKey,
        false => CertificateType::X509,
    };
    let keys = Keys {
        identity: key.identity(chain).expect("it is short").only(form),
        signer: Arc::new(key),
        curves: Arc::new(|| Box::new(AwsLc)),
        accepts: vec![CertificateType::RawPublicKey],
        trusts: Arc::new(move |shown| *shown == Presented::RawPublicKey(server.clone())),
    };
    DeviceConfig::keyed(name, keys)
}

fn fresh() -> SigningKey {
    let pkcs8 = SigningKey::generate().expect("randomness");
    SigningKey::from_pkcs8(&pkcs8).expect("it was just made")
}

/// The device of the certificate, under the endpoint name `name`.
fn certified(name: &str, server: Vec<u8>) -> DeviceConfig {
    let key = pem::private_key(DEVICE_KEY).expect("a private key");
    let key = SigningKey::from_der(&key).expect("on P-256");
    device(name, key, pem::certificates(DEVICE).expect("a certificate"), server)
}

async fn trust(world: &World, endpoint_in: NamePlace, enrol_with: Option<&str>) {
    let certificates =
        pem::certificates(AUTHORITY).expect("a certificate").into_iter().map(Into::into);
    let anchor = TrustAnchor {
        certificates: certificates.collect(),
        endpoint_in,
        enrol_with: enrol_with.map(Into::into),
        version: 0,
    };
    let (tenant, name) = ("default".to_owned(), "factory".to_owned());
    let outcome = world.propose(PutTrustAnchor { tenant, name, anchor, expect: None }).await;
    assert_eq!(outcome, Outcome::Made);
}

fn opened_by(ledger: &dyn Ledger, of: &DeviceRef) -> String {
    let mut words = String::new();
    ledger.read(&mut |rows| {
        let timeline = View::new(rows).timeline(of).into_iter();
        let mut opened = timeline.filter(|entry| entry.code == EventCode::SessionOpened);
        words = opened.next_back().map(|entry| entry.words).unwrap_or_default();
    });
    words
}

/// What a device that is switched on comes to: true if it was bootstrapped.
async fn comes_to(world: &mut World, port: u16, config: DeviceConfig) -> (SocketAddr, bool) {
    let address = world.switch_on(port, config);
    let over =
        |world: &World| bootstrapped(world, address) || world.fleet[&address].failure.is_some();
    world.run_until(3 * MINUTE, over).await;
    (address, bootstrapped(world, address))
}

fn reasons(world: &World) -> Vec<(Reason, String)> {
    let attempts = world.unproven.attempts("default").into_iter();
    attempts.map(|it| (it.reason, String::from_utf8_lossy(&it.identity).into_owned())).collect()
}

#[test]
fn a_device_bootstraps_by_its_raw_public_key_whatever_the_network_does() {
    for seed in 0..8 {
        system(async {
            let faults = Faults { lose: 10, double: 10 };
            let (mut world, ledger, server) = keyed_world(seed, faults).await;
            let key = fresh();
            let spki = key.public_key().unwrap();
            let of = world.enrol_by(NAME, CredentialKind::PublicKey, &spki).await;
            let cid = seed % 2 == 0;
            let config = DeviceConfig { cid, ..device(NAME, key, Vec::new(), server) };

            let (_, done) = comes_to(&mut world, 1000, config).await;
            world.run_for(MINUTE).await;

            assert!(done, "seed {seed}: {}", world.log.join("\n"));
            assert_eq!(seen(&*ledger, &of).0, [State::Delivered]);
            let name = CredentialKind::PublicKey.name(&spki);
            assert!(opened_by(&*ledger, &of).contains(&name), "{}", opened_by(&*ledger, &of));
        });
    }
}

#[test]
fn a_device_bootstraps_by_its_certificate_whatever_the_network_does() {
    for seed in 0..8 {
        system(async {
            let faults = Faults { lose: 10, double: 10 };
            let (mut world, ledger, server) = keyed_world(seed, faults).await;
            trust(&world, NamePlace::CommonName, None).await;
            let of = world.enrol_by(NAME, CredentialKind::Certificate, b"factory").await;

            let (_, done) = comes_to(&mut world, 1000, certified(NAME, server)).await;
            world.run_for(MINUTE).await;

            assert!(done, "seed {seed}: {}", world.log.join("\n"));
            assert_eq!(seen(&*ledger, &of).0, [State::Delivered]);
            let words = opened_by(&*ledger, &of);
            assert!(words.contains("a certificate under the trust anchor \"factory\""), "{words}");
        });
    }
}

#[test]
fn a_chain_under_an_anchor_with_a_profile_enrols_its_device_once() {
    system(async {
        let (mut world, ledger, server) = keyed_world(21, Faults::default()).await;
        trust(&world, NamePlace::Uri, Some("profile")).await;
        let before = ledger.applied();

        let (address, done) = comes_to(&mut world, 1000, certified(URI, server.clone())).await;
        world.run_for(Duration::from_secs(1)).await;

        assert!(done, "{}", world.log.join("\n"));
        assert_eq!(ledger.applied() - before, 3, "{}", world.log.join("\n"));
        let of = DeviceRef { tenant: "default".into(), device: URI.into() };
        let timeline = seen(&*ledger, &of).1;
        assert_eq!(timeline[..2], [EventCode::DeviceEnrolled, EventCode::SessionOpened]);
        world.fleet.remove(&address);
        assert!(comes_to(&mut world, 1001, certified(URI, server)).await.1);
        let enrolled = seen(&*ledger, &of).1.into_iter();
        assert_eq!(enrolled.filter(|code| *code == EventCode::DeviceEnrolled).count(), 1);
    });
}

#[test]
fn strangers_with_keys_and_chains_write_nothing_and_are_told_in_words() {
    system(async {
        // Given nobody who has this key, no trust anchor, and a device of the certificate's name
        // that proves itself otherwise
        let (mut world, ledger, server) = keyed_world(22, Faults::default()).await;
        world.enrol(NAME, &KEY).await;
        let stranger = fresh();
        let fingerprint = CredentialKind::PublicKey.name(&stranger.public_key().unwrap());
        let before = ledger.applied();

        // When they come
        let key = device("urn:dev:2", stranger, Vec::new(), server.clone());
        assert!(!comes_to(&mut world, 1000, key).await.1);
        assert!(!comes_to(&mut world, 1001, certified(NAME, server.clone())).await.1);
        assert_eq!(ledger.applied(), before);
        trust(&world, NamePlace::CommonName, Some("profile")).await;
        let before = ledger.applied();
        assert!(!comes_to(&mut world, 1002, certified(NAME, server)).await.1);

        // Then nothing is written, and each has one line and one count
        assert_eq!(ledger.applied(), before);
        let subject = "CN=urn:dev:1,O=Factory".to_owned();
        let expected = [
            (Reason::UnknownSubject, subject.clone()),
            (Reason::UntrustedChain, subject),
            (Reason::UnknownKey, fingerprint[..32].to_owned()),
        ];
        assert_eq!(reasons(&world), expected);
        let refused = |index: usize| world.counters.opens_refused[index].load(Ordering::Relaxed);
        assert_eq!([0, 1, 2, 3, 4, 5].map(refused), [0, 0, 0, 0, 2, 1]);
    });
}

#[test]
fn a_revoked_certificate_and_a_deleted_anchor_shut_a_device_out() {
    system(async {
        let (mut world, ledger, server) = keyed_world(23, Faults::default()).await;
        trust(&world, NamePlace::CommonName, Some("profile")).await;
        assert!(comes_to(&mut world, 1000, certified(NAME, server.clone())).await.1);
        let of = DeviceRef { tenant: "default".into(), device: NAME.into() };
        let proven = credential(&*ledger, &of, Origin::Manufacturer).unwrap();

        let closed = world.end(revoke(&of, proven), true).await.closed;
        assert_eq!(closed.len(), 1);
        assert!(!comes_to(&mut world, 1001, certified(NAME, server.clone())).await.1);
        let refused = seen(&*ledger, &of).1.into_iter();
        assert_eq!(refused.filter(|code| *code == EventCode::Refused).count(), 1);

        let (tenant, name) = ("default".to_owned(), "factory".to_owned());
        world.propose(DeleteTrustAnchor { tenant, name, expect: None }).await;
        assert!(!comes_to(&mut world, 1002, certified(NAME, server)).await.1);
        assert_eq!(reasons(&world)[0].0, Reason::UntrustedChain);
    });
}

#[test]
fn a_session_by_a_raw_public_key_goes_on_after_a_restart() {
    system(async {
        let (mut world, ledger, server) = keyed_world(24, Faults::default()).await;
        let key = fresh();
        let spki = key.public_key().unwrap();
        let of = world.enrol_by(NAME, CredentialKind::PublicKey, &spki).await;
        let (address, done) =
            comes_to(&mut world, 1000, device(NAME, key, Vec::new(), server)).await;
        assert!(done, "{}", world.log.join("\n"));
        world.run_for(Duration::from_secs(1)).await;

        world.restart();
        world.ask_again(address);
        let again = world.run_until(MINUTE, |world| bootstrapped(world, address)).await;

        assert!(again, "{}", world.log.join("\n"));
        let opened = seen(&*ledger, &of).1.into_iter();
        assert_eq!(opened.filter(|code| *code == EventCode::SessionOpened).count(), 1);
    });
}

/// A device that was bootstrapped once, and what it resumes by.
async fn to_be_resumed(world: &mut World, tickets: bool) -> DeviceConfig {
    let config = DeviceConfig { tickets, ..config(NAME) };
    let (address, done) = comes_to(world, 1000, config.clone()).await;
    assert!(done, "{}", world.log.join("\n"));
    world.run_for(Duration::from_secs(1)).await;
    let resumption = world.fleet.remove(&address).and_then(|sim| sim.device.resumption());
    assert!(resumption.is_some(), "the server gave nothing to resume by");
    DeviceConfig { resumption, ..config }
}

#[test]
fn a_device_resumes_its_session_also_after_a_restart() {
    for tickets in [true, false] {
        system(async {
            let (mut world, ledger) = world(25, Faults { lose: 5, double: 5 }).await;
            let of = world.enrol(NAME, &KEY).await;
            let config = to_be_resumed(&mut world, tickets).await;
            world.restart();

            let (_, done) = comes_to(&mut world, 1001, config).await;

            assert!(done, "{}", world.log.join("\n"));
            assert!(world.counters.resumptions.load(Ordering::Relaxed) > 0);
            let words = opened_by(&*ledger, &of);
            assert!(words.starts_with("Resumed a session"), "{words}");
        });
    }
}

#[test]
fn a_resumption_goes_on_where_another_node_comes_to_lead_between_its_steps() {
    system(async {
        let (mut world, ledger) = world(31, Faults::default()).await;
        let of = world.enrol(NAME, &KEY).await;
        let config = to_be_resumed(&mut world, false).await;
        let begun = |world: &World| world.counters.resumptions.load(Ordering::Relaxed) > 0;
        let address = world.switch_on(1001, config);
        assert!(world.run_until(MINUTE, begun).await);

        // What the first step derived is in the memory of the node before.
        world.take_over(ledger.clone());
        world.run_until(MINUTE, |world| bootstrapped(world, address)).await;

        assert!(bootstrapped(&world, address), "{}", world.log.join("\n"));
        assert_eq!(world.counters.resumptions.load(Ordering::Relaxed), 1);
        assert!(opened_by(&*ledger, &of).starts_with("Resumed a session"));
    });
}

#[test]
fn a_session_is_not_resumed_after_its_time_or_its_credentials() {
    for (late, revoked) in [(true, false), (false, true)] {
        system(async {
            let (mut world, ledger) = world(26, Faults::default()).await;
            let of = world.enrol(NAME, &KEY).await;
            let config = to_be_resumed(&mut world, false).await;
            if late {
                world.run_for(Duration::from_secs(24 * 60 * 60)).await;
            }
            if revoked {
                let proven = credential(&*ledger, &of, Origin::Manufacturer).unwrap();
                world.end(revoke(&of, proven), true).await;
            }

            let (_, done) = comes_to(&mut world, 1001, config).await;

            // A full handshake takes place, for who may have one.
            assert_eq!(done, !revoked, "{}", world.log.join("\n"));
            assert_eq!(world.counters.resumptions.load(Ordering::Relaxed), 0);
            assert!(opened_by(&*ledger, &of).starts_with("Proved the PSK identity"));
        });
    }
}

#[test]
fn a_session_is_resumed_in_its_own_realm_alone() {
    system(async {
        let (mut world, ledger) = world(27, Faults::default()).await;
        world.enrol(NAME, &KEY).await;
        let config = to_be_resumed(&mut world, false).await;
        world.make_tenant("other").await;
        world.realm = "other".to_owned();
        world.restart();
        let before = ledger.applied();

        let (_, done) = comes_to(&mut world, 1001, config).await;

        assert!(!done);
        assert_eq!(world.counters.resumptions.load(Ordering::Relaxed), 0);
        assert_eq!(ledger.applied(), before);
        let attempts = world.unproven.attempts("other");
        assert_eq!(attempts[0].reason, Reason::UnknownIdentity);
    });
}

#[test]
fn a_revocation_at_any_moment_of_a_resumption_is_the_end_of_it() {
    let mut moments = 0;
    for datagrams in 1..9 {
        system(async {
            let (mut world, ledger) = world(28, Faults::default()).await;
            let of = world.enrol(NAME, &KEY).await;
            let config = to_be_resumed(&mut world, datagrams % 2 == 0).await;
            let sent = |world: &World| world.log.iter().filter(|it| it.contains(" -> ")).count();
            let until = sent(&world) + datagrams;
            let address = world.switch_on(1001, config);
            assert!(world.run_until(MINUTE, |world| sent(world) >= until).await);
            if bootstrapped(&world, address) {
                return;
            }
            moments += 1;
            let proven = credential(&*ledger, &of, Origin::Manufacturer).unwrap();

            // The world sees to it that nothing is said in a session that has ended.
            world.end(revoke(&of, proven), datagrams % 2 == 1).await;
            let opened = seen(&*ledger, &of).1;
            world.run_for(MINUTE).await;

            assert!(!bootstrapped(&world, address), "{datagrams}: {}", world.log.join("\n"));
            let is_opening = |code: &&EventCode| **code == EventCode::SessionOpened;
            let after = seen(&*ledger, &of).1;
            assert_eq!(
                after.iter().filter(is_opening).count(),
                opened.iter().filter(is_opening).count(),
                "{datagrams}"
            );
        });
    }
    assert!(moments >= 6, "{moments}");
}

#[test]
fn an_edge_that_verifies_nothing_cannot_pose_as_a_device_but_in_the_actors_own_process() {
    for (certified, one_process) in [(false, false), (true, false), (false, true), (true, true)] {
        system(async {
            // Given devices that prove themselves by keys, and an edge that takes any signature
            let (mut world, ledger, server) = keyed_world(29, Faults::default()).await;
            trust(&world, NamePlace::CommonName, None).await;
            let victim = pem::private_key(DEVICE_KEY).unwrap();
            let victim = SigningKey::from_der(&victim).unwrap();
            let spki = victim.public_key().unwrap();
            let (kind, identity, chain) = match certified {
                true => (CredentialKind::Certificate, b"factory".to_vec(), DEVICE),
                false => (CredentialKind::PublicKey, spki, ""),
            };
            world.enrol_by(NAME, kind, &identity).await;
            world.lenient = true;
            world.one_process = one_process;
            world.restart();
            let before = ledger.applied();

            // When somebody presents what is theirs, and signs with another key
            let chain = pem::certificates(chain).unwrap_or_default();
            let mut config = device(NAME, victim, chain, server);
            config.keys.as_mut().unwrap().signer = Arc::new(fresh());
            let (_, done) = comes_to(&mut world, 1000, config).await;

            // Then no session opens, though the Finished was right; with the actors in its process
            // the edge's word is theirs
            assert_eq!((done, ledger.applied() > before), (one_process, one_process));
            let rejected = world.counters.frames_rejected.load(Ordering::Relaxed);
            assert_eq!(rejected == 0, one_process, "{rejected}");
        });
    }
}

#[test]
fn a_listeners_key_signs_handshakes_of_its_realm_and_nothing_else() {
    system(async {
        let (mut world, ledger, _) = keyed_world(30, Faults::default()).await;
        world.make_tenant("other").await;
        world.run_for(Duration::from_secs(1)).await;
        let mut version = None;
        ledger.read(&mut |rows| {
            version = View::new(rows).server_identity("default").map(|it| it.version);
        });
        // Two randoms, and a share on P-256.
        let message = [&[0; 64][..], &[3, 0, 23, 65], &[4; 65]].concat();
        let good = Sign {
            call: 7,
            listener: "coaps".into(),
            realm: "default".into(),
            scheme: 0x0403,
            message,
            version,
        };
        let other = version.map(|version| version + 1);
        let rows: [(Sign, u64, u64); 6] = [
            (good.clone(), 1, 0),
            (Sign { realm: "other".into(), ..good.clone() }, 1, 1),
            (Sign { realm: "nobody".into(), ..good.clone() }, 1, 2),
            (Sign { message: b"a certificate of mine".to_vec(), ..good.clone() }, 1, 3),
            (Sign { message: [&good.message[..], &[0]].concat(), ..good.clone() }, 1, 4),
            // The listener has presented another key: it is told what to present.
            (Sign { version: other, ..good }, 1, 4),
        ];
        for (sign, signed, rejected) in rows {
            world.devices.frame(EdgeId(0), CameFrom::Here, FromEdge::Sign(sign.clone()).encode());
            world.run_for(Duration::from_secs(1)).await;

            let counters = &world.counters;
            let seen = [&counters.signatures, &counters.frames_rejected];
            assert_eq!(seen.map(|it| it.load(Ordering::Relaxed)), [signed, rejected], "{sign:?}");
        }
    });
}

#[test]
fn a_deleted_device_is_not_enrolled_again_by_its_certificate() {
    system(async {
        let (mut world, ledger, server) = keyed_world(31, Faults::default()).await;
        trust(&world, NamePlace::CommonName, Some("profile")).await;
        assert!(comes_to(&mut world, 1000, certified(NAME, server.clone())).await.1);
        let device = DeviceRef { tenant: "default".into(), device: NAME.into() };

        world.end(DeleteDevice { device }, true).await;
        world.run_for(Duration::from_secs(1)).await;
        let before = ledger.applied();
        assert!(!comes_to(&mut world, 1001, certified(NAME, server.clone())).await.1);

        assert_eq!(ledger.applied(), before);
        assert_eq!(reasons(&world)[0].0, Reason::Deleted);
        world.enrol_by(NAME, CredentialKind::Certificate, b"factory").await;
        assert!(comes_to(&mut world, 1002, certified(NAME, server)).await.1);
    });
}

#[test]
fn a_certificate_whose_name_is_the_id_of_another_device_is_told_in_words() {
    system(async {
        let (mut world, ledger, server) = keyed_world(32, Faults::default()).await;
        trust(&world, NamePlace::Uri, Some("profile")).await;
        let device = DeviceRef { tenant: "default".into(), device: URI.into() };
        world.enrol_as(device, "urn:dev:elsewhere").await;
        let before = ledger.applied();

        assert!(!comes_to(&mut world, 1000, certified(URI, server)).await.1);

        assert_eq!(ledger.applied(), before);
        assert_eq!(reasons(&world)[0].0, Reason::IdTaken);
    });
}
