//! Options: from a packet to words, and back (RFC 7252 §5.10, RFC 7959, RFC 9175 §3).

use crate::Refusal;
use crate::block::Block;
use crate::identity::{method_byte, method_of};
use crate::message::{Kind, Message};
use claviger_machine::{Code, Request, Response};
use coap_lite::{CoapOption, Packet};

const REQUEST_TAG: CoapOption = CoapOption::Unknown(292);

/// A 5.05, for the proxies that we are not.
const PROXYING_NOT_SUPPORTED: Code = Code::new(5, 5);

/// What a request that cannot be read gets, and why.
pub(crate) type Unread = (Code, Refusal);

const fn bad_option(number: u16) -> Unread {
    (Code::BAD_OPTION, Refusal::BadOption(number))
}

/// A request of the peer as it stands in one message.
pub(crate) struct Incoming {
    pub(crate) request: Request,
    pub(crate) block1: Option<Block>,
    pub(crate) block2: Option<Block>,
    pub(crate) size1: Option<u32>,
    pub(crate) tags: Vec<Vec<u8>>,
}

/// A response of the peer as it stands in one message.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) block1: Option<Block>,
    pub(crate) block2: Option<Block>,
    pub(crate) etag: Option<Vec<u8>>,
}

/// Reads a request, or says which code refuses it (RFC 7252 §5.4, §5.8). The payload moves.
pub(crate) fn read_request(message: &mut Message) -> Result<Incoming, Unread> {
    let packet = &message.packet;
    for (&number, values) in packet.options() {
        match CoapOption::from(number) {
            CoapOption::UriPath | CoapOption::UriQuery => {}
            CoapOption::UriHost
            | CoapOption::UriPort
            | CoapOption::Accept
            | CoapOption::Block1
            | CoapOption::Block2
                if values.len() == 1 => {}
            CoapOption::ProxyUri | CoapOption::ProxyScheme => {
                return Err((PROXYING_NOT_SUPPORTED, Refusal::BadOption(number)));
            }
            _ if is_critical(number) => return Err(bad_option(number)),
            _ => {}
        }
    }
    let unknown = (Code::METHOD_NOT_ALLOWED, Refusal::UnknownMethod);
    let method = method_of(message.code).ok_or(unknown)?;
    let block1 = block(packet, CoapOption::Block1)?;
    let block2 = block(packet, CoapOption::Block2)?;
    let request = Request {
        method,
        confirmable: message.kind == Kind::Confirmable,
        path: strings(packet, CoapOption::UriPath)?,
        query: strings(packet, CoapOption::UriQuery)?,
        content_format: number(packet, CoapOption::ContentFormat),
        accept: match packet.get_first_option(CoapOption::Accept) {
            None => None,
            Some(value) => Some(read_uint(value).ok_or(bad_option(u16::from(CoapOption::Accept)))?),
        },
        payload: Vec::new(),
    };
    let size1 = number(packet, CoapOption::Size1);
    let tags = values(packet, REQUEST_TAG).cloned().collect();
    let payload = core::mem::take(&mut message.packet.payload);
    Ok(Incoming { request: Request { payload, ..request }, block1, block2, size1, tags })
}

/// Reads a response; `None` if it has a critical option that we do not know, or a bad one, and so
/// has to be rejected (RFC 7252 §5.4.1). The payload moves.
pub(crate) fn read_response(message: &mut Message) -> Option<Answer> {
    let packet = &message.packet;
    for (&number, values) in packet.options() {
        match CoapOption::from(number) {
            CoapOption::Block1 | CoapOption::Block2 if values.len() == 1 => {}
            _ if is_critical(number) => return None,
            _ => {}
        }
    }
    let block1 = block(packet, CoapOption::Block1).ok()?;
    let block2 = block(packet, CoapOption::Block2).ok()?;
    let response = Response {
        code: Code(message.code),
        content_format: number(packet, CoapOption::ContentFormat),
        max_age: number(packet, CoapOption::MaxAge),
        payload: Vec::new(),
    };
    let etag = packet.get_first_option(CoapOption::ETag).cloned();
    let payload = core::mem::take(&mut message.packet.payload);
    Some(Answer { response: Response { payload, ..response }, block1, block2, etag })
}

/// A packet with the request's options and no payload; its code is the second value.
pub(crate) fn write_request(request: &Request) -> (Packet, u8) {
    let mut packet = Packet::new();
    for segment in &request.path {
        packet.add_option(CoapOption::UriPath, segment.as_bytes().to_vec());
    }
    for parameter in &request.query {
        packet.add_option(CoapOption::UriQuery, parameter.as_bytes().to_vec());
    }
    if let Some(accept) = request.accept {
        packet.add_option(CoapOption::Accept, uint(accept.into()));
    }
    (packet, method_byte(request.method))
}

/// A packet with the response's options and no payload.
pub(crate) fn write_response(response: &Response) -> Packet {
    let mut packet = Packet::new();
    if let Some(format) = response.content_format {
        packet.add_option(CoapOption::ContentFormat, uint(format.into()));
    }
    if let Some(seconds) = response.max_age {
        packet.add_option(CoapOption::MaxAge, uint(seconds));
    }
    packet
}

/// An unsigned integer in as few bytes as it needs, none for zero (RFC 7252 §3.2).
pub(crate) fn uint(value: u32) -> Vec<u8> {
    let skip = (value.leading_zeros() / 8) as usize;
    value.to_be_bytes()[skip..].to_vec()
}

/// Reads an unsigned integer; `None` if it is longer or larger than `T`.
fn read_uint<T: TryFrom<u32>>(value: &[u8]) -> Option<T> {
    if value.len() > size_of::<T>() {
        return None;
    }
    T::try_from(value.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))).ok()
}

/// An elective option that is not as it should be counts as absent (RFC 7252 §5.4.3).
fn number<T: TryFrom<u32>>(packet: &Packet, option: CoapOption) -> Option<T> {
    packet.get_first_option(option).and_then(|value| read_uint(value))
}

fn block(packet: &Packet, option: CoapOption) -> Result<Option<Block>, Unread> {
    match packet.get_first_option(option) {
        None => Ok(None),
        Some(value) => Block::decode(value).map(Some).ok_or((Code::BAD_REQUEST, Refusal::BadBlock)),
    }
}

fn values(packet: &Packet, option: CoapOption) -> impl Iterator<Item = &Vec<u8>> {
    packet.get_option(option).into_iter().flatten()
}

fn strings(packet: &Packet, option: CoapOption) -> Result<Vec<String>, Unread> {
    let text = |value: &Vec<u8>| {
        String::from_utf8(value.clone()).map_err(|_| bad_option(u16::from(option)))
    };
    values(packet, option).map(text).collect()
}

/// An odd number must be understood (RFC 7252 §5.4.6).
const fn is_critical(number: u16) -> bool {
    number & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(options: &[u8]) -> Result<Incoming, Unread> {
        let bytes = [&[0x40, 0x01, 0, 1][..], options].concat();
        read_request(&mut Message::decode(&bytes).expect("well-formed"))
    }

    fn refusal(options: &[u8]) -> Option<Unread> {
        request(options).err()
    }

    #[test]
    fn integers_have_no_leading_zeros() {
        for (value, bytes) in
            [(0, &[][..]), (40, &[40]), (11542, &[0x2d, 0x16]), (1 << 24, &[1, 0, 0, 0])]
        {
            assert_eq!(uint(value), bytes);
            assert_eq!(read_uint::<u32>(bytes), Some(value));
        }
        assert_eq!(read_uint::<u16>(&[1, 0, 0]), None);
    }

    #[test]
    fn reads_the_discover_of_wakaama() {
        // GET with Accept 40 and no path, as seen on the wire: d1 04 28.
        let incoming = request(&[0xd1, 0x04, 0x28]).expect("understood");

        assert_eq!(incoming.request.accept, Some(40));
        assert_eq!(incoming.request.path_string(), "/");
    }

    #[test]
    fn refuses_what_is_critical_and_not_understood() {
        let proxy = (Code::new(5, 5), Refusal::BadOption(35));
        let block = (Code::BAD_REQUEST, Refusal::BadBlock);

        assert_eq!(refusal(&[0x11, 1]), Some(bad_option(1)), "If-Match");
        assert_eq!(refusal(&[0x90]), Some(bad_option(9)), "OSCORE");
        assert_eq!(refusal(&[0xd1, 4, 40, 0x01, 40]), Some(bad_option(17)), "two Accept");
        assert_eq!(refusal(&[0xd3, 4, 1, 2, 3]), Some(bad_option(17)), "a long Accept");
        assert_eq!(refusal(&[0xb1, 0xff]), Some(bad_option(11)), "a path that is not UTF-8");
        assert_eq!(refusal(&[0xd1, 14, 7]), Some(block), "Block1 of size 7");
        assert_eq!(refusal(&[0xd1, 22, b'x']), Some(proxy), "Proxy-Uri");
    }

    #[test]
    fn passes_over_what_is_elective_and_not_understood() {
        assert!(request(&[0x60]).is_ok(), "Observe");
        assert!(request(&[0xd1, 1, 1]).is_ok(), "14");
        assert_eq!(request(&[0xc3, 1, 2, 3]).expect("read").request.content_format, None);
    }
}
