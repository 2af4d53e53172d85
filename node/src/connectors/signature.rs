//! Signatures of the Standard Webhooks specification, symmetric (`v1`).

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use claviger_machine::Crypto;
use core::fmt;
use core::time::Duration;
use data_encoding::BASE64;
use zeroize::Zeroizing;

/// The names of the three headers.
pub mod headers {
    /// The message's id: the same when it comes again.
    pub const ID: &str = "webhook-id";
    /// When it was sent, in seconds since the Unix epoch.
    pub const TIMESTAMP: &str = "webhook-timestamp";
    /// Its signatures, parted by spaces.
    pub const SIGNATURE: &str = "webhook-signature";
}

/// How far a message's time may lie from ours.
const TOLERANCE: u64 = 300;
const PREFIX: &str = "whsec_";

/// A connector's secret.
#[derive(Clone)]
pub struct SigningSecret(Zeroizing<Vec<u8>>);

/// A text that is no secret; the words do not quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be `whsec_` and 24 to 64 bytes in base64")]
pub struct NoSecret;

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSigned {
    /// A header is missing or cannot be read.
    Headers,
    /// Its time is more than 5 minutes away.
    Time,
    /// No signature is ours.
    Signature,
}

impl SigningSecret {
    /// The secret of these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// A fresh secret.
    pub fn make(crypto: &dyn Crypto) -> Self {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(crypto.random());
        Self::new(&*bytes)
    }

    /// Reads `whsec_` and base64.
    ///
    /// # Errors
    /// [`NoSecret`] if it is written otherwise or has not 24 to 64 bytes.
    pub fn parse(text: &str) -> Result<Self, NoSecret> {
        let text = text.strip_prefix(PREFIX).ok_or(NoSecret)?;
        let bytes = BASE64.decode(text.as_bytes()).map(Zeroizing::new).map_err(|_| NoSecret)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(NoSecret) }
    }

    /// The secret as text.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// The secret's bytes.
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of `webhook-signature` for a message sent at `time`, in seconds.
    pub fn sign(&self, id: &str, time: u64, body: &[u8]) -> String {
        format!("v1,{}", BASE64.encode(self.tag(id, &time.to_string(), body).as_ref()))
    }

    fn tag(&self, id: &str, time: &str, body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key());
        for part in [id.as_bytes(), b".", time.as_bytes(), b".", body] {
            context.update(part);
        }
        context.sign()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }

    /// Checks a message's headers against its body and the time.
    ///
    /// # Errors
    /// [`NotSigned`]
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: Duration) -> Result<(), NotSigned> {
        let Head { id, time, signatures } = check_head(headers, now)?;
        let message = [id.as_bytes(), b".", time.as_bytes(), b".", body].concat();
        // More than one stands there while a secret is being replaced.
        let given = signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,"));
        let mut tags = given.take(8).filter_map(|tag| BASE64.decode(tag.as_bytes()).ok());
        let key = self.key();
        let ours = tags.any(|tag| hmac::verify(&key, &message, &tag).is_ok());
        if ours { Ok(()) } else { Err(NotSigned::Signature) }
    }
}

/// What the headers of a signed message say.
#[derive(Debug, PartialEq, Eq)]
pub struct Head<'a> {
    id: &'a str,
    time: &'a str,
    signatures: &'a str,
}

/// Checks what can be checked before a message's body is there.
///
/// # Errors
/// [`NotSigned::Headers`] or [`NotSigned::Time`].
pub fn check_head(headers: &HeaderMap, now: Duration) -> Result<Head<'_>, NotSigned> {
    let header = |name| headers.get(name)?.to_str().ok();
    let parts = (header(headers::ID), header(headers::TIMESTAMP), header(headers::SIGNATURE));
    let (Some(id), Some(time), Some(signatures)) = parts else {
        return Err(NotSigned::Headers);
    };
    let sent: u64 = time.parse().map_err(|_| NotSigned::Headers)?;
    match sent.abs_diff(now.as_secs()) > TOLERANCE {
        true => Err(NotSigned::Time),
        false => Ok(Head { id, time, signatures }),
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    // Computed by Python: base64(hmac.digest(bytes(range(32)), message, "sha256")).
    const SIGNED: &str = "v1,JaWtT+aaojhzwLlXITR4N/3SobtTEr1FVNovBxbGHLg=";
    const BODY: &[u8] = br#"{"used_at":"2026-11-24T18:00:00Z"}"#;
    const TIME: u64 = 1_795_543_200;

    fn secret() -> SigningSecret {
        SigningSecret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
    }

    fn message(time: &'static str, signatures: &'static str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(headers::ID, HeaderValue::from_static("msg_1"));
        map.insert(headers::TIMESTAMP, HeaderValue::from_static(time));
        map.insert(headers::SIGNATURE, HeaderValue::from_static(signatures));
        map
    }

    #[test]
    fn signs_as_an_independent_implementation_does() {
        assert_eq!(secret().sign("msg_1", TIME, BODY), SIGNED);
    }

    #[test]
    fn takes_what_is_signed_also_beside_another_signature() {
        let now = Duration::from_secs(TIME + TOLERANCE);
        assert_eq!(secret().verify(&message("1795543200", SIGNED), BODY, now), Ok(()));
        let two = "v1,AAAA v1a,x v1,JaWtT+aaojhzwLlXITR4N/3SobtTEr1FVNovBxbGHLg=";
        assert_eq!(secret().verify(&message("1795543200", two), BODY, now), Ok(()));
    }

    #[test]
    fn refuses_another_time_body_id_secret_or_no_headers() {
        let now = Duration::from_secs(TIME);
        let headers = message("1795543200", SIGNED);
        let late = now + Duration::from_secs(TOLERANCE + 1);
        let early = now - Duration::from_secs(TOLERANCE + 1);
        assert_eq!(secret().verify(&headers, BODY, late), Err(NotSigned::Time));
        assert_eq!(secret().verify(&headers, BODY, early), Err(NotSigned::Time));
        assert_eq!(secret().verify(&headers, b"{}", now), Err(NotSigned::Signature));
        let moved = message("1795543201", SIGNED);
        assert_eq!(secret().verify(&moved, BODY, now), Err(NotSigned::Signature));
        let other = SigningSecret::new(&[7; 32]);
        assert_eq!(other.verify(&headers, BODY, now), Err(NotSigned::Signature));
        assert_eq!(secret().verify(&HeaderMap::new(), BODY, now), Err(NotSigned::Headers));
        let never = message("yesterday", SIGNED);
        assert_eq!(secret().verify(&never, BODY, now), Err(NotSigned::Headers));
    }

    #[test]
    fn reads_back_what_it_shows_and_refuses_short_and_long_ones() {
        assert_eq!(SigningSecret::parse(&secret().expose()).unwrap().0, secret().0);
        for bytes in [0, 23, 65] {
            let text = SigningSecret::new(&vec![1; bytes]).expose();
            assert_eq!(SigningSecret::parse(&text).err(), Some(NoSecret), "{bytes}");
        }
        assert_eq!(SigningSecret::parse("AAECAwQF").err(), Some(NoSecret));
    }
}
