//! The LwM2M server's confirmation.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::Device;
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
        let Some(item) = book.outbox(&self.device, self.credential)? else {
            return Ok(Outcome::Done);
        };
        if item.withdrawal.is_some() {
            return self.ended_meanwhile(book, device, &item.connector);
        }
        credential.confirmed_at = Some(book.at);
        book.drop_row(&key::credential(Kind::Outbox, &self.device, self.credential));
        let replaced =
            book.replace_at_server(&self.device, &mut device, self.credential, &item.connector)?;
        let replaced = if replaced {
            " It took the place of the older one: the device must take it before it can register."
        } else {
            ""
        };
        let words = format!("The LwM2M server holds the credential.{replaced}");
        book.record(&self.device, &mut device, self.event(words))?;
        book.store_credential(&self.device, self.credential, credential);
        book.store_device(&self.device, device);
        Ok(Outcome::Done)
    }

    /// The server is yet to be told of the end, but what it held before is gone already.
    fn ended_meanwhile(
        &self,
        book: &mut Book<'_>,
        mut device: Device,
        connector: &str,
    ) -> Result<Outcome, Stop> {
        if book.replace_at_server(&self.device, &mut device, self.credential, connector)? {
            let words = "The LwM2M server held the credential, which has ended meanwhile, in the \
                         place of the older one: the device must take another before it can \
                         register.";
            book.record(&self.device, &mut device, self.event(words.to_owned()))?;
            book.store_device(&self.device, device);
        }
        Ok(Outcome::Done)
    }

    fn event(&self, words: String) -> Event {
        Event { code: EventCode::ServerConfirmed, credential: Some(self.credential), words }
    }
}
