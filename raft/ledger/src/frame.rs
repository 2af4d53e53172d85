//! The frame of everything the ledger writes: one byte of version, then CBOR.
//!
//! Fields are numbered; a field that a later version adds is optional and comes last, so this
//! version reads what an older one wrote. A frame of an unknown version is damage, not a guess.

use minicbor::{Decode, Encode};

/// The version written today.
const VERSION: u8 = 1;

/// `value` as bytes.
pub(crate) fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    minicbor::encode(value, &mut bytes).expect("writing to memory does not fail");
    bytes
}

/// The value in `bytes`, or nothing if this version cannot read it to the last byte.
pub(crate) fn decode<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Option<T> {
    let (&VERSION, body) = bytes.split_first()? else {
        return None;
    };
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
}
