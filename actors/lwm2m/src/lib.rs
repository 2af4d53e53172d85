//! LwM2M bootstrap, the Bootstrap-Server's side: codecs and the machine of one session.
//!
//! What it is: [`Resource`], a value and where it belongs, and the [`Format`]s that resources are
//! written in: [`tlv`] (OMA TLV, Content-Format 11542) and [`senml`] (JSON 110, CBOR 112);
//! [`discover`] (the answer to Bootstrap-Discover), [`request`] (`POST /bs`), [`objects`]
//! (Security and Server), and [`Bootstrap`], the machine that takes a device from its
//! Bootstrap-Request to a delivered credential. Codecs go both ways, so that a simulated device
//! uses the same ones.
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
pub mod senml;
pub mod tlv;

mod bootstrap;
mod format;
mod resource;
mod words;

pub use bootstrap::{Bootstrap, Effect, Grant, Input, Plan, not_served};
pub use format::{Format, FormatError, MAX_ENTRIES, MAX_PAYLOAD};
pub use resource::{Bytes, ObjectLink, ObjectPath, Resource, Value, WrongType};
pub use words::{Event, Outcome, Reason, Stage};

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

    /// A format's name for people, if it is one of these.
    pub fn name(number: u16) -> Option<&'static str> {
        match number {
            LINK_FORMAT => Some("link-format"),
            other => crate::Format::from_number(other).map(crate::Format::name),
        }
    }
}
