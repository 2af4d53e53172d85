//! SenML (RFC 8428) as LwM2M has it (Core §7.4.4, §7.4.5): a list of records, each with the path
//! of a resource and its value; in [`json`] (Content-Format 110) and in [`cbor`] (112).
//!
//! What is written has one base name, that of the request's path. What is read may have any; the
//! records must lie within the path, have one value each, and no label that would change their
//! meaning. Times and units are passed over.

pub mod cbor;
pub mod json;

use crate::format::MAX_ENTRIES;
use crate::resource::{Bytes, ObjectLink, ObjectPath, Resource, Value};
use core::fmt::{self, Write};
use std::borrow::Cow;

/// The highest version of SenML that is understood (RFC 8428 §4.4).
const VERSION: i64 = 10;

/// Why bytes are no SenML payload, or values none that SenML can state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SenmlError {
    /// No JSON or CBOR, or not a list of maps whose labels have values of their type.
    #[error("the payload is no well-formed SenML")]
    Malformed,
    /// More than [`MAX_PAYLOAD`](crate::MAX_PAYLOAD) bytes.
    #[error("the payload is too long")]
    TooLong,
    /// More than [`MAX_ENTRIES`] records.
    #[error("there are too many records")]
    TooMany,
    /// A label stands twice in a record, or a record has two values.
    #[error("a label or a value stands twice in a record")]
    Repeated,
    /// A record has no value.
    #[error("a record has no value")]
    NoValue,
    /// A record's name is no path of a resource.
    #[error("a record's name is no path of a resource")]
    Name,
    /// A resource lies outside the path of the request.
    #[error("a resource lies outside the path of the request")]
    Outside,
    /// A base value, a sum, a later version, or a label that must be understood.
    #[error("a label is not supported")]
    Unsupported,
    /// A float that is no number, which SenML cannot state.
    #[error("a value is no number")]
    NotANumber,
}

/// What a label is, under its name and its number (RFC 8428 §4, §6; `vlo`: Core §7.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    BaseVersion,
    BaseName,
    Name,
    Number,
    Text,
    Boolean,
    Data,
    Link,
    /// Changes what a number means: base value, base sum, sum.
    Sum,
    /// Need not be understood.
    Other,
}

impl Label {
    fn of_name(name: &str) -> Result<Self, SenmlError> {
        Ok(match name {
            "bver" => Self::BaseVersion,
            "bn" => Self::BaseName,
            "n" => Self::Name,
            "v" => Self::Number,
            "vs" => Self::Text,
            "vb" => Self::Boolean,
            "vd" => Self::Data,
            "vlo" => Self::Link,
            "bv" | "bs" | "s" => Self::Sum,
            // RFC 8428 §4.4
            other if other.ends_with('_') => return Err(SenmlError::Unsupported),
            _ => Self::Other,
        })
    }

    const fn of_number(number: i64) -> Self {
        match number {
            -1 => Self::BaseVersion,
            -2 => Self::BaseName,
            0 => Self::Name,
            2 => Self::Number,
            3 => Self::Text,
            4 => Self::Boolean,
            8 => Self::Data,
            -5 | -6 | 5 => Self::Sum,
            _ => Self::Other,
        }
    }
}

/// A record as it stands in the payload.
#[derive(Default)]
struct Record<'a> {
    base: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    value: Option<Value<'a>>,
}

impl<'a> Record<'a> {
    fn text(&mut self, label: Label, text: Cow<'a, str>) -> Result<(), SenmlError> {
        match label {
            Label::BaseName => once(&mut self.base, text),
            Label::Name => once(&mut self.name, text),
            Label::Link => once(&mut self.value, Value::ObjectLink(link(&text)?)),
            _ => once(&mut self.value, Value::String(text)),
        }
    }

    fn number(&mut self, label: Label, number: Value<'a>) -> Result<(), SenmlError> {
        match label {
            Label::BaseVersion => match number.as_integer() {
                Ok(..=VERSION) => Ok(()),
                _ => Err(SenmlError::Unsupported),
            },
            _ => once(&mut self.value, number),
        }
    }

    fn boolean(&mut self, flag: bool) -> Result<(), SenmlError> {
        once(&mut self.value, Value::Boolean(flag))
    }

    fn data(&mut self, bytes: Bytes<'a>) -> Result<(), SenmlError> {
        once(&mut self.value, Value::Opaque(bytes))
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), SenmlError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(SenmlError::Repeated),
    }
}

/// `object:instance`
fn link(text: &str) -> Result<ObjectLink, SenmlError> {
    let mut parts = text.split(':').map(|part| part.bytes().try_fold(None, digit));
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Some(Some(object))), Some(Some(Some(instance))), None) => {
            Ok(ObjectLink { object, instance })
        }
        _ => Err(SenmlError::Malformed),
    }
}

/// A number of 16 bits in the making; `None` for what is no digit, or past 16 bits.
fn digit(number: Option<u16>, byte: u8) -> Option<Option<u16>> {
    let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
    Some(Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?))
}

/// A payload that is being read.
struct Reading<'a> {
    path: ObjectPath,
    /// The base name, which holds until the next one (RFC 8428 §4.1).
    base: Cow<'a, str>,
    found: Vec<Resource<'a>>,
}

impl<'a> Reading<'a> {
    const fn new(path: ObjectPath) -> Self {
        Self { path, base: Cow::Borrowed(""), found: Vec::new() }
    }

    fn take(&mut self, record: Record<'a>) -> Result<(), SenmlError> {
        if self.found.len() >= MAX_ENTRIES {
            return Err(SenmlError::TooMany);
        }
        if let Some(base) = record.base {
            self.base = base;
        }
        let name = record.name.as_deref().unwrap_or_default();
        let value = record.value.ok_or(SenmlError::NoValue)?;
        let [object, instance, id, item] =
            numbers(self.base.bytes().chain(name.bytes())).ok_or(SenmlError::Name)?;
        let (Some(object), Some(instance), Some(id)) = (object, instance, id) else {
            return Err(SenmlError::Name);
        };
        let inside = object == self.path.object
            && self.path.instance.is_none_or(|wanted| wanted == instance);
        if !inside {
            return Err(SenmlError::Outside);
        }
        self.found.push(Resource { instance, id, item, value });
        Ok(())
    }
}

/// The numbers of a path, `/3/0/6/1`; `None` if it is none, or has more than four.
fn numbers(path: impl Iterator<Item = u8>) -> Option<[Option<u16>; 4]> {
    let mut parts: [Option<u16>; 4] = [None; 4];
    let mut at: Option<usize> = None;
    for byte in path {
        if byte == b'/' {
            // A number must stand behind every slash.
            at = Some(match at {
                None => 0,
                Some(at) => parts.get(at)?.map(|_| at + 1)?,
            });
        } else {
            let part = parts.get_mut(at?)?;
            *part = digit(*part, byte)?;
        }
    }
    parts.get(at?)?.map(|_| parts)
}

/// What is written: resources with the names that they have below a base name.
struct Pack<'a, 'b> {
    path: ObjectPath,
    resources: &'a [Resource<'b>],
}

impl<'a, 'b> Pack<'a, 'b> {
    fn new(path: ObjectPath, resources: &'a [Resource<'b>]) -> Result<Self, SenmlError> {
        for resource in resources {
            if path.instance.is_some_and(|instance| instance != resource.instance) {
                return Err(SenmlError::Outside);
            }
            if matches!(resource.value, Value::Float(number) if !number.is_finite()) {
                return Err(SenmlError::NotANumber);
            }
        }
        Ok(Self { path, resources })
    }

    /// `/0/1/`
    fn base(&self) -> Name {
        let object = self.path.object;
        match self.path.instance {
            Some(instance) => Name::new(format_args!("/{object}/{instance}/")),
            None => Name::new(format_args!("/{object}/")),
        }
    }

    /// `5`, or `1/5` below an object; of a resource with many values `6/0`.
    fn name(&self, resource: &Resource<'_>) -> Name {
        let Resource { instance, id, item, .. } = resource;
        match (self.path.instance, item) {
            (Some(_), None) => Name::new(format_args!("{id}")),
            (Some(_), Some(item)) => Name::new(format_args!("{id}/{item}")),
            (None, None) => Name::new(format_args!("{instance}/{id}")),
            (None, Some(item)) => Name::new(format_args!("{instance}/{id}/{item}")),
        }
    }

    /// At least the bytes that it takes, where a text takes `each` for one of its own, and a
    /// record 80 beside its text.
    fn room(&self, each: usize) -> usize {
        let text = |value: &Value<'_>| match value {
            Value::String(text) => text.len(),
            Value::Opaque(bytes) => bytes.len(),
            Value::Untyped(bytes) => bytes.len(),
            _ => 0,
        };
        self.resources.iter().map(|resource| 80 + each * text(&resource.value)).sum::<usize>() + 80
    }
}

/// A name of at most 17 bytes (`65535/65535/65535`) or an Object Link, without a `String`.
struct Name {
    bytes: [u8; 24],
    len: usize,
}

impl Name {
    fn new(text: fmt::Arguments<'_>) -> Self {
        let mut name = Self { bytes: [0; 24], len: 0 };
        name.write_fmt(text).expect("three numbers of 16 bits and three slashes have room");
        name
    }

    /// `66:1`
    fn link(link: ObjectLink) -> Self {
        Self::new(format_args!("{}:{}", link.object, link.instance))
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).expect("only text was written")
    }
}

impl fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
