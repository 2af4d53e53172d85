use super::*;
use proptest::prelude::*;

fn value(bytes: &[u8]) -> Value {
    Value::opaque(bytes)
}

/// The Device instance of TS 1.0 §6.4.3.3.1, "Single Object Instance Request Example".
fn device_resources() -> Vec<Tlv> {
    let one = |id, v| Tlv::ResourceInstance(id, Value::integer(v));
    vec![
        Tlv::Resource(0, Value::string("Open Mobile Alliance")),
        Tlv::Resource(1, Value::string("Lightweight M2M Client")),
        Tlv::Resource(2, Value::string("345000123")),
        Tlv::Resource(3, Value::string("1.0")),
        Tlv::MultipleResource(6, vec![one(0, 1), one(1, 5)]),
        Tlv::MultipleResource(7, vec![one(0, 3800), one(1, 5000)]),
        Tlv::MultipleResource(8, vec![one(0, 125), one(1, 900)]),
        Tlv::Resource(9, Value::integer(100)),
        Tlv::Resource(10, Value::integer(15)),
        Tlv::MultipleResource(11, vec![one(0, 0)]),
        Tlv::Resource(13, Value::time(1_367_491_215)),
        Tlv::Resource(14, Value::string("+02:00")),
        Tlv::Resource(16, Value::string("U")),
    ]
}

const DEVICE: &[u8] = b"\xc8\x00\x14Open Mobile Alliance\
    \xc8\x01\x16Lightweight M2M Client\
    \xc8\x02\x09345000123\
    \xc3\x031.0\
    \x86\x06\x41\x00\x01\x41\x01\x05\
    \x88\x07\x08\x42\x00\x0e\xd8\x42\x01\x13\x88\
    \x87\x08\x41\x00\x7d\x42\x01\x03\x84\
    \xc1\x09\x64\
    \xc1\x0a\x0f\
    \x83\x0b\x41\x00\x00\
    \xc4\x0d\x51\x82\x42\x8f\
    \xc6\x0e+02:00\
    \xc1\x10U";

fn both_ways(bytes: &[u8], entries: Vec<Tlv>) {
    assert_eq!(decode(bytes).as_deref(), Ok(&entries[..]));
    assert_eq!(encode(&entries).expect("within the limits")[..], *bytes);
}

#[test]
fn the_specs_device_example_goes_both_ways() {
    both_ways(DEVICE, device_resources());
}

#[test]
fn the_specs_object_instance_example_goes_both_ways() {
    let bytes = [b"\x08\x00\x79", DEVICE].concat();

    both_ways(&bytes, vec![Tlv::ObjectInstance(0, device_resources())]);
}

#[test]
fn the_specs_access_control_example_goes_both_ways() {
    let int = |id, v| Tlv::Resource(id, Value::integer(v));
    let bytes = b"\x08\x00\x0e\xc1\x00\x01\xc1\x01\x00\x83\x02\x41\x7f\x07\xc1\x03\x7f\
        \x08\x02\x12\xc1\x00\x03\xc1\x01\x00\x87\x02\x41\x7f\x07\x61\x01\x36\x01\xc1\x03\x7f";
    let acl = |id, v| Tlv::ResourceInstance(id, Value::integer(v));

    both_ways(
        bytes,
        vec![
            Tlv::ObjectInstance(
                0,
                vec![
                    int(0, 1),
                    int(1, 0),
                    Tlv::MultipleResource(2, vec![acl(127, 7)]),
                    int(3, 127),
                ],
            ),
            Tlv::ObjectInstance(
                2,
                vec![
                    int(0, 3),
                    int(1, 0),
                    Tlv::MultipleResource(2, vec![acl(127, 7), acl(310, 1)]),
                    int(3, 127),
                ],
            ),
        ],
    );
}

#[test]
fn the_specs_object_link_example_goes_both_ways() {
    let link = |id, instance| {
        Tlv::ResourceInstance(id, Value::object_link(ObjectLink { object: 66, instance }))
    };
    let bytes = b"\x88\x00\x0c\x44\x00\x00\x42\x00\x00\x44\x01\x00\x42\x00\x01\
        \xc8\x01\x0d8613800755500\xc4\x02\x12\x34\x56\x78";

    both_ways(
        bytes,
        vec![
            Tlv::MultipleResource(0, vec![link(0, 0), link(1, 1)]),
            Tlv::Resource(1, Value::string("8613800755500")),
            Tlv::Resource(2, Value::integer(0x1234_5678)),
        ],
    );
}

#[test]
fn lengths_take_8_16_and_24_bits_as_they_grow() {
    for (len, header) in [
        (7, &b"\xc7\x05"[..]),
        (8, b"\xc8\x05\x08"),
        (255, b"\xc8\x05\xff"),
        (256, b"\xd0\x05\x01\x00"),
        (65_535, b"\xd0\x05\xff\xff"),
        (65_536, b"\xd8\x05\x01\x00\x00"),
    ] {
        let bytes = encode(&[Tlv::Resource(5, value(&vec![7; len]))]).expect("within the limits");

        assert_eq!(bytes[..header.len()], *header, "a body of {len}");
        assert_eq!(bytes.len(), header.len() + len);
    }
}

#[test]
fn reads_ids_and_lengths_that_are_wider_than_needed() {
    assert_eq!(decode(b"\xe1\x00\x09\x64"), Ok(vec![Tlv::Resource(9, Value::integer(100))]));
    assert_eq!(
        decode(b"\xd8\x09\x00\x00\x01\x64"),
        Ok(vec![Tlv::Resource(9, Value::integer(100))])
    );
}

#[test]
fn refuses_bytes_that_end_early() {
    for cut in
        [&b"\xc1"[..], b"\xc1\x09", b"\xe1\x00", b"\xc8\x00", b"\xc8\x00\x02a", b"\xd8\x00\xff\xff"]
    {
        assert_eq!(decode(cut), Err(TlvError::Truncated), "{cut:02x?}");
    }
}

#[test]
fn refuses_a_body_that_reaches_past_the_instance_around_it() {
    assert_eq!(decode(b"\x03\x00\xc2\x00\x01\x02"), Err(TlvError::Truncated));
}

#[test]
fn refuses_a_tlv_inside_one_that_cannot_hold_it() {
    let instance_in_instance = b"\x02\x00\x00\x00";
    let resource_in_multiple = b"\x82\x06\xc0\x00";
    let bare_resource_instance_in_instance = b"\x02\x00\x40\x00";

    assert_eq!(decode(instance_in_instance), Err(TlvError::Misplaced));
    assert_eq!(decode(resource_in_multiple), Err(TlvError::Misplaced));
    assert_eq!(decode(bare_resource_instance_in_instance), Err(TlvError::Misplaced));
    assert_eq!(
        encode(&[Tlv::MultipleResource(6, vec![Tlv::Resource(0, value(b""))])]),
        Err(TlvError::Misplaced)
    );
}

#[test]
fn refuses_more_entries_than_the_limit_at_any_depth() {
    let flat = [0xc0, 0x00].repeat(MAX_ENTRIES);
    let more = [0xc0, 0x00].repeat(MAX_ENTRIES + 1);
    let nested = encode(&[Tlv::ObjectInstance(0, decode(&flat).expect("at the limit"))]);

    assert_eq!(decode(&flat).map(|row| row.len()), Ok(MAX_ENTRIES));
    assert_eq!(decode(&more), Err(TlvError::TooMany));
    assert_eq!(decode(&nested.expect("within the limits")), Err(TlvError::TooMany));
}

#[test]
fn refuses_a_payload_past_the_limit() {
    assert_eq!(decode(&vec![0; MAX_PAYLOAD + 1]), Err(TlvError::TooLong));
}

#[test]
fn integers_take_1_2_4_or_8_bytes() {
    for (number, bytes) in [
        (127, &[0x7f][..]),
        (-128, &[0x80]),
        (128, &[0x00, 0x80]),
        (32_768, &[0, 0, 0x80, 0]),
        (86_400, &[0x00, 0x01, 0x51, 0x80]),
        (4_294_967_295, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
    ] {
        assert_eq!(Value::integer(number).bytes(), bytes);
        assert_eq!(value(bytes).as_integer(), Ok(number));
    }
}

#[test]
fn refuses_values_of_another_shape() {
    for bytes in [&b""[..], b"abc", b"abcde", b"123456789"] {
        assert_eq!(value(bytes).as_integer(), Err(TlvError::Value("integer")));
        assert_eq!(value(bytes).as_time(), Err(TlvError::Value("time")));
        assert_eq!(value(bytes).as_object_link(), Err(TlvError::Value("object link")));
    }
    assert_eq!(value(&[2]).as_bool(), Err(TlvError::Value("boolean")));
    assert_eq!(value(&[0, 1]).as_bool(), Err(TlvError::Value("boolean")));
    assert_eq!(value(&[0xff]).as_str(), Err(TlvError::Value("string")));
}

#[test]
fn debug_does_not_show_a_value() {
    let shown = format!("{:?}", Tlv::Resource(5, value(b"secret")));

    assert_eq!(shown, "Resource(5, Value(6 bytes))");
}

fn any_value() -> impl Strategy<Value = Value> {
    prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Value::opaque(&bytes))
}

fn any_resource() -> impl Strategy<Value = Tlv> {
    let instance = (any::<u16>(), any_value()).prop_map(|(id, v)| Tlv::ResourceInstance(id, v));
    prop_oneof![
        (any::<u16>(), any_value()).prop_map(|(id, v)| Tlv::Resource(id, v)),
        (any::<u16>(), prop::collection::vec(instance, 0..4))
            .prop_map(|(id, row)| Tlv::MultipleResource(id, row)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(
        rows in prop::collection::vec((any::<u16>(), prop::collection::vec(any_resource(), 0..4)), 0..4)
    ) {
        let entries: Vec<_> = rows.into_iter().map(|(id, row)| Tlv::ObjectInstance(id, row)).collect();

        let bytes = encode(&entries).expect("within the limits");

        prop_assert_eq!(bytes.len(), total_len(&entries));
        prop_assert_eq!(decode(&bytes), Ok(entries));
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_what_was_read_can_be_written(
        bytes in prop::collection::vec(any::<u8>(), 0..64)
    ) {
        if let Ok(entries) = decode(&bytes) {
            let again = encode(&entries).expect("what was read is well placed");
            prop_assert!(again.len() <= bytes.len());
            prop_assert_eq!(decode(&again), Ok(entries));
        }
    }

    #[test]
    fn an_integer_is_read_as_it_was_written(number: i64) {
        prop_assert_eq!(Value::integer(number).as_integer(), Ok(number));
    }
}
