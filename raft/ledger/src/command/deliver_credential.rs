//! The device's acknowledgement.

use crate::event::{Event, EventCode};
use crate::key;
use crate::record::{Session, State, Transition, transition};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, Outcome, Refusal, SessionId};
use minicbor::{Decode, Encode};

/// The device answered Finish with 2.04: it has the credential.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeliverCredential {
    /// The device.
    #[n(0)]
    pub device: DeviceRef,
    /// The credential.
    #[n(1)]
    pub credential: CredentialId,
    /// The session that carried it.
    #[n(2)]
    pub session: SessionId,
    /// The highest sequence read in that session.
    #[n(3)]
    pub highest_read: u64,
    /// The operations that were answered, in words, for the timeline.
    #[n(4)]
    pub steps: String,
}

impl DeliverCredential {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut device = book.device(&self.device)?;
        let mut credential = book.credential(&self.device, self.credential)?;
        let before = credential.state;
        let Some(state) = transition(before, Transition::Deliver) else {
            return Err(Refusal::State { state: before.to_string() }.into());
        };
        // The session may have ended meanwhile; the device holds the credential all the same.
        let row = key::session(&self.device, self.session);
        if let Some(mut session) = book.load::<Session>("a session", &row)? {
            session.highest_read = session.highest_read.max(self.highest_read);
            book.store(row, &session);
        }
        if device.staged == Some(self.credential) {
            device.staged = None;
        }
        if before != State::Delivered {
            let words = "The bootstrap came to its end.".to_owned();
            let (code, credential) = (EventCode::BootstrapFinished, Some(self.credential));
            let entry = book.entry(Event { code, credential, words });
            book.feed_device(&self.device, entry)?;
        }
        if before == State::Staged {
            book.record(
                &self.device,
                &mut device,
                Event {
                    code: EventCode::CredentialDelivered,
                    credential: Some(self.credential),
                    words: format!("The device took the credential ({}).", self.steps),
                },
            )?;
        }
        credential.state = state;
        book.store_credential(&self.device, self.credential, credential);
        book.store_device(&self.device, device);
        Ok(Outcome::Done)
    }
}
