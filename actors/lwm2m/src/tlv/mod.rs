//! OMA TLV, Content-Format 11542 (TS 1.0 §6.4.3, Core §7.4.3).
//!
//! A payload is a row of TLVs. They nest in one way only: an Object Instance holds Resources, a
//! Multiple Resource holds Resource Instances; anything else is refused, so depth is bounded by
//! the grammar. A write to an instance has no Object Instance around its resources, one to an
//! object has. What type a value has stands nowhere in the bytes: it is read as
//! [`Value::Untyped`]. An instance or a multiple resource that is empty leaves no trace.
//!
//! [`decode`] takes ids and lengths in any permitted width; [`encode`] writes the shortest.

use crate::format::{MAX_ENTRIES, MAX_PAYLOAD};
use crate::resource::{ObjectPath, Resource, Value};
use zeroize::Zeroizing;

/// The longest body that the 24-bit length can state, in bytes.
pub const MAX_BODY: usize = (1 << 24) - 1;

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
    /// A TLV stands where its type has no place, or a resource is of another instance.
    #[error("a TLV stands where its type has no place")]
    Misplaced,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    ObjectInstance = 0b00,
    ResourceInstance = 0b01,
    MultipleResource = 0b10,
    Resource = 0b11,
}

/// Reads a payload. Bytes that do not end with a whole TLV are refused.
pub fn decode(path: ObjectPath, payload: &[u8]) -> Result<Vec<Resource<'_>>, TlvError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(TlvError::TooLong);
    }
    let mut row = Row { rest: payload, budget: MAX_ENTRIES };
    let mut found = Vec::new();
    if let Some(instance) = path.instance {
        row.resources(instance, &mut found)?;
        return Ok(found);
    }
    while let Some((kind, instance, body)) = row.next()? {
        if kind != Kind::ObjectInstance {
            return Err(TlvError::Misplaced);
        }
        let mut inner = Row { rest: body, ..row };
        inner.resources(instance, &mut found)?;
        row.budget = inner.budget;
    }
    Ok(found)
}

/// What is left of a row, and how many TLVs may still come.
struct Row<'a> {
    rest: &'a [u8],
    budget: usize,
}

/// The type, id and body of one TLV.
type Front<'a> = (Kind, u16, &'a [u8]);

impl<'a> Row<'a> {
    fn resources(&mut self, instance: u16, found: &mut Vec<Resource<'a>>) -> Result<(), TlvError> {
        while let Some((kind, id, body)) = self.next()? {
            match kind {
                Kind::Resource => found.push(Resource::new(instance, id, Value::Untyped(body))),
                Kind::MultipleResource => {
                    let mut items = Row { rest: body, budget: self.budget };
                    items.items(instance, id, found)?;
                    self.budget = items.budget;
                }
                Kind::ObjectInstance | Kind::ResourceInstance => return Err(TlvError::Misplaced),
            }
        }
        Ok(())
    }

    fn items(
        &mut self,
        instance: u16,
        id: u16,
        found: &mut Vec<Resource<'a>>,
    ) -> Result<(), TlvError> {
        while let Some((kind, item, body)) = self.next()? {
            if kind != Kind::ResourceInstance {
                return Err(TlvError::Misplaced);
            }
            found.push(Resource { instance, id, item: Some(item), value: Value::Untyped(body) });
        }
        Ok(())
    }

    /// Takes one TLV off the front: its type, id and body.
    fn next(&mut self) -> Result<Option<Front<'a>>, TlvError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.budget = self.budget.checked_sub(1).ok_or(TlvError::TooMany)?;
        let header = self.number(1)?;
        let kind = match header >> 6 {
            0b00 => Kind::ObjectInstance,
            0b01 => Kind::ResourceInstance,
            0b10 => Kind::MultipleResource,
            _ => Kind::Resource,
        };
        let id = self.number(if header & 0x20 == 0 { 1 } else { 2 })?;
        let len = match (header >> 3) & 0b11 {
            0 => header & 0b111,
            width => self.number(width)?,
        };
        let body = self.take(len)?;
        Ok(Some((kind, u16::try_from(id).map_err(|_| TlvError::TooLong)?, body)))
    }

    fn number(&mut self, width: usize) -> Result<usize, TlvError> {
        Ok(self.take(width)?.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], TlvError> {
        let (head, tail) = self.rest.split_at_checked(len).ok_or(TlvError::Truncated)?;
        self.rest = tail;
        Ok(head)
    }
}

/// Writes a payload, every id and length in the fewest bytes.
///
/// The buffer is made at its final size, so growing it leaves no copy of a secret behind.
pub fn encode(
    path: ObjectPath,
    resources: &[Resource<'_>],
) -> Result<Zeroizing<Vec<u8>>, TlvError> {
    let mut out = Zeroizing::default();
    if let Some(instance) = path.instance {
        if resources.iter().any(|resource| resource.instance != instance) {
            return Err(TlvError::Misplaced);
        }
        *out = Vec::with_capacity(row_len(resources));
        put_row(resources, &mut out)?;
        return Ok(out);
    }
    let instances = || resources.chunk_by(|a, b| a.instance == b.instance);
    *out =
        Vec::with_capacity(instances().map(|row| with_header(row[0].instance, row_len(row))).sum());
    for row in instances() {
        put_header(Kind::ObjectInstance, row[0].instance, row_len(row), &mut out)?;
        put_row(row, &mut out)?;
    }
    Ok(out)
}

/// Resources of one instance, cut into those with one value and the multiple ones.
fn groups<'a, 'b>(row: &'a [Resource<'b>]) -> impl Iterator<Item = &'a [Resource<'b>]> {
    row.chunk_by(|a, b| a.id == b.id && a.item.is_some() && b.item.is_some())
}

fn put_row(row: &[Resource<'_>], out: &mut Vec<u8>) -> Result<(), TlvError> {
    for group in groups(row) {
        if group[0].item.is_some() {
            put_header(Kind::MultipleResource, group[0].id, items_len(group), out)?;
        }
        for resource in group {
            let body = Body::of(&resource.value);
            let (kind, id) = match resource.item {
                Some(item) => (Kind::ResourceInstance, item),
                None => (Kind::Resource, resource.id),
            };
            put_header(kind, id, body.len(), out)?;
            out.extend_from_slice(&body);
        }
    }
    Ok(())
}

fn put_header(kind: Kind, id: u16, len: usize, out: &mut Vec<u8>) -> Result<(), TlvError> {
    if len > MAX_BODY {
        return Err(TlvError::TooLong);
    }
    let width = length_width(len);
    let wide_id = id > 0xff;
    let inline = if width == 0 { len } else { 0 };
    // `inline` is at most 7 and `width` at most 3, so every part keeps to its own bits.
    out.push((kind as u8) << 6 | u8::from(wide_id) << 5 | (width as u8) << 3 | inline as u8);
    let id = id.to_be_bytes();
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

fn with_header(id: u16, len: usize) -> usize {
    2 + usize::from(id > 0xff) + length_width(len) + len
}

fn row_len(row: &[Resource<'_>]) -> usize {
    let group_len = |group: &[Resource<'_>]| match group {
        [one] if one.item.is_none() => with_header(one.id, Body::of(&one.value).len()),
        items => with_header(items[0].id, items_len(items)),
    };
    groups(row).map(group_len).sum()
}

fn items_len(items: &[Resource<'_>]) -> usize {
    let item_len = |item: &Resource<'_>| {
        with_header(item.item.unwrap_or_default(), Body::of(&item.value).len())
    };
    items.iter().map(item_len).sum()
}

/// A value's bytes.
enum Body<'a> {
    Small([u8; 8], usize),
    Slice(&'a [u8]),
}

impl<'a> Body<'a> {
    fn of(value: &'a Value<'_>) -> Self {
        match value {
            Value::Integer(number) => Self::integer(*number),
            // 32 bits where they say the same.
            Value::Float(number) if f64::from(*number as f32) == *number => {
                Self::small((*number as f32).to_be_bytes())
            }
            Value::Float(number) => Self::small(number.to_be_bytes()),
            Value::Boolean(flag) => Self::small([u8::from(*flag)]),
            Value::ObjectLink(link) => {
                let [[a, b], [c, d]] = [link.object, link.instance].map(u16::to_be_bytes);
                Self::small([a, b, c, d])
            }
            Value::String(text) => Self::Slice(text.as_bytes()),
            Value::Opaque(bytes) => Self::Slice(bytes),
            Value::Untyped(bytes) => Self::Slice(bytes),
        }
    }

    /// Signed, in the fewest of 1, 2, 4 or 8 bytes.
    fn integer(number: i64) -> Self {
        if let Ok(n) = i8::try_from(number) {
            Self::small(n.to_be_bytes())
        } else if let Ok(n) = i16::try_from(number) {
            Self::small(n.to_be_bytes())
        } else if let Ok(n) = i32::try_from(number) {
            Self::small(n.to_be_bytes())
        } else {
            Self::small(number.to_be_bytes())
        }
    }

    fn small<const N: usize>(bytes: [u8; N]) -> Self {
        let mut all = [0; 8];
        all[..N].copy_from_slice(&bytes);
        Self::Small(all, N)
    }
}

impl core::ops::Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Small(bytes, len) => &bytes[..*len],
            Self::Slice(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests;
