//! The sealed form: format, version of the key unless it is the first, salt, ciphertext with its tag.

use crate::{DoesNotOpen, KEY, Label, SALT};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// Why deriving cannot fail.
const FITS: &str = "the length fits HKDF";
/// The first version of a key: what it seals is of the first format, which names no version.
pub(crate) const FIRST: u32 = 1;
/// The format of what the first version of a key seals; it is authenticated too.
const UNNAMED: u8 = 1;
/// The format that names the version of its key, in four bytes behind it.
const NAMED: u8 = 2;

/// Seals under `key`, which is this `version` of it.
pub(crate) fn seal(
    key: &[u8; KEY],
    version: u32,
    label: Label<'_>,
    secret: &[u8],
    salt: [u8; SALT],
) -> Vec<u8> {
    let head = head(version);
    let mut out = Vec::with_capacity(head.len() + SALT + secret.len() + AES_256_GCM.tag_len());
    out.extend_from_slice(&head);
    out.extend(salt);
    let mut text = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
    text.extend_from_slice(secret);
    derive(key, &salt)
        .seal_in_place_append_tag(nonce(), Aad::from(aad(head, label)), &mut *text)
        .expect("a secret is far below the limit of AES-GCM");
    out.extend_from_slice(&text);
    out
}

/// Opens what was sealed by this `version` of `key`.
pub(crate) fn open(
    key: &[u8; KEY],
    version: u32,
    label: Label<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
    let head = head(version);
    let rest = sealed.strip_prefix(head.as_slice()).ok_or(DoesNotOpen)?;
    let (salt, text) = rest.split_at_checked(SALT).ok_or(DoesNotOpen)?;
    let mut text = Zeroizing::new(text.to_vec());
    let length = derive(key, salt)
        .open_in_place(nonce(), Aad::from(aad(head, label)), &mut text)
        .map_err(|_| DoesNotOpen)?
        .len();
    text.truncate(length);
    Ok(text)
}

/// The version of the key that sealed it.
pub(crate) fn version_of(sealed: &[u8]) -> Option<u32> {
    match sealed.split_first()? {
        (&UNNAMED, _) => Some(FIRST),
        (&NAMED, rest) => rest.first_chunk().copied().map(u32::from_be_bytes),
        _ => None,
    }
}

/// How what this version of a key seals begins.
fn head(version: u32) -> Vec<u8> {
    if version == FIRST {
        return vec![UNNAMED];
    }
    [&[NAMED], &version.to_be_bytes()[..]].concat()
}

/// A key for one sealing: the salt makes it fresh, so the nonce may be fixed.
fn derive(key: &[u8; KEY], salt: &[u8]) -> LessSafeKey {
    let prk = Salt::new(HKDF_SHA256, salt).extract(key);
    let okm = prk.expand(&[b"claviger seal"], &AES_256_GCM).expect(FITS);
    LessSafeKey::new(UnboundKey::from(okm))
}

/// The first half of HKDF-SHA256 (RFC 5869 §2.2), for keys of purposes.
pub(crate) fn extract(key: &[u8; KEY]) -> Zeroizing<[u8; KEY]> {
    let salt = hmac::Key::new(hmac::HMAC_SHA256, b"claviger purpose");
    let mut bytes = Zeroizing::new([0; KEY]);
    bytes.copy_from_slice(hmac::sign(&salt, key).as_ref());
    bytes
}

/// The second half (RFC 5869 §2.3): a key of its own for each purpose.
pub(crate) fn expand(prk: &[u8; KEY], purpose: &[&[u8]]) -> Zeroizing<[u8; KEY]> {
    let mut bytes = Zeroizing::new([0; KEY]);
    let prk = Prk::new_less_safe(HKDF_SHA256, prk);
    let okm = prk.expand(purpose, HKDF_SHA256).expect(FITS);
    okm.fill(&mut *bytes).expect(FITS);
    bytes
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// What is authenticated: how the sealed form begins, and the label as its kind, then each part with
/// its length.
fn aad(head: Vec<u8>, label: Label<'_>) -> Vec<u8> {
    let number;
    let (kind, parts): (u8, [&[u8]; 3]) = match label {
        Label::TenantKey { tenant, version: FIRST } => (0, [tenant.as_bytes(), &[], &[]]),
        Label::TenantKey { tenant, version } => {
            number = version.to_be_bytes();
            (0, [tenant.as_bytes(), &number, &[]])
        }
        Label::Credential { tenant, device, credential } => {
            (1, [tenant.as_bytes(), device.as_bytes(), credential])
        }
        Label::Session { tenant, session } => (2, [tenant.as_bytes(), session, &[]]),
        // 3 was that of remembered responses.
        Label::Connector { tenant, connector } => {
            (4, [tenant.as_bytes(), connector.as_bytes(), &[]])
        }
        Label::ImportKey { tenant, public } => (5, [tenant.as_bytes(), public, &[]]),
        Label::ServerKey { tenant, fingerprint } => (6, [tenant.as_bytes(), fingerprint, &[]]),
        Label::Resumption { tenant, handle } => (7, [tenant.as_bytes(), handle, &[]]),
        Label::RootKey { version } => {
            number = version.to_be_bytes();
            (8, [&number, &[], &[]])
        }
        Label::Authority { cluster } => (9, [cluster, &[], &[]]),
        Label::ClusterSecret => (10, [&[], &[], &[]]),
    };
    let mut aad = head;
    aad.push(kind);
    for part in parts {
        aad.extend((part.len() as u32).to_be_bytes());
        aad.extend_from_slice(part);
    }
    aad
}
