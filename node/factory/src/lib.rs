//! Keys on their way between a factory, a ledger and a vault: encrypted for one reader, and bound
//! to the device that each belongs to.
//!
//! It is one form for two ways. A manufacturer encrypts its list of devices to a tenant's **import
//! key**; an operator exports what the ledger holds to a **recipient**. Either reader has a key
//! pair of X25519. This crate makes and reads keys and values; it knows no ledger, reads no file,
//! and draws no randomness: that comes in. Lists as wholes are the command line's matter.
//!
//! Make or read a [`PublicKey`], [`PublicKey::seal`] to it; the owner of the [`PrivateKey`] finds
//! it by the [`KeyId`] in the [`Sealed`] value and opens that with [`PrivateKey::open`].
//!
//! # The format, version 1
//!
//! **A key** is a JWK (RFC 7517, RFC 8037) with `"kty":"OKP"`, `"crv":"X25519"`, the public key `x`
//! and, in the file of its owner alone, the private key `d`. `kid` is its thumbprint (RFC 7638) and
//! is checked where it stands. The member `tenant` says whom what is encrypted to it is for; a
//! recipient that is no tenant has none, which counts as the empty text. Other members are passed
//! over.
//!
//! **A value** is a text of three parts:
//!
//! ```text
//! 1.<kid>.<base64url, without padding, of enc || ciphertext>
//! ```
//!
//! `1` is the version, `kid` the key that opens it. The rest is what HPKE (RFC 9180) gives in base
//! mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-128-GCM (0x0020, 0x0001, 0x0001):
//! `enc` has 32 bytes, the plaintext is the secret itself, and each value is the first and only one
//! of its context. With `text(t)` for the length of `t` in four bytes, big-endian, and then `t`:
//!
//! ```text
//! info = text("claviger factory 1") || text(tenant)
//! aad  = text(purpose) || text(endpoint) || text(identity)
//! ```
//!
//! `tenant` is that of the key. `purpose` is `manufacturer` for a key that a manufacturer put into
//! a device, and `operational` for one that a device was given for a service ([`Purpose`]).
//! `endpoint` and `identity` are the device's endpoint client name and the PSK identity. A root key
//! in escrow has the purpose `root key`, its cluster's id and its version there. So a value
//! that is moved to another line, purpose or tenant does not open.
//!
//! Nothing here proves who encrypted: whoever has the public key can. That a list comes from the
//! manufacturer is proven by who may give it to the API.
//!
//! **A list** is CSV or NDJSON, a device a line. In CSV the column `psk_hpke` holds the value, in
//! place of `psk`; the others are those of a list in the clear: `endpoint`, `identity`, `id`,
//! `profile`, of which only `endpoint` is needed. In NDJSON a line is what `POST /devices` takes,
//! with `"key":{"format":"hpke","value":"1..."}`.

mod key;
mod sealed;
#[cfg(test)]
mod tests;

pub use key::{BadKey, KeyId, PrivateKey, PublicKey};
pub use sealed::{Binding, DoesNotOpen, NoValue, Purpose, Sealed, Unsuitable};
