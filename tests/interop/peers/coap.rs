//! As much of CoAP as a peer needs that speaks nothing else.

/// A confirmable GET of the root, with message id 1 and no token.
pub(crate) const GET: [u8; 4] = [0x40, 0x01, 0x00, 0x01];

/// The answer to a confirmable GET, its payload [`WORDS`]; nothing to anything else.
pub(crate) fn answer(message: &[u8]) -> Option<Vec<u8>> {
    let [first, 0x01, id @ ..] = message else { return None };
    let (id, rest) = id.split_first_chunk::<2>()?;
    let token = usize::from(first & 0x0F);
    if first & 0xF0 != 0x40 || token > 8 {
        return None;
    }
    let acknowledgement = [0x60 | first & 0x0F, 0x45, id[0], id[1]];
    Some([&acknowledgement, rest.get(..token)?, &[0xFF], WORDS.as_bytes()].concat())
}

/// What a peer hears.
pub(crate) const WORDS: &str = "ANSWERED BY COAP";

/// Whether this is a piggybacked 2.05 to [`GET`].
pub(crate) fn is_content(message: &[u8]) -> bool {
    message.starts_with(&[0x60, 0x45, 0x00, 0x01])
}
