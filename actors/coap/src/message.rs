//! One message: the header by hand where the rules need it, the rest by `coap-lite`.

use crate::Token;
use coap_lite::{MessageClass, MessageType, Packet};
use zeroize::{Zeroize, Zeroizing};

/// The type of a message (RFC 7252 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Confirmable,
    NonConfirmable,
    Acknowledgement,
    Reset,
}

/// What a code is (RFC 7252 §3, §12.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Empty,
    Request,
    Response,
}

/// A message of the peer.
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) class: Class,
    pub(crate) code: u8,
    pub(crate) message_id: u16,
    pub(crate) token: Token,
    /// Options and payload.
    pub(crate) packet: Packet,
}

/// Why a datagram is no message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Not even a header of our version: silence (RFC 7252 §3).
    Foreign,
    /// A header, then a format error.
    Format { kind: Kind, message_id: u16 },
}

impl Message {
    /// Reads a datagram.
    pub(crate) fn decode(datagram: &[u8]) -> Result<Self, Malformed> {
        let &[first, code, high, low, ..] = datagram else { return Err(Malformed::Foreign) };
        if first >> 6 != 1 {
            return Err(Malformed::Foreign);
        }
        let kind = match first >> 4 & 3 {
            0 => Kind::Confirmable,
            1 => Kind::NonConfirmable,
            2 => Kind::Acknowledgement,
            _ => Kind::Reset,
        };
        let message_id = u16::from_be_bytes([high, low]);
        let malformed = || Malformed::Format { kind, message_id };
        let class = match code >> 5 {
            0 if code == 0 && datagram.len() == 4 && first & 0xf == 0 => Class::Empty,
            0 if code != 0 => Class::Request,
            2 | 4 | 5 => Class::Response,
            _ => return Err(malformed()),
        };
        let packet = Packet::from_bytes(datagram).map_err(|_| malformed())?;
        if ends_in_a_bare_marker(&packet, datagram) {
            return Err(malformed());
        }
        let token = Token::new(packet.get_token()).ok_or_else(malformed)?;
        Ok(Self { kind, class, code, message_id, token, packet })
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.packet.payload.zeroize();
    }
}

/// A payload marker without payload is a format error (RFC 7252 §3), which `coap-lite` lets
/// pass. Its encoding of what it read lacks that byte: options have only one encoding.
fn ends_in_a_bare_marker(packet: &Packet, datagram: &[u8]) -> bool {
    packet.payload.is_empty()
        && datagram.last() == Some(&0xff)
        && packet.to_bytes_unlimited().is_ok_and(|bytes| bytes.len() != datagram.len())
}

/// The bytes of a message with options and payload.
pub(crate) fn encode(
    kind: Kind,
    code: u8,
    message_id: u16,
    token: Token,
    packet: &mut Packet,
) -> Zeroizing<Vec<u8>> {
    packet.header.set_version(1);
    packet.header.set_type(match kind {
        Kind::Confirmable => MessageType::Confirmable,
        Kind::NonConfirmable => MessageType::NonConfirmable,
        Kind::Acknowledgement => MessageType::Acknowledgement,
        Kind::Reset => MessageType::Reset,
    });
    packet.header.code = MessageClass::from(code);
    packet.header.message_id = message_id;
    packet.set_token(token.as_bytes().to_vec());
    let bytes = packet.to_bytes_unlimited().expect("only a size limit or a short buffer can fail");
    packet.payload.zeroize();
    Zeroizing::new(bytes)
}

/// An empty Acknowledgement or Reset: four bytes.
pub(crate) fn empty(kind: Kind, message_id: u16) -> Vec<u8> {
    let bits = match kind {
        Kind::Confirmable => 0x40,
        Kind::NonConfirmable => 0x50,
        Kind::Acknowledgement => 0x60,
        Kind::Reset => 0x70,
    };
    let [high, low] = message_id.to_be_bytes();
    vec![bits, 0, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MID: u16 = 0x7d34;

    fn refusal(datagram: &[u8]) -> Option<Malformed> {
        Message::decode(datagram).err()
    }

    #[test]
    fn reads_and_writes_the_request_of_appendix_a() {
        // RFC 7252 appendix A, figure 17: CON GET /temperature, message id 0x7d34, token 0x20.
        let bytes = [&[0x41, 0x01, 0x7d, 0x35, 0x20, 0xbb][..], b"temperature"].concat();

        let mut message = Message::decode(&bytes).expect("well-formed");

        assert_eq!(
            (message.kind, message.code, message.message_id),
            (Kind::Confirmable, 1, 0x7d35)
        );
        assert_eq!(message.token.as_bytes(), [0x20]);
        let (code, id, token) = (message.code, message.message_id, message.token);
        assert_eq!(*encode(Kind::Confirmable, code, id, token, &mut message.packet), bytes);
    }

    #[test]
    fn refuses_what_is_no_message() {
        let format = |kind| Some(Malformed::Format { kind, message_id: MID });

        assert_eq!(refusal(&[0x40, 0x01, 0x7d]), Some(Malformed::Foreign));
        assert_eq!(refusal(&[0x80, 0x01, 0x7d, 0x34]), Some(Malformed::Foreign), "version 2");
        assert_eq!(
            refusal(&[0x49, 0x01, 0x7d, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            format(Kind::Confirmable),
            "token of 9"
        );
        assert_eq!(refusal(&[0x50, 0x21, 0x7d, 0x34]), format(Kind::NonConfirmable), "class 1");
        assert_eq!(
            refusal(&[0x40, 0x00, 0x7d, 0x34, 0xff]),
            format(Kind::Confirmable),
            "empty, and more"
        );
        assert_eq!(refusal(&[0x40, 0x01, 0x7d, 0x34, 0xf0]), format(Kind::Confirmable), "delta 15");
        assert_eq!(
            refusal(&[0x40, 0x01, 0x7d, 0x34, 0xb5, b'a']),
            format(Kind::Confirmable),
            "short"
        );
    }

    #[test]
    fn refuses_a_marker_without_payload_but_not_an_option_that_ends_so() {
        assert!(refusal(&[0x40, 0x01, 0x7d, 0x34, 0xff]).is_some());
        assert!(refusal(&[0x40, 0x01, 0x7d, 0x34, 0x41, 0xff]).is_none(), "an ETag of 0xff");
        assert!(refusal(&[0x40, 0x01, 0x7d, 0x34, 0x41, 0xff, 0xff]).is_some());
    }
}
