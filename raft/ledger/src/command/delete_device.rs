//! The end of a device.

use crate::ending::End;
use crate::event::{Event, EventCode};
use crate::key::{self, Kind};
use crate::record::{CredentialKind, Device, State};
use crate::state::{Book, Stop};
use crate::{DeviceRef, Ended, Outcome};
use minicbor::{Decode, Encode};

/// Deletes a device and all that it has, but for its audit entries, what its LwM2M servers must
/// still be told, and the ids of sessions that ended just now: their numbers must not begin anew
/// if the device is enrolled again. Its id, endpoint name and identities are free again.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct DeleteDevice {
    /// The device.
    #[n(0)]
    pub device: DeviceRef,
}

/// What goes with a device. The number of its rows is bounded for each of them; those of
/// [`Kind::Memory`] are of before nobody wrote them.
const ROWS: [Kind; 6] =
    [Kind::Credential, Kind::Material, Kind::Session, Kind::Memory, Kind::Timeline, Kind::Recent];

impl DeleteDevice {
    /// Notes that the endpoint name was deleted, if a certificate might bring it back: no trust
    /// anchor enrols it until somebody has enrolled it again.
    fn shut_out(&self, book: &mut Book<'_>, device: &Device) -> Result<(), Stop> {
        let anchors = book.trust_anchors(&self.device.tenant)?;
        let credentials = book.credentials(&self.device)?;
        let certified = credentials.iter().any(|(_, it)| it.kind == CredentialKind::Certificate);
        if certified || anchors.iter().any(|(_, anchor)| anchor.enrol_with.is_some()) {
            let name = device.endpoint.as_bytes();
            let at = book.at;
            book.store(key::in_realm(Kind::Deleted, &device.realm, name), &at);
        }
        Ok(())
    }

    pub(super) fn apply(&self, book: &mut Book<'_>) -> Result<Outcome, Stop> {
        let of = &self.device;
        let mut device = book.device(of)?;
        let mut ended = Ended::default();
        self.shut_out(book, &device)?;
        for (id, credential) in book.credentials(of)? {
            if credential.state != State::Revoked {
                let how = End::Revoked("Its device was deleted.");
                book.end(of, &mut device, id, how, &mut ended)?;
            }
        }
        let words = format!("The device \"{}\" was deleted.", device.endpoint);
        let event = Event { code: EventCode::DeviceDeleted, credential: None, words };
        book.record(of, &mut device, event)?;
        book.tell()?;
        book.use_profile(&of.tenant, &device.profile, false)?;
        book.drop_row(&key::in_realm(Kind::Endpoint, &device.realm, device.endpoint.as_bytes()));
        for kind in ROWS {
            for row in book.keys_under(&key::of_device(kind, of), usize::MAX) {
                book.drop_row(&row);
            }
        }
        book.forget_ends(of, usize::MAX)?;
        book.drop_row(&key::of_device(Kind::Device, of));
        Ok(Outcome::Ended(ended))
    }
}
