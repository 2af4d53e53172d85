//! How long a record a peer takes: by its record_size_limit (RFC 8449), else by the
//! max_fragment_length that a client asks for (RFC 6066 §4).
//!
//! Both count plaintext. Behind a connection id the type of the content belongs to that (RFC 9146
//! §4). RFC 8449 speaks of protected records alone; we keep flights in clear within the limit too,
//! for a peer that asks has little memory.

use crate::wire::alert::AlertDescription;
use crate::wire::extension::Extensions;
use crate::wire::record::MAX_PLAINTEXT;

/// The least that may be asked for (RFC 8449 §4).
pub(crate) const LEAST: u16 = 64;
/// Most plaintext that our server takes in a record: what fits into the buffers that datagrams are
/// read into, which have [`DATAGRAM`] bytes.
const OURS: u16 = 3584;
/// The longest datagram that whoever reads them must have room for: a record of that size, its
/// header, connection id, and what the longest cipher adds.
pub const DATAGRAM: usize = 4096;
/// All that there can be in a record.
const ALL: u16 = MAX_PLAINTEXT as u16;

/// Most plaintext in a record to the sender of this hello; `None` if it does not say.
///
/// # Errors
/// The alert for a value that must not be sent.
pub(crate) fn of(hello: &Extensions<'_>) -> Result<Option<u16>, AlertDescription> {
    // RFC 8449 §5: beside the newer extension the older one is ignored.
    match (hello.record_size_limit, hello.max_fragment_length) {
        (Some(limit), _) if limit >= LEAST => Ok(Some(limit.min(ALL))),
        (None, Some(number @ 1..=4)) => Ok(Some(1 << (8 + number))),
        (None, None) => Ok(None),
        _ => Err(AlertDescription::ILLEGAL_PARAMETER),
    }
}

/// What a ServerHello says to a hello whose limit is one. A length that holds both ways is taken if
/// we can read as much (RFC 6066 §4); flights and data keep to it in any case.
pub(crate) fn answer<'a>(hello: &Extensions<'_>) -> Extensions<'a> {
    let limit = hello.record_size_limit.map(|_| OURS);
    let number = hello.max_fragment_length.filter(|number| limit.is_none() && *number < 4);
    Extensions { record_size_limit: limit, max_fragment_length: number, ..Extensions::default() }
}

/// Most application data in a record under this limit.
pub(crate) fn payload(limit: Option<u16>, with_cid: bool) -> u16 {
    limit.map_or(ALL, |limit| limit - u16::from(with_cid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(
        record_size_limit: Option<u16>,
        max_fragment_length: Option<u8>,
    ) -> Extensions<'static> {
        Extensions { record_size_limit, max_fragment_length, ..Extensions::default() }
    }

    #[test]
    fn the_numbers_of_rfc_6066_are_powers_of_two() {
        for (number, limit) in [(1, 512), (2, 1024), (3, 2048), (4, 4096)] {
            assert_eq!(of(&hello(None, Some(number))), Ok(Some(limit)));
        }
    }

    #[test]
    fn the_newer_extension_counts_and_may_ask_for_more_than_there_is() {
        assert_eq!(of(&hello(Some(64), Some(4))), Ok(Some(64)));
        assert_eq!(of(&hello(Some(u16::MAX), None)), Ok(Some(1 << 14)));
        assert_eq!(answer(&hello(Some(64), Some(3))), hello(Some(OURS), None));
        assert_eq!(answer(&hello(None, Some(3))), hello(None, Some(3)));
        assert_eq!(answer(&hello(None, Some(4))), hello(None, None));
    }

    #[test]
    fn what_we_promise_to_read_fits_a_datagram_under_every_cipher() {
        use crate::keys::{Form, SessionKeys};
        use crate::protection::Direction;
        use crate::wire::record::ContentType;
        for (suite, encrypt_then_mac) in
            crate::SUITES.iter().flat_map(|it| [(it, false), (it, true)])
        {
            let form = Form::of(suite.cipher, encrypt_then_mac);
            let keys = SessionKeys::from_block(form, &[1; 96][..form.length()]);
            let mut record = Vec::new();
            let direction = Direction::from_client(suite.cipher, &keys, &[7; 8]);
            let payload = vec![0; OURS.into()];
            direction.seal(&mut record, ContentType::ApplicationData, (1, 1), &payload);

            // And the padding that a peer may add.
            assert!(record.len() + 256 <= DATAGRAM, "{}", suite.name);
        }
    }

    #[test]
    fn values_that_must_not_be_sent_are_illegal() {
        for extensions in [
            hello(Some(63), None),
            hello(Some(63), Some(1)),
            hello(None, Some(0)),
            hello(None, Some(5)),
        ] {
            assert_eq!(of(&extensions), Err(AlertDescription::ILLEGAL_PARAMETER));
        }
    }
}
