//! What of a committed command the leader's actors must hear of, whoever proposed it.

use crate::command::{Envelope, PutServerIdentity};
use crate::{Command, Ended, Outcome, frame};
use minicbor::Decoder;

/// The numbers of what is told, as [`Outcome`] and [`Command`] give them.
const ENDED: u32 = 5;
const PUT_SERVER_IDENTITY: u32 = 33;

/// What a committed command has changed for those who are awake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Credentials have ended, with what went with them.
    Ended(Ended),
    /// The key of this tenant's listeners was made or changed.
    Presented(String),
}

impl Notice {
    /// That of a command and its outcome, as [`crate::apply`] takes and gives them; most have none.
    /// Only those that have one are read to their end.
    pub fn of(command: &[u8], outcome: &[u8]) -> Option<Self> {
        if number(outcome, 0) == Some(ENDED) {
            let Some(Outcome::Ended(ended)) = Outcome::decode(outcome) else { return None };
            return Some(Self::Ended(ended));
        }
        if number(command, 3) != Some(PUT_SERVER_IDENTITY) {
            return None;
        }
        match (Outcome::decode(outcome)?, frame::decode::<Envelope>(command)?.command) {
            (Outcome::Refused(_), _) => None,
            (_, Command::PutServerIdentity(PutServerIdentity { tenant, .. })) => {
                Some(Self::Presented(tenant))
            }
            _ => None,
        }
    }
}

/// The number of the variant that stands in a frame behind so many fields.
fn number(bytes: &[u8], behind: usize) -> Option<u32> {
    let mut decoder = Decoder::new(bytes.get(1..)?);
    if behind > 0 {
        decoder.array().ok()?;
        (0..behind).try_for_each(|_| decoder.skip()).ok()?;
    }
    decoder.array().ok()?;
    decoder.u32().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CreateTenant, DeviceRef, Refusal, RequestId, ServerIdentity, SessionId};

    fn put() -> Vec<u8> {
        let identity = ServerIdentity {
            public_key: vec![1],
            chain: Vec::new(),
            sealed_key: vec![2],
            group: 23,
            scheme: 0x0403,
            version: 0,
        };
        let put = PutServerIdentity { tenant: "t".into(), identity, expect: None };
        Envelope::new(7, RequestId([1; 16]), put.into()).encode()
    }

    fn create() -> Vec<u8> {
        let create = CreateTenant { tenant: "t".into(), wrapped_key: vec![0], root: 1 };
        Envelope::new(7, RequestId([1; 16]), create.into()).encode()
    }

    #[test]
    fn what_has_ended_is_told_whatever_ended_it() {
        let device = DeviceRef { tenant: "t".into(), device: "d".into() };
        let ended = Ended { closed: vec![(device, SessionId([3; 16]))], withdrawn: Vec::new() };
        let outcome = frame::encode(&Outcome::Ended(ended.clone()));

        assert_eq!(Notice::of(&create(), &outcome), Some(Notice::Ended(ended)));
    }

    #[test]
    fn another_key_of_listeners_is_told_unless_it_was_refused() {
        let refused = Outcome::Refused(Refusal::Founded);
        for (outcome, told) in [(Outcome::Done, true), (Outcome::Made, true), (refused, false)] {
            let told = told.then(|| Notice::Presented("t".into()));
            assert_eq!(Notice::of(&put(), &frame::encode(&outcome)), told);
        }
    }

    #[test]
    fn all_else_and_what_cannot_be_read_is_nothing() {
        let done = frame::encode(&Outcome::Done);
        assert_eq!(Notice::of(&create(), &done), None);
        for length in 0..put().len() {
            assert_eq!(Notice::of(&put()[..length], &done), None, "{length}");
        }
        assert_eq!(Notice::of(&[], &[]), None);
    }
}
