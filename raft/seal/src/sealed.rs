//! The sealed form: version, salt, ciphertext with its tag.

use crate::{DoesNotOpen, KEY, Label, SALT};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

/// Why deriving cannot fail.
const FITS: &str = "the length fits HKDF";
/// The seal version written today; it is authenticated too.
const VERSION: u8 = 1;

pub(crate) fn seal(key: &[u8; KEY], label: Label<'_>, secret: &[u8], salt: [u8; SALT]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + SALT + secret.len() + AES_256_GCM.tag_len());
    out.push(VERSION);
    out.extend(salt);
    let mut text = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
    text.extend_from_slice(secret);
    derive(key, &salt)
        .seal_in_place_append_tag(nonce(), Aad::from(aad(label)), &mut *text)
        .expect("a secret is far below the limit of AES-GCM");
    out.extend_from_slice(&text);
    out
}

pub(crate) fn open(
    key: &[u8; KEY],
    label: Label<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
    let (&VERSION, rest) = sealed.split_first().ok_or(DoesNotOpen)? else {
        return Err(DoesNotOpen);
    };
    let (salt, text) = rest.split_at_checked(SALT).ok_or(DoesNotOpen)?;
    let mut text = Zeroizing::new(text.to_vec());
    let length = derive(key, salt)
        .open_in_place(nonce(), Aad::from(aad(label)), &mut text)
        .map_err(|_| DoesNotOpen)?
        .len();
    text.truncate(length);
    Ok(text)
}

/// A key for one sealing: the salt makes it fresh, so the nonce may be fixed.
fn derive(key: &[u8; KEY], salt: &[u8]) -> LessSafeKey {
    let prk = Salt::new(HKDF_SHA256, salt).extract(key);
    let okm = prk.expand(&[b"claviger seal"], &AES_256_GCM).expect(FITS);
    LessSafeKey::new(UnboundKey::from(okm))
}

/// A key of its own for each purpose.
pub(crate) fn derive_bytes(key: &[u8; KEY], purpose: &[u8]) -> Zeroizing<[u8; KEY]> {
    let mut bytes = Zeroizing::new([0; KEY]);
    let prk = Salt::new(HKDF_SHA256, b"claviger purpose").extract(key);
    let info = [purpose];
    let okm = prk.expand(&info, HKDF_SHA256).expect(FITS);
    okm.fill(&mut *bytes).expect(FITS);
    bytes
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// The label as bytes: version, kind, then each part with its length.
fn aad(label: Label<'_>) -> Vec<u8> {
    let (kind, parts): (u8, [&[u8]; 3]) = match label {
        Label::TenantKey { tenant } => (0, [tenant.as_bytes(), &[], &[]]),
        Label::Credential { tenant, device, credential } => {
            (1, [tenant.as_bytes(), device.as_bytes(), credential])
        }
        Label::Session { tenant, session } => (2, [tenant.as_bytes(), session, &[]]),
        Label::Response { tenant, session } => (3, [tenant.as_bytes(), session, &[]]),
        Label::Connector { tenant, connector } => {
            (4, [tenant.as_bytes(), connector.as_bytes(), &[]])
        }
        Label::ImportKey { tenant, public } => (5, [tenant.as_bytes(), public, &[]]),
        Label::ServerKey { tenant, fingerprint } => (6, [tenant.as_bytes(), fingerprint, &[]]),
        Label::Resumption { tenant, handle } => (7, [tenant.as_bytes(), handle, &[]]),
        Label::Authority { cluster } => (9, [cluster, &[], &[]]),
    };
    let mut aad = vec![VERSION, kind];
    for part in parts {
        aad.extend((part.len() as u32).to_be_bytes());
        aad.extend_from_slice(part);
    }
    aad
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kek, TenantKey};

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
            Label::Response { tenant: "t", session: &[7; 16] },
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

    #[test]
    fn a_tenant_key_is_bound_to_its_tenant() {
        let kek = Kek::new([3; KEY]);
        let wrapped = kek.wrap("t", &TenantKey::new([1; KEY]), [2; SALT]);
        let sealed = TenantKey::new([1; KEY]).seal(LABEL, b"secret", [5; SALT]);

        assert!(kek.unwrap("u", &wrapped).is_err());
        let key = kek.unwrap("t", &wrapped).unwrap();
        assert_eq!(key.open(LABEL, &sealed).unwrap().as_slice(), b"secret");
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
}
