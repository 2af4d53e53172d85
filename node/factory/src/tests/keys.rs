use super::*;
use crate::key::thumbprint;

#[test]
fn a_thumbprint_is_that_of_rfc_8037() {
    // Appendix A.3.
    let id = thumbprint("Ed25519", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(id.to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(id.to_string().parse(), Ok(id));
}

#[test]
fn a_public_key_has_the_pem_that_other_tools_read() {
    // RFC 7748 §6.1, Alice's; as `openssl pkey -pubin` reads it.
    let bytes = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    let bytes = data_encoding::HEXLOWER.decode(bytes.as_bytes()).unwrap();
    let key = PublicKey::new(bytes.as_slice().try_into().unwrap(), "");
    let line = "MCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{line}\n-----END PUBLIC KEY-----\n");
    assert_eq!(key.pem(), pem);
}

#[test]
fn files_read_back_and_the_public_one_has_no_secret() {
    let key = key("default");

    let private = serde_json::to_string(&key).unwrap();
    let public = serde_json::to_string(key.public()).unwrap();

    let read: PrivateKey = serde_json::from_str(&private).unwrap();
    assert_eq!(read.expose_bytes(), key.expose_bytes());
    assert_eq!(&serde_json::from_str::<PublicKey>(&public).unwrap(), key.public());
    assert!(private.contains("\"d\":") && !public.contains("\"d\":"), "{public}");
    // The owner's file serves for the public one, and further members are passed over.
    assert_eq!(&serde_json::from_str::<PublicKey>(&private).unwrap(), key.public());
}

#[test]
fn refuses_what_is_no_key_without_quoting_it() {
    let good = serde_json::to_value(key("t")).unwrap();
    let other = serde_json::to_value(PrivateKey::make("t", &mut rng(2))).unwrap();
    let table = [
        ("kty", serde_json::json!("EC"), BadKey::Kind),
        ("crv", serde_json::json!("Ed25519"), BadKey::Kind),
        ("x", serde_json::json!("canary"), BadKey::Length),
        ("d", serde_json::json!("canary"), BadKey::Length),
        ("kid", other["kid"].clone(), BadKey::Id),
        ("d", other["d"].clone(), BadKey::Pair),
    ];
    for (member, value, expected) in table {
        let mut file = good.clone();
        file[member] = value;
        let words = serde_json::from_value::<PrivateKey>(file).unwrap_err().to_string();
        assert_eq!(words, expected.to_string());
    }
}

#[test]
fn debug_hides_the_private_half() {
    let key = key("t");
    let secret = data_encoding::BASE64URL_NOPAD.encode(key.expose_bytes());
    let shown = format!("{key:?}");
    assert!(shown.ends_with(", ..)") && !shown.contains(&secret), "{shown}");
}
