use super::*;
use crate::resource::ObjectLink;
use proptest::prelude::*;

const PATH: ObjectPath = ObjectPath::of_instance(3, 0);

fn one(id: u16, value: Value<'_>) -> Resource<'_> {
    Resource::new(0, id, value)
}

fn item(id: u16, item: u16, value: Value<'_>) -> Resource<'_> {
    Resource { item: Some(item), ..one(id, value) }
}

/// The Device instance of TS 1.0 §6.4.3.3.1, "Single Object Instance Request Example".
fn device() -> Vec<Resource<'static>> {
    vec![
        one(0, Value::string("Open Mobile Alliance")),
        one(1, Value::string("Lightweight M2M Client")),
        one(2, Value::string("345000123")),
        one(3, Value::string("1.0")),
        item(6, 0, Value::Integer(1)),
        item(6, 1, Value::Integer(5)),
        item(7, 0, Value::Integer(3800)),
        item(7, 1, Value::Integer(5000)),
        item(8, 0, Value::Integer(125)),
        item(8, 1, Value::Integer(900)),
        one(9, Value::Integer(100)),
        one(10, Value::Integer(15)),
        item(11, 0, Value::Integer(0)),
        one(13, Value::Integer(1_367_491_215)),
        one(14, Value::string("+02:00")),
        one(16, Value::string("U")),
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

/// Writes `resources`, and reads them with the types that they were written with.
#[track_caller]
fn both_ways(path: ObjectPath, bytes: &[u8], resources: &[Resource<'_>]) {
    assert_eq!(encode(path, resources).expect("within the limits")[..], *bytes);
    let read = decode(path, bytes).expect("readable");
    assert_eq!(retyped(&read, resources), resources);
}

fn retyped<'a>(read: &[Resource<'a>], like: &[Resource<'_>]) -> Vec<Resource<'a>> {
    let retype = |(read, like): (&Resource<'a>, &Resource<'_>)| {
        let Value::Untyped(bytes) = read.value else { panic!("a TLV has no type") };
        let value = match like.value {
            Value::Integer(_) => Value::Integer(read.value.as_integer().expect("an integer")),
            Value::Float(_) => Value::Float(read.value.as_float().expect("a float")),
            Value::Boolean(_) => Value::Boolean(read.value.as_bool().expect("a boolean")),
            Value::String(_) => Value::string(core::str::from_utf8(bytes).expect("a string")),
            Value::ObjectLink(_) => {
                Value::ObjectLink(read.value.as_object_link().expect("an object link"))
            }
            Value::Opaque(_) => Value::opaque(bytes),
            Value::Untyped(_) => Value::Untyped(bytes),
        };
        Resource { value, ..read.clone() }
    };
    assert_eq!(read.len(), like.len());
    read.iter().zip(like).map(retype).collect()
}

#[test]
fn the_specs_device_example_goes_both_ways() {
    both_ways(PATH, DEVICE, &device());
}

#[test]
fn the_specs_object_instance_example_goes_both_ways() {
    let bytes = [b"\x08\x00\x79", DEVICE].concat();

    both_ways(ObjectPath { object: 3, instance: None }, &bytes, &device());
}

#[test]
fn the_specs_access_control_example_goes_both_ways() {
    let bytes = b"\x08\x00\x0e\xc1\x00\x01\xc1\x01\x00\x83\x02\x41\x7f\x07\xc1\x03\x7f\
        \x08\x02\x12\xc1\x00\x03\xc1\x01\x00\x87\x02\x41\x7f\x07\x61\x01\x36\x01\xc1\x03\x7f";
    let int =
        |instance, id, item, number| Resource { instance, id, item, value: Value::Integer(number) };

    both_ways(
        ObjectPath { object: 2, instance: None },
        bytes,
        &[
            int(0, 0, None, 1),
            int(0, 1, None, 0),
            int(0, 2, Some(127), 7),
            int(0, 3, None, 127),
            int(2, 0, None, 3),
            int(2, 1, None, 0),
            int(2, 2, Some(127), 7),
            int(2, 2, Some(310), 1),
            int(2, 3, None, 127),
        ],
    );
}

#[test]
fn the_specs_object_link_example_goes_both_ways() {
    let link = |id, instance| item(0, id, Value::ObjectLink(ObjectLink { object: 66, instance }));
    let bytes = b"\x88\x00\x0c\x44\x00\x00\x42\x00\x00\x44\x01\x00\x42\x00\x01\
        \xc8\x01\x0d8613800755500\xc4\x02\x12\x34\x56\x78";

    both_ways(
        PATH,
        bytes,
        &[
            link(0, 0),
            link(1, 1),
            one(1, Value::string("8613800755500")),
            one(2, Value::Integer(0x1234_5678)),
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
        let bytes = encode(PATH, &[one(5, Value::opaque(&vec![7; len]))]).expect("within limits");

        assert_eq!(bytes[..header.len()], *header, "a body of {len}");
        assert_eq!(bytes.len(), header.len() + len);
    }
}

#[test]
fn integers_take_1_2_4_or_8_bytes() {
    for (number, bytes) in [
        (127, &b"\xc1\x05\x7f"[..]),
        (-128, b"\xc1\x05\x80"),
        (128, b"\xc2\x05\x00\x80"),
        (32_768, b"\xc4\x05\x00\x00\x80\x00"),
        (86_400, b"\xc4\x05\x00\x01\x51\x80"),
        (4_294_967_295, b"\xc8\x05\x08\x00\x00\x00\x00\xff\xff\xff\xff"),
    ] {
        both_ways(PATH, bytes, &[one(5, Value::Integer(number))]);
    }
}

#[test]
fn floats_take_4_bytes_where_that_is_all() {
    both_ways(PATH, b"\xc4\x05\x3f\x00\x00\x00", &[one(5, Value::Float(0.5))]);
    both_ways(PATH, b"\xc8\x05\x08\x3f\xb9\x99\x99\x99\x99\x99\x9a", &[one(5, Value::Float(0.1))]);
}

#[test]
fn reads_ids_and_lengths_that_are_wider_than_needed() {
    for bytes in [&b"\xe1\x00\x09\x64"[..], b"\xd8\x09\x00\x00\x01\x64"] {
        assert_eq!(decode(PATH, bytes), Ok(vec![one(9, Value::Untyped(&[100]))]));
    }
}

#[test]
fn refuses_bytes_that_end_early() {
    for cut in
        [&b"\xc1"[..], b"\xc1\x09", b"\xe1\x00", b"\xc8\x00", b"\xc8\x00\x02a", b"\xd8\x00\xff\xff"]
    {
        assert_eq!(decode(PATH, cut), Err(TlvError::Truncated), "{cut:02x?}");
    }
}

#[test]
fn refuses_a_body_that_reaches_past_the_one_around_it() {
    let object = ObjectPath { object: 3, instance: None };

    assert_eq!(decode(object, b"\x03\x00\xc2\x00\x01\x02"), Err(TlvError::Truncated));
    assert_eq!(decode(PATH, b"\x83\x00\x42\x00\x01\x02"), Err(TlvError::Truncated));
}

#[test]
fn refuses_a_tlv_where_its_type_has_no_place() {
    let object = ObjectPath { object: 3, instance: None };

    for (path, bytes) in [
        (object, &b"\xc1\x00\x01"[..]),
        (object, b"\x02\x00\x00\x00"),
        (object, b"\x02\x00\x40\x00"),
        (PATH, b"\x02\x00\xc0\x00"),
        (PATH, b"\x82\x06\xc0\x00"),
        (PATH, b"\x40\x00"),
    ] {
        assert_eq!(decode(path, bytes), Err(TlvError::Misplaced), "{path:?} {bytes:02x?}");
    }
}

#[test]
fn refuses_to_write_a_resource_of_another_instance() {
    let stray = Resource { instance: 1, ..one(0, Value::Integer(0)) };

    assert_eq!(encode(PATH, &[stray]).err(), Some(TlvError::Misplaced));
}

#[test]
fn refuses_more_entries_than_the_limit_at_any_depth() {
    let flat = [0xc0, 0x00].repeat(MAX_ENTRIES);
    let more = [0xc0, 0x00].repeat(MAX_ENTRIES + 1);
    let inside = |kind: u8, row: &[u8]| {
        let [high, low] = (row.len() as u16).to_be_bytes();
        [&[kind | 0x10, 0, high, low][..], row].concat()
    };
    let in_an_instance = inside(0x00, &flat);
    let in_a_multiple_resource = inside(0x80, &[0x40, 0x00].repeat(MAX_ENTRIES));
    let after_one = [&inside(0x00, b"\xc0\x00")[..], &inside(0x00, &flat[4..])].concat();
    let object = ObjectPath { object: 3, instance: None };

    assert_eq!(decode(PATH, &flat).map(|row| row.len()), Ok(MAX_ENTRIES));
    assert_eq!(decode(PATH, &more), Err(TlvError::TooMany));
    assert_eq!(decode(object, &in_an_instance), Err(TlvError::TooMany));
    assert_eq!(decode(PATH, &in_a_multiple_resource), Err(TlvError::TooMany));
    assert_eq!(decode(object, &after_one), Err(TlvError::TooMany));
}

#[test]
fn refuses_a_payload_past_the_limit() {
    assert_eq!(decode(PATH, &vec![0; MAX_PAYLOAD + 1]), Err(TlvError::TooLong));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused_and_what_was_read_can_be_written(
        bytes in prop::collection::vec(any::<u8>(), 0..64), of_object: bool
    ) {
        let path = if of_object { ObjectPath { object: 3, instance: None } } else { PATH };
        if let Ok(resources) = decode(path, &bytes) {
            let again = encode(path, &resources).expect("what was read is well placed");
            prop_assert!(again.len() <= bytes.len());
            prop_assert_eq!(decode(path, &again), Ok(resources));
        }
    }
}
