//! SenML JSON, Content-Format 110 (RFC 8428 §5, Core §7.4.4).
//!
//! Opaque values are base64 with the URL-safe alphabet; they are written without padding and read
//! with or without it.

use super::{Label, Name, Pack, Reading, Record, SenmlError};
use crate::format::MAX_PAYLOAD;
use crate::resource::{Bytes, ObjectPath, Resource, Value};
use core::fmt;
use data_encoding::{BASE64URL_NOPAD, Encoding};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::borrow::Cow;
use zeroize::Zeroizing;

static BASE64: Encoding = BASE64URL_NOPAD;

/// What one byte of text takes at most: `\u0000`.
const ESCAPED: usize = 6;

/// Writes a payload.
pub fn encode(
    path: ObjectPath,
    resources: &[Resource<'_>],
) -> Result<Zeroizing<Vec<u8>>, SenmlError> {
    let pack = Pack::new(path, resources)?;
    let mut out = Zeroizing::new(Vec::with_capacity(pack.room(ESCAPED)));
    serde_json::to_writer(&mut *out, &pack).map_err(|_| SenmlError::Malformed)?;
    Ok(out)
}

impl Serialize for Pack<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.resources.len()))?;
        for (n, resource) in self.resources.iter().enumerate() {
            list.serialize_element(&Written { pack: self, first: n == 0, resource })?;
        }
        list.end()
    }
}

struct Written<'a, 'b> {
    pack: &'a Pack<'a, 'b>,
    first: bool,
    resource: &'a Resource<'b>,
}

impl Serialize for Written<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if self.first {
            map.serialize_entry("bn", self.pack.base().as_str())?;
        }
        map.serialize_entry("n", self.pack.name(self.resource).as_str())?;
        match &self.resource.value {
            Value::Integer(number) => map.serialize_entry("v", number)?,
            Value::Float(number) => map.serialize_entry("v", number)?,
            Value::Boolean(flag) => map.serialize_entry("vb", flag)?,
            Value::String(text) => map.serialize_entry("vs", text)?,
            Value::Opaque(bytes) => map.serialize_entry("vd", &Shown(data(bytes)))?,
            Value::Untyped(bytes) => map.serialize_entry("vd", &Shown(data(bytes)))?,
            Value::ObjectLink(link) => map.serialize_entry("vlo", Name::link(*link).as_str())?,
        }
        map.end()
    }
}

fn data(bytes: &[u8]) -> impl fmt::Display + '_ {
    BASE64.encode_display(bytes)
}

/// Goes straight into the output, so that no copy of it stays.
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Reads a payload.
pub fn decode(path: ObjectPath, payload: &[u8]) -> Result<Vec<Resource<'_>>, SenmlError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(SenmlError::TooLong);
    }
    let mut reading = Reading::new(path);
    let mut trouble = None;
    let mut json = serde_json::Deserializer::from_slice(payload);
    let list = List { reading: &mut reading, trouble: &mut trouble };
    match list.deserialize(&mut json).and_then(|()| json.end()) {
        Ok(()) => Ok(reading.found),
        Err(_) => Err(trouble.unwrap_or(SenmlError::Malformed)),
    }
}

/// Reads the list; what is wrong beyond JSON is left in `trouble`.
struct List<'r, 'a> {
    reading: &'r mut Reading<'a>,
    trouble: &'r mut Option<SenmlError>,
}

impl<'de> DeserializeSeed<'de> for List<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(record) = list.next_element_seed(OneRecord(self.trouble))? {
            note(self.trouble, self.reading.take(record))?;
        }
        Ok(())
    }
}

/// Keeps the name of what is wrong, which serde's errors would lose.
fn note<T, E: serde::de::Error>(
    trouble: &mut Option<SenmlError>,
    result: Result<T, SenmlError>,
) -> Result<T, E> {
    result.map_err(|error| {
        *trouble = Some(error);
        E::custom(error)
    })
}

struct OneRecord<'r>(&'r mut Option<SenmlError>);

impl<'de> DeserializeSeed<'de> for OneRecord<'_> {
    type Value = Record<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Record<'de>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneRecord<'_> {
    type Value = Record<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record<'de>, A::Error> {
        let mut record = Record::default();
        while let Some(label) = map.next_key_seed(Text)? {
            let label = note(self.0, Label::of_name(&label))?;
            let taken = match label {
                Label::BaseName | Label::Name | Label::Text | Label::Link => {
                    record.text(label, map.next_value_seed(Text)?)
                }
                Label::BaseVersion | Label::Number => {
                    record.number(label, map.next_value_seed(Number)?)
                }
                Label::Boolean => record.boolean(map.next_value()?),
                Label::Data => record.data(map.next_value_seed(Data)?),
                Label::Sum => Err(SenmlError::Unsupported),
                Label::Other => map.next_value::<IgnoredAny>().map(|_| Ok(()))?,
            };
            note(self.0, taken)?;
        }
        Ok(record)
    }
}

struct Text;
struct Number;
struct Data;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cow<'de, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

impl<'de> DeserializeSeed<'de> for Number {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Number {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(i64::try_from(number).map_or(Value::Float(number as f64), Value::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Value::Float(number))
    }
}

impl<'de> DeserializeSeed<'de> for Data {
    type Value = Bytes<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Bytes<'de>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Data {
    type Value = Bytes<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bytes<'de>, E> {
        let bytes = BASE64.decode(text.trim_end_matches('=').as_bytes());
        bytes.map(|bytes| Bytes::Owned(Zeroizing::new(bytes))).map_err(E::custom)
    }
}
