//! The end of a session.

use crate::event::{Event, EventCode};
use crate::state::{Book, Stop};
use crate::{DeviceRef, Outcome, SessionId};
use minicbor::{Decode, Encode};

/// Ends a session: nobody can go on with it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CloseSession {
    /// Whose session it is.
    #[n(0)]
    pub device: DeviceRef,
    /// The session.
    #[n(1)]
    pub session: SessionId,
    /// Why, in words.
    #[n(2)]
    pub words: String,
}

impl CloseSession {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut device = book.device(&self.device)?;
        let session = book.session(&self.device, self.session)?;
        let mut credential = book.credential(&self.device, session.credential)?;
        credential.sessions.retain(|id| *id != self.session);
        book.store_credential(&self.device, session.credential, credential);
        book.drop_session(&self.device, self.session)?;
        let event = Event {
            code: EventCode::SessionClosed,
            credential: Some(session.credential),
            words: self.words.clone(),
        };
        book.record(&self.device, &mut device, event)?;
        book.store_device(&self.device, device);
        Ok(Outcome::Done)
    }
}
