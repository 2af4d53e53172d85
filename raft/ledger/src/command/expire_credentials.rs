//! The end of credentials whose time is over.

use crate::ending::End;
use crate::key::{self, Kind};
use crate::record::{Credential, Device};
use crate::state::{Book, Stop};
use crate::{CredentialId, DeviceRef, Ended, Outcome};
use minicbor::{Decode, Encode};

/// Expires those of the credentials named whose not-after has passed; the others are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ExpireCredentials {
    /// Credentials; those behind the first [`ExpireCredentials::MOST`] are not looked at.
    #[n(0)]
    pub credentials: Vec<(DeviceRef, CredentialId)>,
}

impl ExpireCredentials {
    /// How many credentials one command takes.
    pub const MOST: usize = 256;

    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let mut ended = Ended::default();
        for (of, id) in self.credentials.iter().take(Self::MOST) {
            let device = book.load::<Device>("a device", &key::of_device(Kind::Device, of))?;
            let row = key::credential(Kind::Credential, of, *id);
            let credential = book.load::<Credential>("a credential", &row)?;
            let (Some(mut device), Some(credential)) = (device, credential) else { continue };
            let is_over = credential.not_after.is_some_and(|end| end <= book.at);
            if is_over && credential.state.is_live() {
                book.end(of, &mut device, *id, End::Expired, &mut ended)?;
                book.store_device(of, device);
            }
        }
        Ok(Outcome::Ended(ended))
    }
}
