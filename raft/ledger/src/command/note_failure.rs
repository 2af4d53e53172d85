//! A bootstrap that did not reach its end.

use crate::event::{Event, EventCode};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, Outcome};
use minicbor::{Decode, Encode};

/// Puts on the timeline how far a device got and why it stopped.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct NoteFailure {
    /// The device.
    #[n(0)]
    pub device: DeviceRef,
    /// The credential that was on its way.
    #[n(1)]
    pub credential: Option<CredentialId>,
    /// True if we refused the device, false if it refused us, fell silent, or something broke.
    #[n(2)]
    pub refused: bool,
    /// What happened and what to do.
    #[n(3)]
    pub words: String,
}

impl NoteFailure {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut device = book.device(&self.device)?;
        let code = if self.refused { EventCode::Refused } else { EventCode::BootstrapFailed };
        let gap = book.gap(&self.device, &device, self.credential)?;
        let words = format!("{}{gap}", self.words);
        let event = Event { code, credential: self.credential, words };
        book.record(&self.device, &mut device, event)?;
        book.store_device(&self.device, device);
        Ok(Outcome::Done)
    }
}
