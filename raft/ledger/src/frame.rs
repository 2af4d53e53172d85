//! The frame of everything the ledger writes: one byte of version, then CBOR.
//!
//! Fields are numbered; a field that a later version adds is optional and comes last, so this
//! version reads what an older one wrote. A frame of an unknown version is damage, not a guess.

use minicbor::{Decode, Encode};

/// The version written today.
const VERSION: u8 = 1;
/// The version of a row of several values; a row of one is as it was when each row held one.
const SEVERAL: u8 = 2;
/// Room for nearly every row.
const ROOM: usize = 512;

/// `value` as bytes.
pub(crate) fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    written(VERSION, value)
}

/// CBOR is written a few bytes at a time: a vector that grows with it is moved again and again, and
/// has up to twice the room in the end, of which many rows wait in memory.
fn written<T: Encode<()> + ?Sized>(version: u8, value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROOM);
    bytes.push(version);
    minicbor::encode(value, &mut bytes).expect("writing to memory does not fail");
    bytes.as_slice().into()
}

/// `values` as the bytes of one row.
pub(crate) fn encode_all<T: Encode<()>>(values: &[T]) -> Vec<u8> {
    if let [value] = values {
        return encode(value);
    }
    written(SEVERAL, values)
}

/// The values in a row of one or several, or nothing if this version cannot read it to the last
/// byte.
pub(crate) fn decode_all<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Option<Vec<T>> {
    match bytes.split_first()? {
        (&SEVERAL, body) => whole(body),
        _ => decode(bytes).map(|value| vec![value]),
    }
}

/// The value in `bytes`, or nothing if this version cannot read it to the last byte.
pub(crate) fn decode<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Option<T> {
    let (&VERSION, body) = bytes.split_first()? else {
        return None;
    };
    whole(body)
}

fn whole<T: for<'b> Decode<'b, ()>>(body: &[u8]) -> Option<T> {
    let mut decoder = minicbor::Decoder::new(body);
    let value = decoder.decode().ok()?;
    (decoder.position() == body.len()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_another_version_and_a_tail() {
        let bytes = encode(&7u32);
        assert_eq!(decode::<u32>(&bytes), Some(7));

        let mut newer = bytes.clone();
        newer[0] = 2;
        let mut tail = bytes;
        tail.push(0);

        assert_eq!(decode::<u32>(&newer), None);
        assert_eq!(decode::<u32>(&tail), None);
        assert_eq!(decode::<u32>(&[]), None);
    }

    #[test]
    fn a_row_of_several_is_read_as_such_and_one_of_one_as_it_was() {
        assert_eq!(encode_all(&[7u32]), encode(&7u32));
        for values in [&[7u32][..], &[], &[7, 8, 9]] {
            assert_eq!(decode_all::<u32>(&encode_all(values)).as_deref(), Some(values));
        }

        let mut tail = encode_all(&[7u32, 8]);
        tail.push(0);

        assert_eq!(decode::<u32>(&encode_all(&[7u32, 8])), None);
        assert_eq!(decode_all::<u32>(&tail), None);
        assert_eq!(decode_all::<u32>(&[3, 1]), None);
    }
}
