//! Hello extensions (RFC 5246 §7.4.1.4): those that we use are read, all others skipped.

use crate::wire::cursor::{Cursor, put_vec8, put_vec16};

const SERVER_NAME: u16 = 0;
const EXTENDED_MASTER_SECRET: u16 = 23;
const CONNECTION_ID: u16 = 54;
const RENEGOTIATION_INFO: u16 = 0xFF01;

/// Most extensions in one hello; a real one has a dozen.
const MAX_EXTENSIONS: usize = 64;

/// The extensions of a hello that mean something here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions<'a> {
    /// The host name (RFC 6066 §3). Only a client's hello has one.
    pub(crate) host_name: Option<&'a [u8]>,
    /// RFC 7627 §5.1.
    pub(crate) extended_master_secret: bool,
    /// The id that the sender wants to be addressed by, perhaps empty (RFC 9146 §3).
    pub(crate) cid: Option<&'a [u8]>,
    /// renegotiated_connection (RFC 5746 §3.2); empty in a first handshake.
    pub(crate) renegotiation: Option<&'a [u8]>,
}

impl<'a> Extensions<'a> {
    /// Reads what follows the compression methods: nothing, or one block to the end. `None` if
    /// it does not parse or an extension occurs twice.
    pub(crate) fn decode(mut cursor: Cursor<'a>) -> Option<Self> {
        let mut extensions = Self::default();
        if cursor.is_empty() {
            return Some(extensions);
        }
        let mut block = Cursor::new(cursor.vec16()?);
        if !cursor.is_empty() {
            return None;
        }
        let mut seen = [0_u16; MAX_EXTENSIONS];
        let mut count = 0;
        while !block.is_empty() {
            let (kind, body) = (block.u16()?, block.vec16()?);
            if seen[..count].contains(&kind) {
                return None;
            }
            *seen.get_mut(count)? = kind;
            count += 1;
            extensions.read(kind, body)?;
        }
        Some(extensions)
    }

    fn read(&mut self, kind: u16, body: &'a [u8]) -> Option<()> {
        match kind {
            SERVER_NAME => self.host_name = host_name(body)?,
            EXTENDED_MASTER_SECRET if body.is_empty() => self.extended_master_secret = true,
            EXTENDED_MASTER_SECRET => return None,
            CONNECTION_ID => self.cid = Some(exact_vec8(body)?),
            RENEGOTIATION_INFO => self.renegotiation = Some(exact_vec8(body)?),
            _ => {}
        }
        Some(())
    }

    /// Appends the block, or nothing if there is no extension. A host name is not written: no
    /// side here sends one. `None` if the connection id exceeds 255 bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        let mut fits = Some(());
        put_vec16(out, |out| {
            if let Some(renegotiation) = self.renegotiation {
                fits = fits.and(put_vec8_extension(out, RENEGOTIATION_INFO, renegotiation));
            }
            if self.extended_master_secret {
                out.extend(EXTENDED_MASTER_SECRET.to_be_bytes());
                out.extend([0, 0]);
            }
            if let Some(cid) = self.cid {
                fits = fits.and(put_vec8_extension(out, CONNECTION_ID, cid));
            }
        })?;
        if out.len() == start + 2 {
            out.truncate(start);
        }
        fits
    }
}

fn put_vec8_extension(out: &mut Vec<u8>, kind: u16, content: &[u8]) -> Option<()> {
    out.extend(kind.to_be_bytes());
    let mut fits = None;
    put_vec16(out, |out| fits = put_vec8(out, content))?;
    fits
}

fn exact_vec8(body: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(body);
    let content = cursor.vec8()?;
    cursor.is_empty().then_some(content)
}

/// The first host_name of a list (name type 0); some clients send an empty extension.
fn host_name(body: &[u8]) -> Option<Option<&[u8]>> {
    if body.is_empty() {
        return Some(None);
    }
    let mut cursor = Cursor::new(body);
    let mut list = Cursor::new(cursor.vec16()?);
    if !cursor.is_empty() {
        return None;
    }
    let mut found = None;
    while !list.is_empty() {
        let (kind, name) = (list.u8()?, list.vec16()?);
        if kind == 0 && found.is_none() {
            found = Some(name);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Option<Extensions<'_>> {
        Extensions::decode(Cursor::new(bytes))
    }

    #[test]
    fn reads_and_writes_the_bytes_of_the_specifications() {
        // RFC 5746 §3.2 (0xFF01, one zero byte), RFC 7627 §5.1 (23, empty), RFC 9146 §3 (54).
        let bytes = [0, 17, 0xFF, 1, 0, 1, 0, 0, 23, 0, 0, 0, 54, 0, 4, 3, 0xA, 0xB, 0xC];

        let extensions = decode(&bytes).expect("well-formed");

        assert_eq!(extensions.renegotiation, Some(&[][..]));
        assert!(extensions.extended_master_secret);
        assert_eq!(extensions.cid, Some(&[0xA, 0xB, 0xC][..]));
        let mut written = Vec::new();
        extensions.encode(&mut written).expect("short enough");
        assert_eq!(written, bytes);
    }

    #[test]
    fn reads_a_host_name() {
        let bytes = [0, 13, 0, 0, 0, 9, 0, 7, 0, 0, 4, b'a', b'.', b'b', b'c'];

        assert_eq!(decode(&bytes).expect("well-formed").host_name, Some(&b"a.bc"[..]));
    }

    #[test]
    fn no_extension_is_no_block() {
        let mut written = Vec::new();

        Extensions::default().encode(&mut written).expect("short enough");

        assert!(written.is_empty());
        assert_eq!(decode(&[]), Some(Extensions::default()));
    }

    #[test]
    fn skips_unknown_extensions() {
        assert_eq!(decode(&[0, 5, 0x12, 0x34, 0, 1, 9]), Some(Extensions::default()));
    }

    #[test]
    fn refuses_duplicates_known_or_not() {
        assert_eq!(decode(&[0, 8, 0, 23, 0, 0, 0, 23, 0, 0]), None);
        assert_eq!(decode(&[0, 8, 0x12, 0x34, 0, 0, 0x12, 0x34, 0, 0]), None);
    }

    #[test]
    fn refuses_a_block_of_one_byte_and_trailing_bytes() {
        assert_eq!(decode(&[0, 1, 0]), None);
        assert_eq!(decode(&[0]), None);
        assert_eq!(decode(&[0, 0, 1]), None);
        assert_eq!(decode(&[0, 6, 0, 54, 0, 2, 5, 1]), None);
    }
}
