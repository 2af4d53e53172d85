//! SenML CBOR, Content-Format 112 (RFC 8428 §6, Core §7.4.5).

use super::{Label, Name, Pack, Reading, Record, SenmlError};
use crate::format::MAX_PAYLOAD;
use crate::resource::{Bytes, ObjectPath, Resource, Value};
use minicbor::data::Type;
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};
use std::borrow::Cow;
use zeroize::Zeroizing;

const BASE_NAME: i8 = -2;
const NAME: u8 = 0;
const NUMBER: u8 = 2;
const TEXT: u8 = 3;
const BOOLEAN: u8 = 4;
const DATA: u8 = 8;
const LINK: &str = "vlo";

/// A decimal fraction (RFC 8949 §3.4.4).
const DECIMAL: u64 = 4;

/// Writes a payload.
pub fn encode(
    path: ObjectPath,
    resources: &[Resource<'_>],
) -> Result<Zeroizing<Vec<u8>>, SenmlError> {
    let pack = Pack::new(path, resources)?;
    let mut out = Zeroizing::new(Vec::with_capacity(pack.room(1)));
    write(&pack, &mut Encoder::new(&mut *out)).map_err(|_| SenmlError::Malformed)?;
    Ok(out)
}

type Written<T> = Result<T, minicbor::encode::Error<core::convert::Infallible>>;

fn write(pack: &Pack<'_, '_>, out: &mut Encoder<&mut Vec<u8>>) -> Written<()> {
    out.array(pack.resources.len() as u64)?;
    for (n, resource) in pack.resources.iter().enumerate() {
        out.map(if n == 0 { 3 } else { 2 })?;
        if n == 0 {
            out.i8(BASE_NAME)?.str(pack.base().as_str())?;
        }
        out.u8(NAME)?.str(pack.name(resource).as_str())?;
        match &resource.value {
            Value::Integer(number) => out.u8(NUMBER)?.i64(*number)?,
            Value::Float(number) => out.u8(NUMBER)?.f64(*number)?,
            Value::Boolean(flag) => out.u8(BOOLEAN)?.bool(*flag)?,
            Value::String(text) => out.u8(TEXT)?.str(text)?,
            Value::Opaque(bytes) => out.u8(DATA)?.bytes(bytes)?,
            Value::Untyped(bytes) => out.u8(DATA)?.bytes(bytes)?,
            Value::ObjectLink(link) => out.str(LINK)?.str(Name::link(*link).as_str())?,
        };
    }
    Ok(())
}

/// Reads a payload.
pub fn decode(path: ObjectPath, payload: &[u8]) -> Result<Vec<Resource<'_>>, SenmlError> {
    if payload.len() > MAX_PAYLOAD {
        return Err(SenmlError::TooLong);
    }
    let mut reading = Reading::new(path);
    let mut cbor = Decoder::new(payload);
    let mut left = cbor.array()?;
    while more(&mut cbor, &mut left)? {
        reading.take(record(&mut cbor)?)?;
    }
    match cbor.position() == payload.len() {
        true => Ok(reading.found),
        false => Err(SenmlError::Malformed),
    }
}

impl From<Error> for SenmlError {
    fn from(_: Error) -> Self {
        Self::Malformed
    }
}

/// True if an array or map goes on: `left` of its entries, or until a break.
fn more(cbor: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, Error> {
    match left {
        Some(0) => Ok(false),
        Some(left) => {
            *left -= 1;
            Ok(true)
        }
        None if cbor.datatype()? == Type::Break => cbor.skip().map(|()| false),
        None => Ok(true),
    }
}

fn record<'a>(cbor: &mut Decoder<'a>) -> Result<Record<'a>, SenmlError> {
    let mut record = Record::default();
    let mut left = cbor.map()?;
    while more(cbor, &mut left)? {
        let label = label(cbor)?;
        match label {
            Label::BaseName | Label::Name | Label::Text | Label::Link => {
                record.text(label, text(cbor)?)?;
            }
            Label::BaseVersion | Label::Number => record.number(label, number(cbor)?)?,
            Label::Boolean => record.boolean(cbor.bool()?)?,
            Label::Data => record.data(bytes(cbor)?)?,
            Label::Sum => return Err(SenmlError::Unsupported),
            Label::Other => cbor.skip()?,
        }
    }
    Ok(record)
}

fn label(cbor: &mut Decoder<'_>) -> Result<Label, SenmlError> {
    match cbor.datatype()? {
        Type::String | Type::StringIndef => match Label::of_name(&text(cbor)?)? {
            label @ (Label::Link | Label::Other) => Ok(label),
            // Those that have a number must use it (RFC 8428 §6).
            _ => Err(SenmlError::Malformed),
        },
        _ => Ok(Label::of_number(cbor.i64()?)),
    }
}

fn text<'a>(cbor: &mut Decoder<'a>) -> Result<Cow<'a, str>, Error> {
    if cbor.datatype()? == Type::String {
        return cbor.str().map(Cow::Borrowed);
    }
    let parts: Result<String, Error> = cbor.str_iter()?.collect();
    parts.map(Cow::Owned)
}

fn bytes<'a>(cbor: &mut Decoder<'a>) -> Result<Bytes<'a>, Error> {
    if cbor.datatype()? == Type::Bytes {
        return cbor.bytes().map(Bytes::Borrowed);
    }
    // At its final size at once, so that no copy of a secret stays behind.
    let length: Result<usize, Error> =
        cbor.probe().bytes_iter()?.map(|part| part.map(<[u8]>::len)).sum();
    let mut whole = Zeroizing::new(Vec::with_capacity(length?));
    for part in cbor.bytes_iter()? {
        whole.extend_from_slice(part?);
    }
    Ok(Bytes::Owned(whole))
}

fn number<'a>(cbor: &mut Decoder<'_>) -> Result<Value<'a>, Error> {
    Ok(match cbor.datatype()? {
        Type::F16 | Type::F32 | Type::F64 => Value::Float(cbor.f64()?),
        Type::Tag => Value::Float(decimal(cbor)?),
        _ => {
            let number = i128::from(cbor.int()?);
            i64::try_from(number).map_or(Value::Float(number as f64), Value::Integer)
        }
    })
}

/// `4([exponent, mantissa])`
fn decimal(cbor: &mut Decoder<'_>) -> Result<f64, Error> {
    if cbor.tag()?.as_u64() != DECIMAL || cbor.array()? != Some(2) {
        return Err(Error::message("no decimal fraction"));
    }
    let (exponent, mantissa) = (cbor.i32()?, cbor.i64()?);
    Ok(mantissa as f64 * 10_f64.powi(exponent))
}
