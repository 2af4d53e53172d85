//! The Java Object Serialization Stream Protocol, as far as data needs it (Java Object
//! Serialization Specification §6).
//!
//! [`read`] gives the one object of a stream as plain values. No class is known here and nothing is
//! run: names, numbers and bytes are data. Nothing is allocated beyond what the stream really has,
//! and of that no more than [`VALUES`]. Nesting is bounded, also where a value is put into another by
//! a reference to it, and an object that contains itself is cut there.

use std::collections::BTreeMap;
use std::rc::Rc;
use zeroize::Zeroizing;

/// How deep values may be nested.
const DEPTH: u32 = 32;
/// How many values and fields there may be: those of more than a million devices.
const VALUES: u32 = 1 << 24;
/// The first handle (§6.4.2, `baseWireHandle`).
const FIRST: u32 = 0x7E_0000;

/// A value of a stream.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Text(Rc<str>),
    Bytes(Rc<Zeroizing<Vec<u8>>>),
    /// Values, and how deep they are nested.
    List(Rc<Vec<Value>>, u32),
    Object(Rc<Object>),
    /// A number, an enum's constant, a class: nothing that anybody here asks for.
    Other,
}

/// An object: its class's name, and its fields by their names, those of its superclasses too.
pub(super) struct Object {
    pub(super) class: Rc<str>,
    pub(super) fields: BTreeMap<Rc<str>, Value>,
    /// How deep values are nested in it.
    height: u32,
}

impl Value {
    /// How deep values are nested in it.
    fn height(&self) -> u32 {
        match self {
            Self::List(_, height) => *height,
            Self::Object(object) => object.height,
            _ => 0,
        }
    }
}

/// Why a stream cannot be read: what is wrong, and the byte where it was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str, pub(super) usize);

struct Class {
    name: Rc<str>,
    flags: u8,
    fields: Vec<(u8, Rc<str>)>,
    superclass: Option<Rc<Class>>,
    /// How many classes it is below.
    height: u32,
}

const WRITE_METHOD: u8 = 1;
const SERIALIZABLE: u8 = 2;
const EXTERNALIZABLE: u8 = 4;
const BLOCK_DATA: u8 = 8;

#[derive(Clone)]
enum Handle {
    Class(Rc<Class>),
    Value(Value),
}

/// The object of a stream, which must be all that it has.
///
/// # Errors
/// [`Malformed`]; nothing of the stream is quoted.
pub(super) fn read(bytes: &[u8]) -> Result<Value, Malformed> {
    read_at_most(VALUES, bytes)
}

fn read_at_most(values: u32, bytes: &[u8]) -> Result<Value, Malformed> {
    let mut reader = Reader { bytes, at: 0, handles: Vec::new(), depth: 0, values };
    if reader.take(4).ok() != Some(&[0xAC, 0xED, 0, 5]) {
        return Err(Malformed("it is not a stream of serialized Java objects", 0));
    }
    let value = reader.content()?;
    match reader.at == bytes.len() {
        true => Ok(value),
        false => reader.err("something follows the object"),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    handles: Vec<Handle>,
    depth: u32,
    /// How many values may still come.
    values: u32,
}

impl<'a> Reader<'a> {
    fn err<T>(&self, words: &'static str) -> Result<T, Malformed> {
        Err(Malformed(words, self.at))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(taken) = rest.get(..length) else { return self.err("it is cut off") };
        self.at += length;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self, width: usize) -> Result<usize, Malformed> {
        let bytes = self.take(width)?.iter();
        let number = bytes.fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
        usize::try_from(number).or_else(|_| self.err("a length is out of reach"))
    }

    /// Modified UTF-8 after its length.
    fn text(&mut self, width: usize) -> Result<Rc<str>, Malformed> {
        let length = self.number(width)?;
        let bytes = self.take(length)?;
        match modified_utf8(bytes) {
            Some(text) => Ok(text.into()),
            None => self.err("a text is not modified UTF-8"),
        }
    }

    /// Takes one value from those that may come.
    fn count(&mut self) -> Result<(), Malformed> {
        match self.values.checked_sub(1) {
            Some(left) => {
                self.values = left;
                Ok(())
            }
            None => self.err("it has too many values"),
        }
    }

    /// The height of what holds things of these heights.
    fn above(&self, heights: impl Iterator<Item = u32>) -> Result<u32, Malformed> {
        match heights.max().map_or(0, |height| height + 1) {
            height if height > DEPTH => self.err("it is nested too deeply"),
            height => Ok(height),
        }
    }

    fn hold(&mut self, handle: Handle) -> usize {
        self.handles.push(handle);
        self.handles.len() - 1
    }

    fn held(&mut self) -> Result<Handle, Malformed> {
        let handle = u32::try_from(self.number(4)?).ok().and_then(|it| it.checked_sub(FIRST));
        let place = handle.and_then(|handle| usize::try_from(handle).ok());
        match place.and_then(|place| self.handles.get(place)) {
            Some(handle) => Ok(handle.clone()),
            None => self.err("it refers to what it does not have"),
        }
    }

    fn content(&mut self) -> Result<Value, Malformed> {
        self.count()?;
        self.depth += 1;
        if self.depth > DEPTH {
            return self.err("it is nested too deeply");
        }
        let value = match self.byte()? {
            0x70 => Value::Null,
            0x71 => match self.held()? {
                Handle::Value(value) => value,
                Handle::Class(_) => Value::Other,
            },
            0x73 => self.object()?,
            0x74 => self.string(2)?,
            0x7C => self.string(8)?,
            0x75 => self.array()?,
            0x7E => {
                self.class()?;
                self.hold(Handle::Value(Value::Other));
                self.content()?;
                Value::Other
            }
            0x76 => {
                self.class()?;
                self.hold(Handle::Value(Value::Other));
                Value::Other
            }
            _ => return self.err("something of a kind that is not read here"),
        };
        self.depth -= 1;
        Ok(value)
    }

    fn string(&mut self, width: usize) -> Result<Value, Malformed> {
        let text = Value::Text(self.text(width)?);
        self.hold(Handle::Value(text.clone()));
        Ok(text)
    }

    /// A class's description (§6.4.2, `classDesc`), none for null.
    fn class(&mut self) -> Result<Option<Rc<Class>>, Malformed> {
        match self.byte()? {
            0x70 => Ok(None),
            0x71 => match self.held()? {
                Handle::Class(class) => Ok(Some(class)),
                Handle::Value(_) => self.err("it refers to a value where a class should stand"),
            },
            0x72 => self.new_class().map(Some),
            _ => self.err("a class of a kind that is not read here"),
        }
    }

    fn new_class(&mut self) -> Result<Rc<Class>, Malformed> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.err("its classes are nested too deeply");
        }
        let name = self.text(2)?;
        self.take(8)?;
        let place = self.hold(Handle::Value(Value::Other));
        let flags = self.byte()?;
        let mut fields = Vec::new();
        for _ in 0..self.number(2)? {
            self.count()?;
            let kind = self.byte()?;
            fields.push((kind, self.text(2)?));
            if matches!(kind, b'L' | b'[') {
                self.content()?;
            }
        }
        self.annotation()?;
        let superclass = self.class()?;
        let height = self.above(superclass.iter().map(|class| class.height))?;
        let class = Rc::new(Class { name, flags, fields, superclass, height });
        self.handles[place] = Handle::Class(class.clone());
        self.depth -= 1;
        Ok(class)
    }

    /// What a class's own method wrote, up to its end; none of it is kept.
    fn annotation(&mut self) -> Result<(), Malformed> {
        loop {
            match self.bytes.get(self.at) {
                Some(0x78) => return self.byte().map(drop),
                Some(0x77) => {
                    self.byte()?;
                    let length = self.number(1)?;
                    self.take(length)?;
                }
                Some(0x7A) => {
                    self.byte()?;
                    let length = self.number(4)?;
                    self.take(length)?;
                }
                _ => {
                    self.content()?;
                }
            }
        }
    }

    fn object(&mut self) -> Result<Value, Malformed> {
        let Some(class) = self.class()? else { return self.err("an object without a class") };
        // Whatever refers to the object before it is whole gets this.
        let place = self.hold(Handle::Value(Value::Other));
        let mut line = vec![class.clone()];
        while let Some(above) = line.last().and_then(|class| class.superclass.clone()) {
            line.push(above);
        }
        let mut fields = BTreeMap::new();
        for class in line.iter().rev() {
            if class.flags & SERIALIZABLE != 0 {
                for (kind, name) in &class.fields {
                    fields.insert(name.clone(), self.value(*kind)?);
                }
                if class.flags & WRITE_METHOD != 0 {
                    self.annotation()?;
                }
            } else if class.flags & EXTERNALIZABLE != 0 {
                if class.flags & BLOCK_DATA == 0 {
                    return self.err("an object of a form that only its class can read");
                }
                self.annotation()?;
            }
        }
        let height = self.above(fields.values().map(Value::height))?;
        let object = Value::Object(Rc::new(Object { class: class.name.clone(), fields, height }));
        self.handles[place] = Handle::Value(object.clone());
        Ok(object)
    }

    fn array(&mut self) -> Result<Value, Malformed> {
        let Some(class) = self.class()? else { return self.err("an array without a class") };
        let place = self.hold(Handle::Value(Value::Other));
        let length = self.number(4)?;
        let array = match class.name.as_bytes() {
            b"[B" => Value::Bytes(Rc::new(Zeroizing::new(self.take(length)?.to_vec()))),
            [b'[', kind @ (b'L' | b'['), ..] => {
                let mut list = Vec::new();
                for _ in 0..length {
                    list.push(self.value(*kind)?);
                }
                let height = self.above(list.iter().map(Value::height))?;
                Value::List(Rc::new(list), height)
            }
            [b'[', kind] => {
                let length = self.width(*kind)?.checked_mul(length);
                let Some(length) = length else { return self.err("a length is out of reach") };
                self.take(length)?;
                Value::Other
            }
            _ => return self.err("an array of a kind that is not read here"),
        };
        self.handles[place] = Handle::Value(array.clone());
        Ok(array)
    }

    /// A field's or an element's value, by the letter of its type.
    fn value(&mut self, kind: u8) -> Result<Value, Malformed> {
        if matches!(kind, b'L' | b'[') {
            return self.content();
        }
        self.count()?;
        let width = self.width(kind)?;
        let bytes = self.take(width)?;
        Ok(if kind == b'Z' { Value::Bool(bytes != [0]) } else { Value::Other })
    }

    /// How many bytes a value of a primitive type has.
    fn width(&self, kind: u8) -> Result<usize, Malformed> {
        match kind {
            b'Z' | b'B' => Ok(1),
            b'C' | b'S' => Ok(2),
            b'I' | b'F' => Ok(4),
            b'J' | b'D' => Ok(8),
            _ => self.err("a value of a kind that is not known"),
        }
    }
}

/// UTF-8 in which NUL has two bytes, and what is beyond the first plane is a pair of surrogates.
fn modified_utf8(bytes: &[u8]) -> Option<String> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let low = |byte: u8| (byte & 0xC0 == 0x80).then_some(u16::from(byte & 0x3F));
        rest = match *rest {
            [] => return String::from_utf16(&units).ok(),
            [a @ 0..0x80, ref rest @ ..] => {
                units.push(u16::from(a));
                rest
            }
            [a @ 0xC0..0xE0, b, ref rest @ ..] => {
                units.push((u16::from(a & 0x1F) << 6) | low(b)?);
                rest
            }
            [a @ 0xE0..0xF0, b, c, ref rest @ ..] => {
                units.push((u16::from(a & 0xF) << 12) | (low(b)? << 6) | low(c)?);
                rest
            }
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests;
