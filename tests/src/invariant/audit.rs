//! Every credential that was issued, delivered, activated, superseded, revoked or has expired has one
//! audit entry for that.

use claviger_ledger::{CredentialId, DeviceRef, EventCode, Origin, State, View};
use std::collections::BTreeMap;

/// The events of a credential's life.
const LIFE: [EventCode; 7] = [
    EventCode::DeviceEnrolled,
    EventCode::CredentialIssued,
    EventCode::CredentialDelivered,
    EventCode::CredentialActivated,
    EventCode::CredentialSuperseded,
    EventCode::CredentialRevoked,
    EventCode::CredentialExpired,
];

/// What is wrong with the audit log of a device.
pub(crate) fn faults(view: &View<'_>, device: &DeviceRef) -> Vec<String> {
    let mut entries: BTreeMap<(CredentialId, &str), usize> = BTreeMap::new();
    for audited in view.audit(device) {
        if let Some(credential) = audited.entry.credential
            && LIFE.contains(&audited.entry.code)
        {
            *entries.entry((credential, audited.entry.code.as_str())).or_default() += 1;
        }
    }
    let mut breaches = Vec::new();
    for ((credential, code), count) in entries.iter().filter(|(_, count)| **count > 1) {
        breaches.push(format!("{code} of {credential} is audited {count} times"));
    }
    for (id, credential) in view.credentials(device) {
        let mut wanted = vec![match credential.origin {
            Origin::Manufacturer => EventCode::DeviceEnrolled,
            _ => EventCode::CredentialIssued,
        }];
        match credential.state {
            State::Delivered if credential.origin == Origin::Claviger => {
                wanted.push(EventCode::CredentialDelivered);
            }
            State::Active => wanted.push(EventCode::CredentialActivated),
            State::Superseded => wanted.push(EventCode::CredentialSuperseded),
            State::Revoked => wanted.push(EventCode::CredentialRevoked),
            State::Expired => wanted.push(EventCode::CredentialExpired),
            State::Staged | State::Delivered => {}
        }
        for code in wanted.iter().filter(|code| !entries.contains_key(&(id, code.as_str()))) {
            breaches.push(format!("{} of {id} is not audited", code.as_str()));
        }
    }
    breaches
}
