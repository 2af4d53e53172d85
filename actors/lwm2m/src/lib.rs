//! LwM2M bootstrap, the Bootstrap-Server's side: codecs and the machine of one session.
//!
//! What it is: [`tlv`] (OMA TLV, Content-Format 11542), [`discover`] (the answer to
//! Bootstrap-Discover), [`request`] (`POST /bs`), [`objects`] (Security and Server), and
//! [`Bootstrap`], the machine that takes a device from its Bootstrap-Request to a delivered
//! credential. Codecs go both ways, so that a simulated device uses the same ones.
//!
//! What it is not: it knows no datagram, token, clock or ledger, and it makes no credential. It
//! speaks Pre-Shared Key mode and client-initiated bootstrap only.
//!
//! How to drive it: make a [`Bootstrap`] from a [`Plan`] when a device has proven its identity,
//! pass every [`Input`] to [`Bootstrap::advance`], and carry out the [`Effect`]s in their order.
//!
//! Clauses are those of the OMA technical specifications: "Core" and "Transport" of LwM2M 1.1.1
//! (`OMA-TS-LightweightM2M_{Core,Transport}-V1_1_1`), "TS 1.0" of LwM2M 1.0.2.

pub mod discover;
pub mod objects;
pub mod request;
pub mod tlv;

mod bootstrap;
mod words;

pub use bootstrap::{Bootstrap, Effect, Grant, Input, Plan};
pub use words::{Event, Outcome, Stage};

/// Content-Formats that the bootstrap interface names (IANA CoAP Content-Formats registry).
pub mod content_format {
    /// `application/link-format` (RFC 6690 §7.3).
    pub const LINK_FORMAT: u16 = 40;
    /// `application/senml+json` (RFC 8428 §12.3.1).
    pub const SENML_JSON: u16 = 110;
    /// `application/senml+cbor` (RFC 8428 §12.3.3).
    pub const SENML_CBOR: u16 = 112;
    /// `application/vnd.oma.lwm2m+tlv`.
    pub const TLV: u16 = 11542;
    /// `application/vnd.oma.lwm2m+cbor`, since LwM2M 1.2.
    pub const LWM2M_CBOR: u16 = 11544;
}
