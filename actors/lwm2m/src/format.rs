//! The formats that resources are written and read in, by their Content-Format.

use crate::content_format;
use crate::resource::{ObjectPath, Resource};
use crate::senml::{self, SenmlError};
use crate::tlv::{self, TlvError};
use zeroize::Zeroizing;

/// The longest payload that is read, in bytes.
pub const MAX_PAYLOAD: usize = 64 * 1024;
/// The most entries in a payload that is read: records of SenML; TLVs, nested ones included.
pub const MAX_ENTRIES: usize = 1024;

/// A format that resources are written in; what `pct` may name (Core §6.1.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 11542
    Tlv,
    /// 110
    SenmlJson,
    /// 112
    SenmlCbor,
}

/// Why a payload is not in its format, or values cannot be written in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// In TLV.
    #[error(transparent)]
    Tlv(#[from] TlvError),
    /// In SenML.
    #[error(transparent)]
    Senml(#[from] SenmlError),
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Tlv, Self::SenmlJson, Self::SenmlCbor];

    /// The Content-Format's number.
    pub const fn number(self) -> u16 {
        match self {
            Self::Tlv => content_format::TLV,
            Self::SenmlJson => content_format::SENML_JSON,
            Self::SenmlCbor => content_format::SENML_CBOR,
        }
    }

    /// The format of a number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.number() == number)
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tlv => "TLV",
            Self::SenmlJson => "SenML JSON",
            Self::SenmlCbor => "SenML CBOR",
        }
    }

    /// Writes the payload of a write to `path`. Resources come in the order of their instances
    /// and ids; where the path names an instance, all are of that one.
    ///
    /// The buffer is made large enough, so growing it leaves no copy of a secret behind.
    pub fn encode(
        self,
        path: ObjectPath,
        resources: &[Resource<'_>],
    ) -> Result<Zeroizing<Vec<u8>>, FormatError> {
        Ok(match self {
            Self::Tlv => tlv::encode(path, resources)?,
            Self::SenmlJson => senml::json::encode(path, resources)?,
            Self::SenmlCbor => senml::cbor::encode(path, resources)?,
        })
    }

    /// Reads the payload of a write to `path`, or of the answer to a read of it. Never panics.
    pub fn decode(
        self,
        path: ObjectPath,
        payload: &[u8],
    ) -> Result<Vec<Resource<'_>>, FormatError> {
        Ok(match self {
            Self::Tlv => tlv::decode(path, payload)?,
            Self::SenmlJson => senml::json::decode(path, payload)?,
            Self::SenmlCbor => senml::cbor::decode(path, payload)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{ObjectLink, Value};
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value<'static>> {
        let float = prop::num::f64::NORMAL | prop::num::f64::NEGATIVE | prop::num::f64::POSITIVE;
        prop_oneof![
            any::<i64>().prop_map(Value::Integer),
            (-300_i64..300).prop_map(Value::Integer),
            float.prop_map(Value::Float),
            any::<bool>().prop_map(Value::Boolean),
            ".{0,40}".prop_map(|text: String| Value::String(text.into())),
            prop::collection::vec(any::<u8>(), 0..300)
                .prop_map(|bytes| { Value::Opaque(crate::Bytes::Owned(Zeroizing::new(bytes))) }),
            (any::<u16>(), any::<u16>())
                .prop_map(|(object, instance)| Value::ObjectLink(ObjectLink { object, instance })),
        ]
    }

    /// Resources in the order of instance and id; some have one value, some several.
    fn any_resources(of_object: bool) -> impl Strategy<Value = Vec<Resource<'static>>> {
        let row = prop::collection::btree_map(
            (if of_object { 0..4_u16 } else { 7..8 }, any::<u16>()),
            prop_oneof![
                any_value().prop_map(|value| vec![(None, value)]),
                prop::collection::btree_map(any::<u16>(), any_value(), 1..4)
                    .prop_map(|items| items.into_iter().map(|(n, v)| (Some(n), v)).collect()),
            ],
            0..6,
        );
        row.prop_map(|row| {
            let flat = |((instance, id), items): ((u16, u16), Vec<_>)| {
                items.into_iter().map(move |(item, value)| Resource { instance, id, item, value })
            };
            row.into_iter().flat_map(flat).collect()
        })
    }

    fn read_as(like: &Value<'_>, found: &Value<'_>) -> bool {
        match like {
            Value::Integer(number) => found.as_integer() == Ok(*number),
            // serde_json reads a decimal fraction within one unit of the last place.
            Value::Float(number) => {
                found.as_float().is_ok_and(|read| (read - number).abs() <= number.abs() * 1e-15)
            }
            Value::Boolean(flag) => found.as_bool() == Ok(*flag),
            Value::String(text) => found.as_str() == Ok(text),
            Value::Opaque(bytes) => found.as_opaque() == Ok(bytes),
            Value::ObjectLink(link) => found.as_object_link() == Ok(*link),
            Value::Untyped(_) => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_in_any_format_is_read_again(
            of_object: bool,
            (in_object, in_instance) in (any_resources(true), any_resources(false)),
        ) {
            let (path, resources) = match of_object {
                true => (ObjectPath { object: 9, instance: None }, in_object),
                false => (ObjectPath::of_instance(9, 7), in_instance),
            };
            for format in Format::ALL {
                let payload = format.encode(path, &resources).expect("within the limits");
                let read = format.decode(path, &payload).expect("it was just written");

                prop_assert_eq!(read.len(), resources.len());
                for (wrote, read) in resources.iter().zip(&read) {
                    let place = |r: &Resource<'_>| (r.instance, r.id, r.item);
                    prop_assert_eq!(place(wrote), place(read), "{:?}", format);
                    prop_assert!(read_as(&wrote.value, &read.value), "{:?} {:?}", format, wrote);
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(
            noise in prop::collection::vec(any::<u8>(), 0..80),
            at in any::<prop::sample::Index>(),
            to: u8,
        ) {
            let path = ObjectPath::of_instance(0, 1);
            let resources = [
                Resource::new(1, 0, Value::string("coaps://a")),
                Resource::new(1, 1, Value::Boolean(false)),
                Resource::new(1, 5, Value::opaque(b"secret")),
                Resource::new(1, 10, Value::Integer(123)),
            ];
            for format in Format::ALL {
                let mut payload = format.encode(path, &resources).expect("within the limits");
                let at = at.index(payload.len());
                payload[at] = to;
                let _ = format.decode(path, &payload);
                let _ = format.decode(path, &payload[..at]);
                let _ = format.decode(path, &noise);
            }
        }
    }
}
