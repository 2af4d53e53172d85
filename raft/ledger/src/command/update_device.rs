//! A change of a device.

use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::state::{Book, Stop};
use crate::{DeviceRef, Ended, Outcome, Refusal};
use minicbor::{Decode, Encode};

/// Gives a device another profile; its next bootstrap follows it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct UpdateDevice {
    /// The device.
    #[n(0)]
    pub device: DeviceRef,
    /// The bootstrap profile, which must exist.
    #[n(1)]
    pub profile: String,
}

impl UpdateDevice {
    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut device = book.device(&self.device)?;
        let tenant = &self.device.tenant;
        if !book.holds(&key::named(Kind::Profile, tenant, &self.profile)) {
            return Err(Refusal::not_found("profile", &self.profile).into());
        }
        if device.profile == self.profile {
            return Ok(Outcome::Ended(Ended::default()));
        }
        let mut withdrawn = Vec::new();
        if let Some(staged) = device.staged.take() {
            let why = "The device was given another profile.";
            book.supersede(&self.device, &mut device, staged, why, Some(&mut withdrawn))?;
        }
        book.use_profile(tenant, &device.profile, false)?;
        book.use_profile(tenant, &self.profile, true)?;
        let before = core::mem::replace(&mut device.profile, self.profile.clone());
        let words = format!("Given the profile \"{}\" in place of \"{before}\".", self.profile);
        let event = Event { code: EventCode::DeviceChanged, credential: None, words };
        book.record(&self.device, &mut device, event)?;
        book.store_device(&self.device, device);
        let withdrawn = withdrawn.into_iter().map(|id| (self.device.clone(), id)).collect();
        Ok(Outcome::Ended(Ended { withdrawn, ..Ended::default() }))
    }
}
