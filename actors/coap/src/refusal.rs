//! Why a message of the peer came to nothing.

/// Why a message was rejected, dropped, or answered with an error before its owner saw it. Each
/// such message is counted under one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is no CoAP message, or one that must not be: rejected if it was confirmable, else
    /// dropped (RFC 7252 §3, §4.2, §4.3).
    Malformed,
    /// A request of a method that is not known: 4.05.
    UnknownMethod,
    /// A request with this option, which is critical and not understood, or not as it should be:
    /// 4.02 (RFC 7252 §5.4.1).
    BadOption(u16),
    /// A block of a body that is out of place, or none of it: 4.00 or 4.08 (RFC 7959 §2.9).
    BadBlock,
    /// A body past [`Params::max_request_body`](crate::Params::max_request_body): 4.13 with Size1.
    BodyTooLarge,
    /// One request more than may be open: 5.03.
    Overloaded,
    /// An acknowledgement, reset or response that belongs to nothing that was sent, or whose
    /// request is over.
    Unmatched,
}

impl Refusal {
    /// The names of all, as the metrics label them.
    pub const LABELS: [&str; 7] = [
        "malformed",
        "unknown_method",
        "bad_option",
        "bad_block",
        "body_too_large",
        "overloaded",
        "unmatched",
    ];

    /// Its place in [`Self::LABELS`].
    pub const fn index(self) -> usize {
        match self {
            Self::Malformed => 0,
            Self::UnknownMethod => 1,
            Self::BadOption(_) => 2,
            Self::BadBlock => 3,
            Self::BodyTooLarge => 4,
            Self::Overloaded => 5,
            Self::Unmatched => 6,
        }
    }

    /// What happened and what to do, for an operator.
    pub fn words(self) -> String {
        match self {
            Self::Malformed => {
                "The device sent something that is no CoAP message; it was rejected or dropped. \
                 Correct the client's CoAP stack."
                    .to_owned()
            }
            Self::UnknownMethod => {
                "The device sent a request of a method that is not known, and got 4.05 Method Not \
                 Allowed. A Bootstrap-Request is POST /bs."
                    .to_owned()
            }
            Self::BadOption(number) => format!(
                "The device sent a request with the CoAP option {number}, which is critical and \
                 not understood here, or not as it should be, and got 4.02 Bad Option. Let the \
                 client leave it out, or correct it."
            ),
            Self::BadBlock => {
                "The device sent a block of a request that does not belong to the blocks before \
                 it, and got 4.00 or 4.08. Correct the client's block-wise transfer (RFC 7959)."
                    .to_owned()
            }
            Self::BodyTooLarge => {
                "The device sent a request whose body is too large, and got 4.13 with the size \
                 that is taken. A Bootstrap-Request has no body."
                    .to_owned()
            }
            Self::Overloaded => {
                "The device sent more requests than may be open at once, and got 5.03. Let the \
                 client wait for an answer before it asks again."
                    .to_owned()
            }
            Self::Unmatched => {
                "The device sent an answer to nothing that it was asked, or the same answer again."
                    .to_owned()
            }
        }
    }
}
