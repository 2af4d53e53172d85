//! What opens, what does not, and the bytes of every format.

use crate::{
    ClusterSecret, DoesNotOpen, KEY, Kek, Keyring, Label, RootKey, SALT, TenantKey, Wrapped,
};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const LABEL: Label<'_> = Label::Credential { tenant: "t", device: "d", credential: &[7; 16] };

#[test]
fn opens_what_was_sealed() {
    let key = TenantKey::new([1; KEY]);
    let sealed = key.seal(LABEL, b"secret", [2; SALT]);
    assert_eq!(key.open(LABEL, &sealed).unwrap().as_slice(), b"secret");
    assert!(!sealed.windows(6).any(|w| w == b"secret"));
}

#[test]
fn does_not_open_under_another_label() {
    let key = TenantKey::new([1; KEY]);
    let sealed = key.seal(LABEL, b"secret", [2; SALT]);
    let others = [
        Label::Credential { tenant: "t", device: "d", credential: &[8; 16] },
        Label::Credential { tenant: "t", device: "e", credential: &[7; 16] },
        Label::Credential { tenant: "td", device: "", credential: &[7; 16] },
        Label::Session { tenant: "t", session: &[7; 16] },
        Label::ImportKey { tenant: "t", public: &[7; 32] },
        Label::ServerKey { tenant: "t", fingerprint: &[7; 32] },
        Label::Resumption { tenant: "t", handle: &[7; 16] },
    ];
    for other in others {
        assert_eq!(key.open(other, &sealed), Err(DoesNotOpen), "{other:?}");
    }
}

#[test]
fn does_not_open_with_any_bit_changed_or_cut_short() {
    let key = TenantKey::new([1; KEY]);
    let sealed = key.seal(LABEL, b"secret", [2; SALT]);
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key.open(LABEL, &changed), Err(DoesNotOpen), "bit {bit}");
    }
    for length in 0..sealed.len() {
        assert_eq!(key.open(LABEL, &sealed[..length]), Err(DoesNotOpen), "length {length}");
    }
}

/// A ring with root keys of these versions.
fn ring(versions: &[u8]) -> Keyring {
    let ring = Keyring::default();
    let roots = versions.iter().map(|n| (u32::from(*n), RootKey::new([*n; KEY]))).collect();
    ring.open(roots, ClusterSecret::new([9; KEY]));
    ring
}

#[test]
fn a_tenant_key_is_bound_to_its_tenant_and_version() {
    let ring = ring(&[3]);
    let (root, bytes) = ring.wrap("t", 1, &Zeroizing::new([1; KEY]), [2; SALT]).unwrap();
    let sealed = TenantKey::new([1; KEY]).seal(LABEL, b"secret", [5; SALT]);
    let wrapped = Wrapped { version: 1, root, bytes: &bytes };

    assert!(ring.tenant("u", &[wrapped]).is_err());
    assert!(ring.tenant("t", &[Wrapped { version: 2, ..wrapped }]).is_err());
    assert!(ring.tenant("t", &[Wrapped { root: 1, ..wrapped }]).is_err());
    assert!(ring.tenant("t", &[]).is_err());
    let key = ring.tenant("t", &[wrapped]).unwrap();
    assert_eq!(key.open(LABEL, &sealed).unwrap().as_slice(), b"secret");
}

#[test]
fn a_replaced_key_seals_anew_for_all_who_hold_it_and_opens_what_was_until_it_is_destroyed() {
    let ring = ring(&[3, 4]);
    let wrap = |version| {
        ring.wrap("t", version, &Zeroizing::new([version as u8; KEY]), [2; SALT]).unwrap()
    };
    let (first, second) = (wrap(1), wrap(2));
    let [first, second] = [(1, &first), (2, &second)].map(|(version, (root, bytes))| Wrapped {
        version,
        root: *root,
        bytes,
    });
    let held = ring.tenant("t", &[first]).unwrap();
    let old = held.seal(LABEL, b"old", [5; SALT]);

    ring.tenant("t", &[second, first]).unwrap();
    let new = held.seal(LABEL, b"new", [6; SALT]);

    assert_eq!((old[0], held.version()), (1, 2));
    assert_eq!(new[..5], [2, 0, 0, 0, 2]);
    assert_eq!(held.open(LABEL, &old).unwrap().as_slice(), b"old");
    assert_eq!(held.open(LABEL, &new).unwrap().as_slice(), b"new");
    // Whoever still reads the row of before takes nothing away.
    ring.tenant("t", &[first]).unwrap();
    assert_eq!(held.version(), 2);

    ring.tenant("t", &[second]).unwrap();
    assert_eq!(held.open(LABEL, &old), Err(DoesNotOpen));
    assert!(held.open(LABEL, &new).is_ok());
}

#[test]
fn the_version_in_what_is_sealed_cannot_be_changed() {
    let ring = ring(&[3]);
    let both = [1, 2].map(|version| {
        (version, ring.wrap("t", version, &Zeroizing::new([7; KEY]), [2; SALT]).unwrap())
    });
    let both = both.each_ref().map(|(version, (root, bytes))| Wrapped {
        version: *version,
        root: *root,
        bytes,
    });
    let key = ring.tenant("t", &[both[1], both[0]]).unwrap();
    let sealed = key.seal(LABEL, b"secret", [5; SALT]);

    // The bytes of both versions are the same here, so only the authentication can tell.
    assert!(key.open(LABEL, &sealed).is_ok());
    assert_eq!(key.open(LABEL, &[&[1], &sealed[5..]].concat()), Err(DoesNotOpen));
}

#[test]
fn a_key_goes_under_a_newer_root_key_and_stays_what_it_was() {
    let ring = ring(&[3]);
    let (root, bytes) = ring.wrap("t", 1, &Zeroizing::new([1; KEY]), [2; SALT]).unwrap();
    let sealed = TenantKey::new([1; KEY]).seal(LABEL, b"secret", [5; SALT]);
    let roots = [3, 4].map(|n| (n, RootKey::new([n as u8; KEY])));
    ring.open(roots.into(), ClusterSecret::new([9; KEY]));

    let before = Wrapped { version: 1, root, bytes: &bytes };
    let (root, bytes) = ring.wrap_anew("t", before, [6; SALT]).unwrap();

    assert_eq!(root, 4);
    let only = BTreeMap::from([(4, RootKey::new([4; KEY]))]);
    ring.open(only, ClusterSecret::new([9; KEY]));
    assert!(ring.wrap_anew("t", before, [6; SALT]).is_err());
    let key = ring.tenant("t", &[Wrapped { version: 1, root, bytes: &bytes }]).unwrap();
    assert_eq!(key.open(LABEL, &sealed).unwrap().as_slice(), b"secret");
}

#[test]
fn a_sealed_ring_gives_nothing() {
    let ring = Keyring::default();
    assert!(!ring.is_open());
    assert!(ring.derive("x").is_err());
    assert!(ring.cluster_key("x").is_err());
    assert!(ring.wrap("t", 1, &Zeroizing::new([1; KEY]), [2; SALT]).is_err());
    assert!(ring.tenant("t", &[Wrapped { version: 1, root: 1, bytes: &[1; 65] }]).is_err());
}

#[test]
fn a_root_key_is_bound_to_its_version_and_its_kek() {
    let kek = Kek::new([3; KEY]);
    let wrapped = kek.wrap(1, &RootKey::new([7; KEY]), [2; SALT]);

    assert_eq!(kek.unwrap(1, &wrapped).unwrap().expose_bytes(), &[7; KEY]);
    assert!(kek.unwrap(2, &wrapped).is_err());
    assert!(Kek::new([4; KEY]).unwrap(1, &wrapped).is_err());
    assert_ne!(kek.id(), Kek::new([4; KEY]).id());
}

#[test]
fn a_proof_is_of_one_root_key_and_one_challenge() {
    let root = RootKey::new([7; KEY]);
    let proof = root.prove(b"one");

    assert!(RootKey::new([7; KEY]).is_proven(b"one", &proof));
    assert!(!root.is_proven(b"two", &proof));
    assert!(!RootKey::new([8; KEY]).is_proven(b"one", &proof));
    assert!(!root.is_proven(b"one", &proof[1..]));
}

/// What version 0.1 wrote and derived under a KEK of threes.
#[test]
fn a_ledger_of_before_root_keys_opens_and_keeps_its_secrets() {
    let kek = Kek::new([3; KEY]);
    let wrapped = hex::<65>(
        "01020202020202020202020202020202020b38dd161e49fe762a177c49e54569dce01bff8de96ee8a3861bca3205a8f92d7f2a101e839f8ffd70895fbe945f23c7",
    );
    let ring = Keyring::default();
    ring.open([(0, kek.before_roots())].into(), kek.cluster_before_roots());

    let key = ring.tenant("t", &[Wrapped { version: 1, root: 0, bytes: &wrapped }]).unwrap();
    let sealed = TenantKey::new([1; KEY]).seal(LABEL, b"secret", [5; SALT]);
    assert_eq!(key.open(LABEL, &sealed).unwrap().as_slice(), b"secret");
    let cookie = hex::<32>("5089163079861156b4d191c0bd8db9178046977ca95e29765c3f32ff646951ce");
    assert_eq!(*ring.derive("dtls cookie").unwrap(), cookie);
}

#[test]
fn the_bytes_of_version_2_stay_what_they_were() {
    let ring = ring(&[3]);
    let (root, bytes) = ring.wrap("t", 2, &Zeroizing::new([1; KEY]), [2; SALT]).unwrap();
    let key = ring.tenant("t", &[Wrapped { version: 2, root, bytes: &bytes }]).unwrap();
    let kek = Kek::new([3; KEY]).wrap(7, &RootKey::new([1; KEY]), [2; SALT]);
    let cluster = RootKey::new([3; KEY]).wrap_cluster(&ClusterSecret::new([1; KEY]), [2; SALT]);
    let written = [key.seal(LABEL, b"secret", [2; SALT]), bytes, kek, cluster];
    let written = written.map(|it| it.iter().map(|b| format!("{b:02x}")).collect::<String>());
    assert_eq!(
        written,
        [
            "020000000202020202020202020202020202020202cade2115ab504095229516b37257e865c6a2d1d9ef35",
            "01020202020202020202020202020202020b38dd161e49fe762a177c49e54569dce01bff8de96ee8a3861bca3205a8f92dc99c5896999bc5cce132c6bc37363aa1",
            "01020202020202020202020202020202020b38dd161e49fe762a177c49e54569dce01bff8de96ee8a3861bca3205a8f92d510783221d339b0347c8eb6fc22217bc",
            "01020202020202020202020202020202020b38dd161e49fe762a177c49e54569dce01bff8de96ee8a3861bca3205a8f92ddcce08ae31f734c2eb17aae9bcb66b26",
        ]
    );
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    core::array::from_fn(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap())
}

#[test]
fn the_bytes_of_version_1_stay_what_they_were() {
    let sealed = TenantKey::new([1; KEY]).seal(LABEL, b"secret", [2; SALT]);
    let hex: String = sealed.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        hex,
        "0102020202020202020202020202020202cade2115ab503f85e323fac201344ea5463935418be5"
    );
}
