//! Hello extensions (RFC 5246 §7.4.1.4): those that we use are read, all others skipped.

use crate::curves::CertificateType;
use crate::wire::cursor::{Cursor, put_vec8, put_vec16};

const SERVER_NAME: u16 = 0;
const MAX_FRAGMENT_LENGTH: u16 = 1;
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const CLIENT_CERTIFICATE_TYPE: u16 = 19;
const SERVER_CERTIFICATE_TYPE: u16 = 20;
const ENCRYPT_THEN_MAC: u16 = 22;
const EXTENDED_MASTER_SECRET: u16 = 23;
const RECORD_SIZE_LIMIT: u16 = 28;
const SESSION_TICKET: u16 = 35;
const CONNECTION_ID: u16 = 54;
const RRC: u16 = 61;
const RENEGOTIATION_INFO: u16 = 0xFF01;

/// The only form of points that is in use (RFC 8422 §5.1.2).
pub(crate) const UNCOMPRESSED: u8 = 0;

/// Most extensions in one hello; a real one has a dozen.
const MAX_EXTENSIONS: usize = 64;

/// The extensions of a hello that mean something here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions<'a> {
    /// The host name (RFC 6066 §3). Only a client's hello has one.
    pub(crate) host_name: Option<&'a [u8]>,
    /// Numbers of groups, the best first (RFC 8422 §5.1.1).
    pub(crate) groups: Option<&'a [u8]>,
    /// Forms of points (RFC 8422 §5.1.2).
    pub(crate) point_formats: Option<&'a [u8]>,
    /// Numbers of signature schemes (RFC 5246 §7.4.1.4.1).
    pub(crate) signature_schemes: Option<&'a [u8]>,
    /// What a client can present: in its hello a list behind its length, in a server's one type
    /// (RFC 7250 §3).
    pub(crate) client_certificate_type: Option<&'a [u8]>,
    /// What a client can verify, in the same form.
    pub(crate) server_certificate_type: Option<&'a [u8]>,
    /// RFC 7366 §2.
    pub(crate) encrypt_then_mac: bool,
    /// RFC 7627 §5.1.
    pub(crate) extended_master_secret: bool,
    /// The id that the sender wants to be addressed by, perhaps empty (RFC 9146 §3).
    pub(crate) cid: Option<&'a [u8]>,
    /// A ticket, or the wish for one if it is empty (RFC 5077 §3.2). A server's is always empty.
    pub(crate) session_ticket: Option<&'a [u8]>,
    /// renegotiated_connection (RFC 5746 §3.2); empty in a first handshake.
    pub(crate) renegotiation: Option<&'a [u8]>,
    /// A power of two by its number: 1 is 2^9 (RFC 6066 §4).
    pub(crate) max_fragment_length: Option<u8>,
    /// Most plaintext that the sender takes in a record (RFC 8449 §4).
    pub(crate) record_size_limit: Option<u16>,
    /// The sender answers checks of its address (RFC 9853).
    pub(crate) rrc: bool,
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

    /// Whether a client wants checks of its address, which need connection ids (RFC 9853).
    pub(crate) fn asks_rrc(&self) -> bool {
        self.rrc && self.cid.is_some()
    }

    /// The host name as text; `None` also if it is not UTF-8.
    pub(crate) fn sni(&self) -> Option<String> {
        let name = core::str::from_utf8(self.host_name?).ok()?;
        Some(name.to_owned())
    }

    fn read(&mut self, kind: u16, body: &'a [u8]) -> Option<()> {
        match kind {
            SERVER_NAME => self.host_name = host_name(body)?,
            SUPPORTED_GROUPS => self.groups = Some(exact_pairs(body)?),
            EC_POINT_FORMATS => self.point_formats = Some(exact_vec8(body)?),
            SIGNATURE_ALGORITHMS => self.signature_schemes = Some(exact_pairs(body)?),
            CLIENT_CERTIFICATE_TYPE => self.client_certificate_type = Some(body),
            SERVER_CERTIFICATE_TYPE => self.server_certificate_type = Some(body),
            ENCRYPT_THEN_MAC if body.is_empty() => self.encrypt_then_mac = true,
            EXTENDED_MASTER_SECRET if body.is_empty() => self.extended_master_secret = true,
            RRC if body.is_empty() => self.rrc = true,
            ENCRYPT_THEN_MAC | EXTENDED_MASTER_SECRET | RRC => return None,
            MAX_FRAGMENT_LENGTH => {
                let [number] = body.try_into().ok()?;
                self.max_fragment_length = Some(number);
            }
            RECORD_SIZE_LIMIT => {
                self.record_size_limit = Some(u16::from_be_bytes(body.try_into().ok()?));
            }
            CONNECTION_ID => self.cid = Some(exact_vec8(body)?),
            SESSION_TICKET => self.session_ticket = Some(body),
            RENEGOTIATION_INFO => self.renegotiation = Some(exact_vec8(body)?),
            _ => {}
        }
        Some(())
    }

    /// Appends the block, or nothing if there is no extension. `None` if a field exceeds its
    /// length prefix.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        let mut fits = Some(());
        put_vec16(out, |out| {
            if let Some(renegotiation) = self.renegotiation {
                fits = fits.and(put_vec8_extension(out, RENEGOTIATION_INFO, renegotiation));
            }
            if let Some(name) = self.host_name {
                fits = fits.and(put_host_name(out, name));
            }
            for (kind, list) in
                [(SUPPORTED_GROUPS, self.groups), (SIGNATURE_ALGORITHMS, self.signature_schemes)]
            {
                if let Some(list) = list {
                    fits = fits.and(put_extension(out, kind, |out| {
                        put_vec16(out, |out| out.extend_from_slice(list))
                    }));
                }
            }
            if let Some(formats) = self.point_formats {
                fits = fits.and(put_vec8_extension(out, EC_POINT_FORMATS, formats));
            }
            for (kind, types) in [
                (CLIENT_CERTIFICATE_TYPE, self.client_certificate_type),
                (SERVER_CERTIFICATE_TYPE, self.server_certificate_type),
            ] {
                if let Some(types) = types {
                    fits = fits.and(put_bytes(out, kind, types));
                }
            }
            if let Some(number) = self.max_fragment_length {
                fits = fits.and(put_bytes(out, MAX_FRAGMENT_LENGTH, &[number]));
            }
            if let Some(limit) = self.record_size_limit {
                fits = fits.and(put_bytes(out, RECORD_SIZE_LIMIT, &limit.to_be_bytes()));
            }
            for (kind, present) in [
                (ENCRYPT_THEN_MAC, self.encrypt_then_mac),
                (EXTENDED_MASTER_SECRET, self.extended_master_secret),
            ] {
                if present {
                    fits = fits.and(put_bytes(out, kind, &[]));
                }
            }
            if let Some(ticket) = self.session_ticket {
                fits = fits.and(put_bytes(out, SESSION_TICKET, ticket));
            }
            if let Some(cid) = self.cid {
                fits = fits.and(put_vec8_extension(out, CONNECTION_ID, cid));
            }
            if self.rrc {
                fits = fits.and(put_bytes(out, RRC, &[]));
            }
        })?;
        if out.len() == start + 2 {
            out.truncate(start);
        }
        fits
    }
}

/// An extension whose content is these bytes.
fn put_bytes(out: &mut Vec<u8>, kind: u16, content: &[u8]) -> Option<()> {
    out.extend(kind.to_be_bytes());
    put_vec16(out, |out| out.extend_from_slice(content))
}

fn put_extension(
    out: &mut Vec<u8>,
    kind: u16,
    write: impl FnOnce(&mut Vec<u8>) -> Option<()>,
) -> Option<()> {
    out.extend(kind.to_be_bytes());
    let mut fits = None;
    put_vec16(out, |out| fits = write(out))?;
    fits
}

fn put_vec8_extension(out: &mut Vec<u8>, kind: u16, content: &[u8]) -> Option<()> {
    put_extension(out, kind, |out| put_vec8(out, content))
}

fn put_host_name(out: &mut Vec<u8>, name: &[u8]) -> Option<()> {
    put_extension(out, SERVER_NAME, |out| {
        let mut fits = None;
        put_vec16(out, |out| {
            out.push(0);
            fits = put_vec16(out, |out| out.extend_from_slice(name));
        })?;
        fits
    })
}

/// A list of pairs of bytes, not empty.
fn exact_pairs(body: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(body);
    let list = cursor.vec16().filter(|list| !list.is_empty() && list.len().is_multiple_of(2))?;
    cursor.is_empty().then_some(list)
}

fn exact_vec8(body: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(body);
    let content = cursor.vec8()?;
    cursor.is_empty().then_some(content)
}

/// The types in a client's extension (RFC 7250 §3), X.509 alone if it has none; `None` if it does
/// not parse.
pub(crate) fn offered_types(body: Option<&[u8]>) -> Option<&[u8]> {
    match body {
        None => Some(&[CertificateType::X509 as u8]),
        Some(body) => exact_vec8(body).filter(|types| !types.is_empty()),
    }
}

/// The type in a server's extension, X.509 if it has none; `None` if it is not one of ours.
pub(crate) fn chosen_type(body: Option<&[u8]>) -> Option<CertificateType> {
    match body {
        None => Some(CertificateType::X509),
        Some([kind]) => CertificateType::by_id(*kind),
        Some(_) => None,
    }
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
    fn reads_and_writes_what_curves_and_keys_need() {
        // RFC 6066 §3, RFC 8422 §5.1, RFC 5246 §7.4.1.4.1, RFC 7250 §3: a client's.
        let bytes = crate::tests::hex(
            "0032 0000 0009 0007 00 0004 612e6263 000a 0006 0004 0017 001d
             000d 0004 0002 0403 000b 0002 01 00 0013 0002 01 02 0014 0003 02 02 00",
        );

        let extensions = decode(&bytes).expect("well-formed");

        assert_eq!(extensions.groups, Some(&[0, 23, 0, 29][..]));
        assert_eq!(extensions.signature_schemes, Some(&[4, 3][..]));
        assert_eq!(extensions.point_formats, Some(&[0][..]));
        assert_eq!(extensions.client_certificate_type, Some(&[1, 2][..]));
        let mut written = Vec::new();
        extensions.encode(&mut written).expect("short enough");
        assert_eq!(written, bytes);
    }

    #[test]
    fn refuses_lists_that_are_empty_or_end_in_half_a_number() {
        for body in [[0, 10, 0, 2, 0, 0, 0], [0, 10, 0, 3, 0, 1, 0], [0, 13, 0, 3, 0, 1, 4]] {
            let mut bytes = vec![0, 7];
            bytes.extend(body);
            bytes[1] = body.len() as u8;
            assert_eq!(decode(&bytes), None, "{body:?}");
        }
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
