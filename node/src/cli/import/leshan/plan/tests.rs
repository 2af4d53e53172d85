//! Devices, accounts and profiles, and what becomes of them.

use super::*;
use claviger_api::PutProfile;
use claviger_api::SecurityMode;
use serde_json::Value;

const URI: &str = "coaps://lwm2m.example:5684";

fn profile(name: &str, server_uri: &str, short_server_id: u16) -> Profile {
    let put = PutProfile::new(server_uri, "c");
    Profile {
        name: name.into(),
        server_uri: put.server_uri,
        short_server_id,
        registration_lifetime: put.registration_lifetime,
        credential_lifetime: put.credential_lifetime,
        binding: put.binding,
        security_mode: SecurityMode::Psk,
        connector: put.connector,
        version: 1,
    }
}

fn device(endpoint: &str) -> Device {
    let key = Zeroizing::new(b"\xCA\xFE".to_vec());
    Device { endpoint: endpoint.into(), proof: Proof::Psk { identity: "who".into(), key } }
}

fn account(uri: &str) -> Account {
    Account { uri: uri.into(), short_server_id: 123, lifetime: Some(300) }
}

fn accounts(of: &[(&str, &[Account])]) -> Accounts {
    of.iter().map(|(endpoint, accounts)| ((*endpoint).to_owned(), accounts.to_vec())).collect()
}

/// What stands in the way of the one device, and what is said once.
fn obstacle(plan: &Plan<'_>, device: Device, accounts: &Accounts) -> (String, String) {
    let made = plan.make(vec![device], accounts);
    assert!(made.found.lines.is_empty());
    let problem = made.found.refused[0].problem.clone().unwrap();
    (format!("{} {}", problem.detail, problem.hint), made.notes.join("\n"))
}

#[test]
fn a_device_gets_the_profile_of_its_account_and_keeps_its_key() {
    let profiles = [profile("other", URI, 1), profile("meters", &format!("{URI}/"), 123)];
    let plan = Plan::new(&profiles, None, &[]).unwrap();

    let made = plan.make(vec![device("urn:dev:1")], &accounts(&[("urn:dev:1", &[account(URI)])]));

    let [Line { number: 1, json: Ok(json) }] = made.found.lines.as_slice() else { panic!("one") };
    let json: Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["profile"], "meters");
    assert_eq!(json["psk"]["identity"], "who");
    assert_eq!(json["psk"]["key"]["value"], "cafe");
    assert_eq!(made.notes, [format!("{URI} (Short Server ID 123): profile meters, devices: 1")]);
}

#[test]
fn a_missing_profile_is_told_with_the_command_that_makes_it() {
    let plan = Plan::new(&[], None, &[]).unwrap();

    let (words, notes) = obstacle(&plan, device("d"), &accounts(&[("d", &[account(URI)])]));

    assert!(words.contains("no profile has the server coaps://lwm2m.example:5684"), "{words}");
    let command = "claviger profile put NAME --server-uri coaps://lwm2m.example:5684 \
                   --short-server-id 123 --registration-lifetime 300 --connector CONNECTOR";
    assert!(notes.contains(command), "{notes}");
}

#[test]
fn an_account_without_security_has_no_such_command() {
    let plan = Plan::new(&[], None, &[]).unwrap();
    let open = account("coap://lwm2m.example:5683");

    let (_, notes) = obstacle(&plan, device("d"), &accounts(&[("d", &[open])]));

    assert!(notes.contains("coaps://host:port only; name one by --map"), "{notes}");
    assert!(!notes.contains("profile put"), "{notes}");
}

#[test]
fn a_uri_that_a_shell_would_run_is_in_no_command() {
    let plan = Plan::new(&[], None, &[]).unwrap();
    for uri in ["coaps://a;touch${IFS}canary", "coaps://$(canary)", "coaps://a`b`", "coaps://a|b"] {
        let (_, notes) = obstacle(&plan, device("d"), &accounts(&[("d", &[account(uri)])]));

        assert!(notes.contains("name one by --map") && !notes.contains("profile put"), "{notes}");
    }
}

#[test]
fn what_is_not_clear_is_refused_until_it_is_named() {
    let two = [profile("a", URI, 123), profile("b", URI, 123)];
    let one = accounts(&[("d", &[account(URI)])]);
    let plan = Plan::new(&two, None, &[]).unwrap();
    let (words, _) = obstacle(&plan, device("d"), &one);
    assert!(
        words.contains("several profiles have the server") && words.contains("a, b"),
        "{words}"
    );

    let map = [(URI.to_owned(), "b".to_owned())];
    let made = Plan::new(&two, None, &map).unwrap().make(vec![device("d")], &one);
    assert!(made.found.refused.is_empty());

    let (words, _) = obstacle(&plan, device("d"), &accounts(&[("d", &[])]));
    assert!(words.contains("no account"), "{words}");
    let (words, _) =
        obstacle(&plan, device("d"), &accounts(&[("d", &[account(URI), account("x")])]));
    assert!(words.contains("accounts at 2 LwM2M servers"), "{words}");
}

#[test]
fn a_profile_for_all_needs_no_account() {
    let profiles = [profile("meters", URI, 1)];

    let plan = Plan::new(&profiles, Some("meters"), &[]).unwrap();
    let made = plan.make(vec![device("a"), device("b")], &Accounts::default());

    assert_eq!((made.found.lines.len(), made.found.refused.len()), (2, 0));
    assert_eq!(made.notes, ["profile meters, devices: 2"]);
}

#[test]
fn a_profile_that_is_named_must_be_there() {
    let profiles = [profile("meters", URI, 1)];
    let map = [(URI.to_owned(), "absent".to_owned())];
    for plan in [Plan::new(&profiles, Some("absent"), &[]), Plan::new(&profiles, None, &map)] {
        assert!(plan.err().unwrap().contains("no profile named \"absent\""));
    }
}

#[test]
fn what_proves_itself_otherwise_is_refused_in_words() {
    let profiles = [profile("meters", URI, 1)];
    let plan = Plan::new(&profiles, Some("meters"), &[]).unwrap();
    let table = [
        (Proof::RawPublicKey(None), "no key"),
        (Proof::Certificate, "a certificate"),
        (Proof::Oscore, "OSCORE"),
        (Proof::Nothing, "no key"),
    ];
    for (proof, expected) in table {
        let device = Device { endpoint: "d".into(), proof };
        let (words, _) = obstacle(&plan, device, &Accounts::default());
        assert!(words.contains(expected), "{words}");
    }
}
