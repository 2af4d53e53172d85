//! The objects that a bootstrap writes: Security (0) and Server (1).
//!
//! Typed structs, and their resources in TLV: `decode(encode(x)) == x`. A payload is that of a
//! write to an instance (`PUT /0/1`): resources without an Object Instance around them. For a
//! write to an object (`PUT /0`) take the instances apart and use `from_resources`. Resources
//! that are not known here are ignored, as a client ignores optional ones (Core §6.1.7.5).

mod security;
mod server;

pub use security::{MAX_IDENTITY, MAX_KEY, MAX_URI, SecurityMode, SecurityObject};
pub use server::{MAX_BINDING, ServerObject};

use crate::tlv::{Tlv, TlvError, Value};

/// The Security object's id.
pub const SECURITY: u16 = 0;
/// The Server object's id.
pub const SERVER: u16 = 1;

/// Short Server IDs; 0 and 65535 are reserved (Core, resource 10 of object 0).
pub const SHORT_SERVER_IDS: core::ops::RangeInclusive<u16> = 1..=65534;

/// Why resources are no instance of the object, or an instance is not to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The payload is no TLV, or a value not of the resource's type.
    #[error("resource {resource:?}: {error}")]
    Tlv {
        /// The resource, where it is known.
        resource: Option<u16>,
        /// What is wrong.
        error: TlvError,
    },
    /// A mandatory resource is missing.
    #[error("resource {0} is missing")]
    Missing(u16),
    /// A resource stands twice.
    #[error("resource {0} is repeated")]
    Repeated(u16),
    /// Something stands in the row that is no resource of an instance.
    #[error("the payload does not hold the resources of one instance")]
    NotResources,
    /// A value is outside the range or length of its definition.
    #[error("resource {0} is out of range")]
    Range(u16),
}

/// Finds the one value of the resource `id`.
fn find(row: &[Tlv], id: u16) -> Result<Option<&Value>, ObjectError> {
    let mut found = None;
    for entry in row {
        match entry {
            Tlv::Resource(i, value) if *i == id => {
                if found.replace(value).is_some() {
                    return Err(ObjectError::Repeated(id));
                }
            }
            Tlv::MultipleResource(i, _) if *i == id => return Err(ObjectError::NotResources),
            Tlv::Resource(..) | Tlv::MultipleResource(..) => {}
            Tlv::ObjectInstance(..) | Tlv::ResourceInstance(..) => {
                return Err(ObjectError::NotResources);
            }
        }
    }
    Ok(found)
}

fn need(row: &[Tlv], id: u16) -> Result<&Value, ObjectError> {
    find(row, id)?.ok_or(ObjectError::Missing(id))
}

/// Reads a value as the type that `read` stands for.
fn typed<'a, T>(
    id: u16,
    value: &'a Value,
    read: impl FnOnce(&'a Value) -> Result<T, TlvError>,
) -> Result<T, ObjectError> {
    read(value).map_err(|error| ObjectError::Tlv { resource: Some(id), error })
}

fn integer<T: TryFrom<i64>>(id: u16, value: &Value) -> Result<T, ObjectError> {
    let number = typed(id, value, Value::as_integer)?;
    T::try_from(number).map_err(|_| ObjectError::Range(id))
}

fn in_range(id: u16, valid: bool) -> Result<(), ObjectError> {
    if valid { Ok(()) } else { Err(ObjectError::Range(id)) }
}

fn payload_error(error: TlvError) -> ObjectError {
    ObjectError::Tlv { resource: None, error }
}
