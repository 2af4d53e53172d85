//! OMA TLV, Content-Format 11542 (TS 1.0 §6.4.3, Core §7.4.3).
//!
//! A payload is a row of [`Tlv`]s. They nest in one way only: an Object Instance holds Resources,
//! a Multiple Resource holds Resource Instances; anything else is refused, so depth is bounded
//! by the grammar. What type a value has stands nowhere in the bytes: the object's definition
//! says it, and the reader asks the [`Value`] accordingly.
//!
//! [`decode`] takes ids and lengths in any permitted width; [`encode`] writes the shortest.

mod value;

pub use value::{ObjectLink, Value};

use zeroize::Zeroizing;

/// The longest payload that [`decode`] reads, in bytes.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// The most TLVs in one payload, nested ones included: an empty one has two bytes only.
pub const MAX_ENTRIES: usize = 1024;
/// The longest body that the 24-bit length can state, in bytes.
pub const MAX_BODY: usize = (1 << 24) - 1;

/// One TLV (TS 1.0 §6.4.3, table "TLV format and description").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tlv {
    /// Type 00: an Object Instance; holds `Resource` and `MultipleResource` only.
    ObjectInstance(u16, Vec<Tlv>),
    /// Type 01: one instance of a multiple resource.
    ResourceInstance(u16, Value),
    /// Type 10: a multiple resource; holds `ResourceInstance` only.
    MultipleResource(u16, Vec<Tlv>),
    /// Type 11: a resource with its value.
    Resource(u16, Value),
}

impl Tlv {
    /// The instance or resource id.
    pub const fn id(&self) -> u16 {
        match self {
            Self::ObjectInstance(id, _)
            | Self::ResourceInstance(id, _)
            | Self::MultipleResource(id, _)
            | Self::Resource(id, _) => *id,
        }
    }

    const fn kind(&self) -> Kind {
        match self {
            Self::ObjectInstance(..) => Kind::ObjectInstance,
            Self::ResourceInstance(..) => Kind::ResourceInstance,
            Self::MultipleResource(..) => Kind::MultipleResource,
            Self::Resource(..) => Kind::Resource,
        }
    }

    fn body_len(&self) -> usize {
        match self {
            Self::ObjectInstance(_, inner) | Self::MultipleResource(_, inner) => total_len(inner),
            Self::ResourceInstance(_, value) | Self::Resource(_, value) => value.bytes().len(),
        }
    }
}

/// Why bytes are no TLV payload, or values none that TLV can state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlvError {
    /// The bytes end inside a header or a body.
    #[error("the TLV is cut short")]
    Truncated,
    /// More than [`MAX_PAYLOAD`] bytes in all, or [`MAX_BODY`] in one.
    #[error("the TLV is too long")]
    TooLong,
    /// More than [`MAX_ENTRIES`] of them.
    #[error("there are too many TLVs")]
    TooMany,
    /// A TLV stands inside one that cannot hold it.
    #[error("a TLV stands where its type has no place")]
    Misplaced,
    /// A value has not the shape of the type asked for.
    #[error("the value is not a valid {0}")]
    Value(&'static str),
}

/// Reads a payload. Never panics; bytes that do not end with a whole TLV are refused.
pub fn decode(payload: &[u8]) -> Result<Vec<Tlv>, TlvError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(TlvError::TooLong);
    }
    let mut budget = MAX_ENTRIES;
    decode_row(payload, Within::Payload, &mut budget)
}

/// Writes a payload, every id and length in the fewest bytes.
///
/// The buffer is made at its final size, so growing it leaves no copy of a secret behind.
pub fn encode(entries: &[Tlv]) -> Result<Zeroizing<Vec<u8>>, TlvError> {
    let mut out = Zeroizing::new(Vec::with_capacity(total_len(entries)));
    encode_row(entries, Within::Payload, &mut out)?;
    Ok(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    ObjectInstance = 0b00,
    ResourceInstance = 0b01,
    MultipleResource = 0b10,
    Resource = 0b11,
}

#[derive(Clone, Copy)]
enum Within {
    Payload,
    ObjectInstance,
    MultipleResource,
}

impl Within {
    const fn admits(self, kind: Kind) -> bool {
        match self {
            Self::Payload => true,
            Self::ObjectInstance => matches!(kind, Kind::Resource | Kind::MultipleResource),
            Self::MultipleResource => matches!(kind, Kind::ResourceInstance),
        }
    }
}

fn decode_row(mut bytes: &[u8], within: Within, budget: &mut usize) -> Result<Vec<Tlv>, TlvError> {
    let mut row = Vec::new();
    while !bytes.is_empty() {
        *budget = budget.checked_sub(1).ok_or(TlvError::TooMany)?;
        let (kind, id, body) = split(&mut bytes)?;
        if !within.admits(kind) {
            return Err(TlvError::Misplaced);
        }
        row.push(match kind {
            Kind::ObjectInstance => {
                Tlv::ObjectInstance(id, decode_row(body, Within::ObjectInstance, budget)?)
            }
            Kind::MultipleResource => {
                Tlv::MultipleResource(id, decode_row(body, Within::MultipleResource, budget)?)
            }
            Kind::ResourceInstance => Tlv::ResourceInstance(id, Value::opaque(body)),
            Kind::Resource => Tlv::Resource(id, Value::opaque(body)),
        });
    }
    Ok(row)
}

/// Takes one TLV off the front: its type, id and body.
fn split<'a>(bytes: &mut &'a [u8]) -> Result<(Kind, u16, &'a [u8]), TlvError> {
    let header = number(bytes, 1)?;
    let kind = match header >> 6 {
        0b00 => Kind::ObjectInstance,
        0b01 => Kind::ResourceInstance,
        0b10 => Kind::MultipleResource,
        _ => Kind::Resource,
    };
    let id = number(bytes, if header & 0x20 == 0 { 1 } else { 2 })?;
    let len = match (header >> 3) & 0b11 {
        0 => header & 0b111,
        width => number(bytes, width)?,
    };
    let body = take(bytes, len)?;
    Ok((kind, u16::try_from(id).map_err(|_| TlvError::TooLong)?, body))
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], TlvError> {
    let (head, tail) = bytes.split_at_checked(len).ok_or(TlvError::Truncated)?;
    *bytes = tail;
    Ok(head)
}

fn number(bytes: &mut &[u8], width: usize) -> Result<usize, TlvError> {
    Ok(take(bytes, width)?.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
}

fn encode_row(entries: &[Tlv], within: Within, out: &mut Vec<u8>) -> Result<(), TlvError> {
    for entry in entries {
        if !within.admits(entry.kind()) {
            return Err(TlvError::Misplaced);
        }
        put_header(entry, out)?;
        match entry {
            Tlv::ObjectInstance(_, inner) => encode_row(inner, Within::ObjectInstance, out)?,
            Tlv::MultipleResource(_, inner) => encode_row(inner, Within::MultipleResource, out)?,
            Tlv::ResourceInstance(_, value) | Tlv::Resource(_, value) => {
                out.extend_from_slice(value.bytes());
            }
        }
    }
    Ok(())
}

fn put_header(entry: &Tlv, out: &mut Vec<u8>) -> Result<(), TlvError> {
    let len = entry.body_len();
    if len > MAX_BODY {
        return Err(TlvError::TooLong);
    }
    let width = length_width(len);
    let wide_id = entry.id() > 0xff;
    let inline = if width == 0 { len } else { 0 };
    // `inline` is at most 7 and `width` at most 3, so every part keeps to its own bits.
    out.push(
        (entry.kind() as u8) << 6 | u8::from(wide_id) << 5 | (width as u8) << 3 | inline as u8,
    );
    let id = entry.id().to_be_bytes();
    out.extend_from_slice(if wide_id { &id } else { &id[1..] });
    let len = len.to_be_bytes();
    out.extend_from_slice(&len[len.len() - width..]);
    Ok(())
}

const fn length_width(len: usize) -> usize {
    match len {
        0..=7 => 0,
        8..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 3,
    }
}

fn total_len(entries: &[Tlv]) -> usize {
    let one = |entry: &Tlv| {
        let body = entry.body_len();
        2 + usize::from(entry.id() > 0xff) + length_width(body) + body
    };
    entries.iter().map(one).sum()
}

#[cfg(test)]
mod tests;
