//! The withdrawal of a credential.

use crate::ending::End;
use crate::key;
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, Ended, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Withdraws a credential, a manufacturer's or one of ours, from now on and for ever.
///
/// Its sessions are closed, it cannot be looked up, its key is gone, and its LwM2M server is told.
/// One that has ended otherwise can be revoked too: a server may still take it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RevokeCredential {
    /// The credential's device.
    #[n(0)]
    pub device: DeviceRef,
    /// The credential.
    #[n(1)]
    pub credential: CredentialId,
    /// Why, in words: at most 512 bytes.
    #[n(2)]
    pub reason: String,
}

impl RevokeCredential {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        Refusal::unless_within(key::WORDS, "reason", self.reason.as_bytes())?;
        let mut device = book.device(&self.device)?;
        let mut ended = Ended::default();
        let how = End::Revoked(&self.reason);
        book.end(&self.device, &mut device, self.credential, how, &mut ended)?;
        book.store_device(&self.device, device);
        Ok(Outcome::Ended(ended))
    }
}
