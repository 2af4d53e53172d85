//! The objects that a bootstrap writes: Security (0) and Server (1).
//!
//! Typed structs, and the payload of a write to an instance (`PUT /0/1`) in every [`Format`]:
//! `decode(encode(x)) == x`. Of a write to an object (`PUT /0`) take the instances apart and use
//! `from_resources`. Resources that are not known here are ignored, as a client ignores optional
//! ones (Core §6.1.7.5).
//!
//! [`Format`]: crate::Format

mod security;
mod server;

pub use security::{MAX_IDENTITY, MAX_KEY, MAX_URI, SecurityMode, SecurityObject};
pub use server::{MAX_BINDING, ServerObject};

use crate::{FormatError, Resource, Value, WrongType};

/// The Security object's id.
pub const SECURITY: u16 = 0;
/// The Server object's id.
pub const SERVER: u16 = 1;

/// Short Server IDs; 0 and 65535 are reserved (Core, resource 10 of object 0).
pub const SHORT_SERVER_IDS: core::ops::RangeInclusive<u16> = 1..=65534;

/// Why resources are no instance of the object, or an instance is not to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// The payload is not in its format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A value is not of the resource's type.
    #[error("resource {resource}: {error}")]
    Type {
        /// The resource.
        resource: u16,
        /// The type that it has.
        error: WrongType,
    },
    /// A mandatory resource is missing.
    #[error("resource {0} is missing")]
    Missing(u16),
    /// A resource stands twice.
    #[error("resource {0} is repeated")]
    Repeated(u16),
    /// A resource that has one value has instances.
    #[error("resource {0} has instances of its own")]
    Multiple(u16),
    /// A value is outside the range or length of its definition.
    #[error("resource {0} is out of range")]
    Range(u16),
}

/// Finds the one value of the resource `id`.
fn find<'a, 'b>(row: &'a [Resource<'b>], id: u16) -> Result<Option<&'a Value<'b>>, ObjectError> {
    let mut found = None;
    for resource in row.iter().filter(|resource| resource.id == id) {
        if resource.item.is_some() {
            return Err(ObjectError::Multiple(id));
        }
        if found.replace(&resource.value).is_some() {
            return Err(ObjectError::Repeated(id));
        }
    }
    Ok(found)
}

fn need<'a, 'b>(row: &'a [Resource<'b>], id: u16) -> Result<&'a Value<'b>, ObjectError> {
    find(row, id)?.ok_or(ObjectError::Missing(id))
}

/// Names the resource whose value is of another type.
fn typed<T>(id: u16, read: Result<T, WrongType>) -> Result<T, ObjectError> {
    read.map_err(|error| ObjectError::Type { resource: id, error })
}

fn integer<T: TryFrom<i64>>(id: u16, value: &Value<'_>) -> Result<T, ObjectError> {
    T::try_from(typed(id, value.as_integer())?).map_err(|_| ObjectError::Range(id))
}

fn in_range(id: u16, valid: bool) -> Result<(), ObjectError> {
    if valid { Ok(()) } else { Err(ObjectError::Range(id)) }
}
