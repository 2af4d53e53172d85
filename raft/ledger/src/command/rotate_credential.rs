//! A fresh credential at the next bootstrap.

use crate::event::{Event, EventCode};
use crate::state::{Book, Stop};
use crate::{DeviceRef, Ended, Outcome};
use minicbor::{Decode, Encode};

/// Sees to it that the device's next bootstrap brings a freshly made credential, even if one is
/// staged already.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RotateCredential {
    /// The device.
    #[n(0)]
    pub device: DeviceRef,
}

impl RotateCredential {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut device = book.device(&self.device)?;
        let mut withdrawn = Vec::new();
        if let Some(staged) = device.staged.take() {
            let why = "A fresh one was asked for before the device had it.";
            book.supersede(&self.device, &mut device, staged, why, Some(&mut withdrawn))?;
        }
        let words = "The next bootstrap brings a freshly made credential.".to_owned();
        let event = Event { code: EventCode::RotationDue, credential: None, words };
        book.record(&self.device, &mut device, event)?;
        book.store_device(&self.device, device);
        let withdrawn = withdrawn.into_iter().map(|id| (self.device.clone(), id)).collect();
        Ok(Outcome::Ended(Ended { withdrawn, ..Ended::default() }))
    }
}
