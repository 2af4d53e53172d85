//! The LwM2M server's confirmation.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, Outcome};
use minicbor::{Decode, Encode};

/// The LwM2M server holds the credential: the outbox need not tell it again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ConfirmOutbox {
    /// The credential's device.
    #[n(0)]
    pub device: DeviceRef,
    /// The credential.
    #[n(1)]
    pub credential: CredentialId,
}

impl ConfirmOutbox {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut device = book.device(&self.device)?;
        let mut credential = book.credential(&self.device, self.credential)?;
        let item = book.outbox(&self.device, self.credential)?;
        if item.is_none_or(|item| item.withdrawal.is_some()) {
            // Ended meanwhile: the server is yet to be told that.
            return Ok(Outcome::Done);
        }
        credential.confirmed_at = Some(book.at);
        book.drop_row(&key::credential(Kind::Outbox, &self.device, self.credential));
        book.record(
            &self.device,
            &mut device,
            Event {
                code: EventCode::ServerConfirmed,
                credential: Some(self.credential),
                words: "The LwM2M server holds the credential.".to_owned(),
            },
        )?;
        book.store_credential(&self.device, self.credential, credential);
        book.store_device(&self.device, device);
        Ok(Outcome::Done)
    }
}
