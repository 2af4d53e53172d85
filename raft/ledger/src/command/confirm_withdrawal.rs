//! The LwM2M server's confirmation that it takes a credential no more.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::{Credential, Device};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, Outcome};
use minicbor::{Decode, Encode};

/// The LwM2M server has forgotten the credential: the outbox need not tell it again. The
/// credential and its device may be gone.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ConfirmWithdrawal {
    /// The credential's device.
    #[n(0)]
    pub device: DeviceRef,
    /// The credential.
    #[n(1)]
    pub credential: CredentialId,
}

impl ConfirmWithdrawal {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let (of, id) = (&self.device, self.credential);
        let item = book.outbox(of, id)?;
        if item.is_none_or(|item| item.withdrawal.is_none()) {
            return Ok(Outcome::Done);
        }
        book.drop_row(&key::credential(Kind::Outbox, of, id));
        let device = book.load::<Device>("a device", &key::of_device(Kind::Device, of))?;
        let row = key::credential(Kind::Credential, of, id);
        let credential = book.load::<Credential>("a credential", &row)?;
        if let (Some(mut device), Some(mut credential)) = (device, credential) {
            credential.confirmed_at = None;
            let words = "The LwM2M server does not take the credential any more.".to_owned();
            let code = EventCode::ServerForgot;
            book.record(of, &mut device, Event { code, credential: Some(id), words })?;
            book.store_credential(of, id, credential);
            book.store_device(of, device);
        }
        Ok(Outcome::Done)
    }
}
