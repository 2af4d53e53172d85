//! A service's report that a device used its credential.

use crate::event::{Event, EventCode};
use crate::record::{Credential, Origin, State, Transition, transition};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// The LwM2M server saw the device use the credential: it is active, and older ones are not.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ReportUse {
    /// The credential's device.
    #[n(0)]
    pub device: DeviceRef,
    /// The credential.
    #[n(1)]
    pub credential: CredentialId,
}

impl ReportUse {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut device = book.device(&self.device)?;
        let mut credential = book.credential(&self.device, self.credential)?;
        let before = credential.state;
        let Some(state) = transition(before, Transition::Use) else {
            return Err(Refusal::State { state: before.to_string() }.into());
        };
        if before == State::Active {
            return Ok(Outcome::Done);
        }
        credential.state = state;
        if device.staged == Some(self.credential) {
            device.staged = None;
        }
        let service = credential.parties.join(", ");
        book.record(
            &self.device,
            &mut device,
            Event {
                code: EventCode::CredentialActivated,
                credential: Some(self.credential),
                words: format!("{service} saw the credential in use."),
            },
        )?;
        let older = self.replaced(book, &credential)?;
        book.store_credential(&self.device, self.credential, credential);
        for older in older {
            book.supersede(&self.device, &mut device, older, "A newer one is in use.", None)?;
        }
        book.store_device(&self.device, device);
        Ok(Outcome::Done)
    }

    /// Credentials for the same parties that the one in use came after.
    ///
    /// A report may be late: a newer credential that the device has by now is not touched.
    fn replaced(&self, book: &Book<'_>, used: &Credential) -> Result<Vec<CredentialId>, Stop> {
        let before = |other: &Credential| match other.state {
            State::Delivered => other.not_before < used.not_before,
            State::Active => other.not_before <= used.not_before,
            _ => false,
        };
        let mut older = Vec::new();
        for (id, other) in book.credentials(&self.device)? {
            let ours = other.origin == Origin::Claviger && id != self.credential;
            if ours && other.parties == used.parties && before(&other) {
                older.push(id);
            }
        }
        Ok(older)
    }
}
