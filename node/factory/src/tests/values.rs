use super::*;
use proptest::prelude::*;

const SECRET: &[u8] = b"0123456789abcdef";
/// As another implementation wrote it by our format: it must open for ever.
const GOLDEN: &str = include_str!("golden.txt");

fn sealed() -> Sealed {
    key("default").public().seal(binding(), SECRET, &mut rng(7)).unwrap()
}

#[test]
fn a_value_of_version_one_opens_for_ever() {
    let key = PrivateKey::new(&[1; 32], "default");
    let value: Sealed = GOLDEN.trim_end().parse().unwrap();

    assert_eq!(key.open(binding(), &value).unwrap().as_slice(), SECRET);
    assert_eq!(value.key, key.public().id());
    assert_eq!(value.to_string(), GOLDEN.trim_end());
}

#[test]
fn a_value_that_is_moved_does_not_open() {
    let value = sealed();
    let moved = [
        Binding { purpose: Purpose::Operational, ..binding() },
        Binding { endpoint: "urn:dev:2", ..binding() },
        Binding { identity: b"identity-2", ..binding() },
        // The same bytes, parted elsewhere.
        Binding { endpoint: "urn:dev:1identity", identity: b"-1", ..binding() },
    ];
    for binding in moved {
        assert_eq!(key("default").open(binding, &value), Err(DoesNotOpen), "{binding:?}");
    }
    assert_eq!(key("other").open(binding(), &value), Err(DoesNotOpen));
    let other = PrivateKey::make("default", &mut rng(2));
    assert_eq!(other.open(binding(), &value), Err(DoesNotOpen));
}

#[test]
fn a_value_with_one_bit_changed_does_not_open() {
    let text = sealed().to_string();
    let (head, body) = text.rsplit_once('.').unwrap();
    let bytes = data_encoding::BASE64URL_NOPAD.decode(body.as_bytes()).unwrap();
    for place in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;
        let text = format!("{head}.{}", data_encoding::BASE64URL_NOPAD.encode(&bytes));
        assert_eq!(key("default").open(binding(), &text.parse().unwrap()), Err(DoesNotOpen));
    }
    for length in 0..bytes.len() {
        let text = format!("{head}.{}", data_encoding::BASE64URL_NOPAD.encode(&bytes[..length]));
        assert_eq!(key("default").open(binding(), &text.parse().unwrap()), Err(DoesNotOpen));
    }
}

#[test]
fn the_same_secret_is_another_value_each_time() {
    let key = key("default");
    let value = |seed| key.public().seal(binding(), SECRET, &mut rng(seed)).unwrap();
    assert_ne!(value(1), value(2));
    assert_eq!(value(1).key, key.public().id());
}

#[test]
fn refuses_what_is_no_value() {
    let good = sealed().to_string();
    let table = [
        (String::new(), NoValue::Form),
        ("1.".into(), NoValue::Form),
        ("1.canary.AA".into(), NoValue::Form),
        (good.replacen("1.", "2.", 1), NoValue::Version),
        (format!("{good}="), NoValue::Form),
        (format!("{good}."), NoValue::Form),
        (format!("{good}{}", "A".repeat(4096)), NoValue::Form),
    ];
    for (text, why) in table {
        assert_eq!(text.parse::<Sealed>(), Err(why), "{text}");
    }
}

#[test]
fn nothing_is_encrypted_to_a_point_of_low_order() {
    let zero = PublicKey::new([0; 32], "default");
    assert_eq!(zero.seal(binding(), SECRET, &mut rng(1)), Err(Unsuitable));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_opens(
        secret in prop::collection::vec(any::<u8>(), 0..100),
        tenant in ".{0,20}",
        endpoint in ".{0,40}",
        identity in prop::collection::vec(any::<u8>(), 0..40),
        seed: u64,
    ) {
        let key = PrivateKey::make(tenant, &mut rng(seed));
        let binding = Binding { purpose: Purpose::Operational, endpoint: &endpoint, identity: &identity };
        let value = key.public().seal(binding, &secret, &mut rng(seed ^ 1)).unwrap();
        let read: Sealed = value.to_string().parse().unwrap();
        prop_assert_eq!(&read, &value);
        let opened = key.open(binding, &read).unwrap();
        prop_assert_eq!(opened.as_slice(), secret.as_slice());
    }

    #[test]
    fn no_text_breaks_the_reader(text in ".{0,200}") {
        let _ = text.parse::<Sealed>();
    }
}
