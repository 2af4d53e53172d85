//! Devices as they are told to people.

use crate::cli::output::{facts, plain, table};
use claviger_api::{Credential, CredentialType, Device as Row, DeviceDetail, TimelineEntry};

/// A line for each device.
pub(super) fn rows(devices: &[Row]) -> String {
    let row = |device: &Row| {
        let (id, endpoint) = (device.id.clone(), device.endpoint.clone());
        vec![id, endpoint, device.profile.clone(), device.created_at.to_string()]
    };
    table(&["ID", "ENDPOINT", "PROFILE", "ENROLLED"], &devices.iter().map(row).collect::<Vec<_>>())
}

/// A device as it is told to people.
pub(super) fn story(device: &DeviceDetail) -> String {
    let row = &device.device;
    let head = facts(&[
        ("Device", row.id.clone()),
        ("Endpoint", row.endpoint.clone()),
        ("Profile", row.profile.clone()),
        ("Enrolled", row.created_at.to_string()),
    ]);
    let credentials = credentials(&device.credentials);
    format!("{head}\n{credentials}\n{}", timeline(&device.timeline))
}

/// A line for each credential.
pub fn credentials(credentials: &[Credential]) -> String {
    let rows: Vec<_> = credentials.iter().map(credential).collect();
    table(&["CREDENTIAL", "ORIGIN", "STATE", "PROOF", "FOR", "VALID UNTIL"], &rows)
}

/// What a credential is known by: a PSK identity, the begin of a fingerprint, or a trust anchor.
pub fn proof(credential: &Credential) -> String {
    let Credential { identity, fingerprint, trust_anchor, .. } = credential;
    match credential.kind {
        CredentialType::Psk => format!("psk {}", identity.as_deref().unwrap_or_default()),
        CredentialType::PublicKey => {
            let fingerprint = fingerprint.as_deref().unwrap_or_default();
            format!("public key {}", fingerprint.get(..16).unwrap_or(fingerprint))
        }
        CredentialType::Certificate => {
            format!("certificate by {}", trust_anchor.as_deref().unwrap_or_default())
        }
    }
}

/// The cells of a credential.
fn credential(credential: &Credential) -> Vec<String> {
    let parties = match credential.parties.as_slice() {
        [] => "bootstrap".to_owned(),
        parties => parties.join(", "),
    };
    vec![
        credential.id.clone(),
        credential.origin.clone(),
        credential.state.clone(),
        proof(credential),
        parties,
        credential.not_after.map_or_else(|| "-".to_owned(), |end| end.to_string()),
    ]
}

/// What happened, a line for each.
pub(super) fn timeline(entries: &[TimelineEntry]) -> String {
    let line = |entry: &TimelineEntry| {
        let words = plain(&entry.words);
        format!("{:<24}  {:<24}  {words}\n", entry.time.to_string(), entry.code)
    };
    entries.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_api::Timestamp;

    fn device() -> DeviceDetail {
        let time = Timestamp(1_795_543_200_000);
        let entry = |code: &str, words: &str| TimelineEntry {
            time,
            index: 1,
            code: code.into(),
            credential: None,
            words: words.into(),
        };
        DeviceDetail {
            device: Row {
                id: "d".into(),
                endpoint: "urn:dev:1".into(),
                profile: "site".into(),
                created_at: time,
                version: 1,
            },
            credentials: vec![Credential {
                id: "00".into(),
                kind: CredentialType::Psk,
                state: "delivered".into(),
                identity: Some("i".into()),
                key_length: Some(16),
                public_key: None,
                fingerprint: None,
                trust_anchor: None,
                origin: "manufacturer".into(),
                parties: Vec::new(),
                not_before: Timestamp(0),
                not_after: None,
                confirmed_at: None,
                profile: None,
            }],
            timeline: vec![
                entry("device.enrolled", "Enrolled."),
                entry("session.opened", "Proved\x1b[0m its key."),
            ],
        }
    }

    #[test]
    fn a_device_reads_like_a_story() {
        assert_eq!(
            story(&device()),
            "Device    d\nEndpoint  urn:dev:1\nProfile   site\nEnrolled  2026-11-24T18:00:00Z\n\n\
             CREDENTIAL  ORIGIN        STATE      PROOF  FOR        VALID UNTIL\n\
             00          manufacturer  delivered  psk i  bootstrap  -\n\n\
             2026-11-24T18:00:00Z      device.enrolled           Enrolled.\n\
             2026-11-24T18:00:00Z      session.opened            Proved\u{fffd}[0m its key.\n"
        );
    }

    #[test]
    fn a_list_has_a_line_for_each() {
        let text = rows(&[device().device]);
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("d   urn:dev:1  site     2026-11-24T18:00:00Z\n"), "{text}");
    }
}
