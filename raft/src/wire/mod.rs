//! What nodes say to each other: frames of a byte of version, then CBOR with numbered fields.
//!
//! openraft's structs never reach the wire: they are converted here. Entries are the bytes that
//! the log has ([`crate::frame`]). What cannot be read ends the channel that it came by.

mod append;
mod call;
#[cfg(test)]
mod properties;
mod snapshot;

pub(crate) use append::{Append, Appended};
pub(crate) use call::{Answer, Call, Question, Refused, Reply};
#[cfg(test)]
pub(crate) use call::{Candidacy, Granted, Handover};
pub(crate) use snapshot::{Beginning, Part};

use crate::frame::Id;
use crate::types::LogId;

pub(crate) use crate::frame::{decode, encode};

fn id(id: Option<LogId>) -> Option<Id> {
    id.map(Id::from)
}

fn log_id(id: Option<Id>) -> Option<LogId> {
    id.map(LogId::from)
}
