use super::*;
use crate::format::MAX_PAYLOAD;
use crate::{Format, FormatError};

const DEVICE: ObjectPath = ObjectPath::of_instance(3, 0);

fn one(id: u16, value: Value<'_>) -> Resource<'_> {
    Resource::new(0, id, value)
}

fn item(id: u16, item: u16, value: Value<'_>) -> Resource<'_> {
    Resource { item: Some(item), ..one(id, value) }
}

/// The Device instance of Core §7.4.4 and §7.4.5, tables of `GET /3/0`.
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

const DEVICE_JSON: &str = r#"[{"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"},{"n":"1","vs":"Lightweight M2M Client"},{"n":"2","vs":"345000123"},{"n":"3","vs":"1.0"},{"n":"6/0","v":1},{"n":"6/1","v":5},{"n":"7/0","v":3800},{"n":"7/1","v":5000},{"n":"8/0","v":125},{"n":"8/1","v":900},{"n":"9","v":100},{"n":"10","v":15},{"n":"11/0","v":0},{"n":"13","v":1367491215},{"n":"14","vs":"+02:00"},{"n":"16","vs":"U"}]"#;

const DEVICE_CBOR: &[u8] = b"\x90\xa3\x21\x65/3/0/\x00\x610\x03\x74Open Mobile Alliance\
    \xa2\x00\x611\x03\x76Lightweight M2M Client\
    \xa2\x00\x612\x03\x69345000123\
    \xa2\x00\x613\x03\x631.0\
    \xa2\x00\x636/0\x02\x01\xa2\x00\x636/1\x02\x05\
    \xa2\x00\x637/0\x02\x19\x0e\xd8\xa2\x00\x637/1\x02\x19\x13\x88\
    \xa2\x00\x638/0\x02\x18\x7d\xa2\x00\x638/1\x02\x19\x03\x84\
    \xa2\x00\x619\x02\x18\x64\
    \xa2\x00\x6210\x02\x0f\
    \xa2\x00\x6411/0\x02\x00\
    \xa2\x00\x6213\x02\x1a\x51\x82\x42\x8f\
    \xa2\x00\x6214\x03\x66+02:00\
    \xa2\x00\x6216\x03\x61U";

#[test]
fn the_specs_device_example_goes_both_ways() {
    let json = json::encode(DEVICE, &device()).expect("within the limits");
    let cbor = cbor::encode(DEVICE, &device()).expect("within the limits");

    assert_eq!(core::str::from_utf8(&json), Ok(DEVICE_JSON));
    assert_eq!(cbor[..], *DEVICE_CBOR);
    assert_eq!(json::decode(DEVICE, DEVICE_JSON.as_bytes()), Ok(device()));
    assert_eq!(cbor::decode(DEVICE, DEVICE_CBOR), Ok(device()));
}

#[test]
fn object_links_and_opaque_values_go_both_ways() {
    let path = ObjectPath { object: 65, instance: None };
    let resources = [
        item(0, 0, Value::ObjectLink(ObjectLink { object: 66, instance: 0 })),
        Resource { instance: 1, ..one(2, Value::opaque(&[0xfb, 0xff, 0])) },
        Resource { instance: 1, ..one(3, Value::Boolean(true)) },
        Resource { instance: 1, ..one(4, Value::Float(-0.5)) },
        Resource { instance: 1, ..one(5, Value::Integer(i64::MIN)) },
    ];
    let text = r#"[{"bn":"/65/","n":"0/0/0","vlo":"66:0"},{"n":"1/2","vd":"-_8A"},{"n":"1/3","vb":true},{"n":"1/4","v":-0.5},{"n":"1/5","v":-9223372036854775808}]"#;
    let bytes = b"\x85\xa3\x21\x64/65/\x00\x650/0/0\x63vlo\x6466:0\
        \xa2\x00\x631/2\x08\x43\xfb\xff\x00\xa2\x00\x631/3\x04\xf5\
        \xa2\x00\x631/4\x02\xfb\xbf\xe0\0\0\0\0\0\0\xa2\x00\x631/5\x02\x3b\x7f\xff\xff\xff\xff\xff\xff\xff";

    let json = json::encode(path, &resources).expect("within the limits");
    let cbor = cbor::encode(path, &resources).expect("within the limits");

    assert_eq!(core::str::from_utf8(&json), Ok(text));
    assert_eq!(cbor[..], bytes[..]);
    assert_eq!(json::decode(path, &json).as_deref(), Ok(&resources[..]));
    assert_eq!(cbor::decode(path, &cbor).as_deref(), Ok(&resources[..]));
}

/// What a record may look like to say the same: `/3/0/9` is 100.
#[test]
fn reads_one_thing_said_in_many_ways() {
    for text in [
        r#"[{"n":"/3/0/9","v":100}]"#,
        r#"[{"bn":"/3/0/9","v":100}]"#,
        r#"[{"v":1e2,"n":"9","bn":"/3/0/"}]"#,
        r#"[{"bn":"/3","n":"/0/9","v":100.0}]"#,
        r#" [ { "bn" : "\/3\/0\/" , "bt" : 1.5e9, "bu" : "%", "bver" : 10, "n" : "9", "v" : 100,
              "t" : -5, "u" : "%", "ut" : 60, "own" : [{"deep" : null}] } ] "#,
    ] {
        let read = json::decode(DEVICE, text.as_bytes()).expect(text);
        assert_eq!(read.len(), 1, "{text}");
        assert_eq!((read[0].id, read[0].value.as_integer()), (9, Ok(100)), "{text}");
    }
    for bytes in [
        &b"\x81\xa2\x00\x66/3/0/9\x02\x18\x64"[..],
        b"\x81\xa2\x21\x66/3/0/9\x02\x18\x64",
        b"\x9f\xbf\x02\x18\x64\x00\x7f\x61\x2f\x653/0/9\xff\xff\xff",
        b"\x81\xa2\x00\x66/3/0/9\x02\xf9\x56\x40",
        b"\x81\xa2\x00\x66/3/0/9\x02\xc4\x82\x02\x01",
        b"\x81\xa5\x20\x0a\x22\x1a\0\0\0\x01\x18\x63\x9f\x81\x80\xff\x00\x66/3/0/9\x02\x18\x64",
    ] {
        let read = cbor::decode(DEVICE, bytes).unwrap_or_else(|e| panic!("{bytes:02x?}: {e}"));
        assert_eq!(read.len(), 1, "{bytes:02x?}");
        assert_eq!((read[0].id, read[0].value.as_integer()), (9, Ok(100)), "{bytes:02x?}");
    }
}

#[test]
fn a_base_name_holds_until_the_next_one() {
    let path = ObjectPath { object: 1, instance: None };
    let text = r#"[{"bn":"/1/0/","n":"0","v":1},{"n":"1","v":2},{"bn":"/1/7/","n":"0","v":3}]"#;

    let read = json::decode(path, text.as_bytes()).expect("well-formed");

    let places: Vec<_> = read.iter().map(|r| (r.instance, r.id)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (7, 0)]);
}

#[test]
fn base64_is_read_with_and_without_padding() {
    for text in ["AQ", "AQ=="] {
        let text = format!(r#"[{{"n":"/3/0/9","vd":"{text}"}}]"#);
        let read = json::decode(DEVICE, text.as_bytes()).expect("well-formed");
        assert_eq!(read[0].value.as_opaque(), Ok(&[1][..]));
    }
}

#[test]
fn bytes_in_pieces_are_read_as_one() {
    let read = cbor::decode(DEVICE, b"\x81\xa2\x00\x66/3/0/9\x08\x5f\x41\x01\x42\x02\x03\xff");

    assert_eq!(read.expect("well-formed")[0].value.as_opaque(), Ok(&[1, 2, 3][..]));
}

#[test]
fn refuses_json_that_is_not_as_it_should_be() {
    let many = format!("[{}]", [r#"{"n":"/3/0/9","v":1}"#; MAX_ENTRIES + 1].join(","));
    for (text, error) in [
        ("", SenmlError::Malformed),
        ("{}", SenmlError::Malformed),
        ("[", SenmlError::Malformed),
        ("[] []", SenmlError::Malformed),
        ("[1]", SenmlError::Malformed),
        (r#"[{"n":9,"v":1}]"#, SenmlError::Malformed),
        (r#"[{"n":"/3/0/9","v":"1"}]"#, SenmlError::Malformed),
        (r#"[{"n":"/3/0/9","vs":1}]"#, SenmlError::Malformed),
        (r#"[{"n":"/3/0/9","vb":1}]"#, SenmlError::Malformed),
        (r#"[{"n":"/3/0/9","vd":"+/8="}]"#, SenmlError::Malformed),
        (r#"[{"n":"/3/0/9","vlo":"66"}]"#, SenmlError::Malformed),
        (r#"[{"n":"/3/0/9","vlo":"66:65536"}]"#, SenmlError::Malformed),
        (r#"[{"n":"/3/0/9","vlo":"1:2:3"}]"#, SenmlError::Malformed),
        (r#"[{"n":"/3/0/9","v":1,"v":2}]"#, SenmlError::Repeated),
        (r#"[{"n":"/3/0/9","v":1,"vs":"2"}]"#, SenmlError::Repeated),
        (r#"[{"n":"/3/0/9","n":"/3/0/9","v":1}]"#, SenmlError::Repeated),
        (r#"[{"n":"/3/0/9"}]"#, SenmlError::NoValue),
        (r#"[{"v":1}]"#, SenmlError::Name),
        (r#"[{"n":"/3/0","v":1}]"#, SenmlError::Name),
        (r#"[{"n":"/3/0/","v":1}]"#, SenmlError::Name),
        (r#"[{"n":"/3//9","v":1}]"#, SenmlError::Name),
        (r#"[{"n":"3/0/9","v":1}]"#, SenmlError::Name),
        (r#"[{"n":"/3/0/+9","v":1}]"#, SenmlError::Name),
        (r#"[{"n":"/3/0/65536","v":1}]"#, SenmlError::Name),
        (r#"[{"n":"/3/0/6/0/0","v":1}]"#, SenmlError::Name),
        (r#"[{"n":"/3/1/9","v":1}]"#, SenmlError::Outside),
        (r#"[{"n":"/0/0/5","v":1}]"#, SenmlError::Outside),
        (r#"[{"n":"/3/0/9","v":1,"bv":1}]"#, SenmlError::Unsupported),
        (r#"[{"n":"/3/0/9","s":1}]"#, SenmlError::Unsupported),
        (r#"[{"n":"/3/0/9","v":1,"new_":1}]"#, SenmlError::Unsupported),
        (r#"[{"n":"/3/0/9","v":1,"bver":11}]"#, SenmlError::Unsupported),
        (&many, SenmlError::TooMany),
    ] {
        let read = json::decode(DEVICE, text.as_bytes());
        assert_eq!(read, Err(error), "{}", &text[..text.len().min(80)]);
    }
    assert_eq!(json::decode(DEVICE, &vec![b' '; MAX_PAYLOAD + 1]), Err(SenmlError::TooLong));
}

#[test]
fn refuses_cbor_that_is_not_as_it_should_be() {
    let many = [&b"\x9f"[..], &b"\xa2\x00\x66/3/0/9\x02\x01".repeat(MAX_ENTRIES + 1), b"\xff"];
    for (bytes, error) in [
        (&b""[..], SenmlError::Malformed),
        (b"\xa0", SenmlError::Malformed),
        (b"\x81", SenmlError::Malformed),
        (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", SenmlError::Malformed),
        (b"\x80\x00", SenmlError::Malformed),
        (b"\x81\x01", SenmlError::Malformed),
        (b"\x81\xa2\x00\x09\x02\x01", SenmlError::Malformed),
        (b"\x81\xa2\x61n\x66/3/0/9\x02\x01", SenmlError::Malformed),
        (b"\x81\xa2\x00\x66/3/0/9\x02\x611", SenmlError::Malformed),
        (b"\x81\xa2\x00\x66/3/0/9\x03\x01", SenmlError::Malformed),
        (b"\x81\xa2\x00\x66/3/0/9\x08\x611", SenmlError::Malformed),
        (b"\x81\xa2\x00\x66/3/0/9\x02\xc4\x81\x02", SenmlError::Malformed),
        (b"\x81\xa2\x00\x66/3/0/9\x02\xc1\x01", SenmlError::Malformed),
        (b"\x81\xa3\x00\x66/3/0/9\x02\x01\x03\x611", SenmlError::Repeated),
        (b"\x81\xa1\x00\x66/3/0/9", SenmlError::NoValue),
        (b"\x81\xa1\x02\x01", SenmlError::Name),
        (b"\x81\xa2\x00\x66/3/1/9\x02\x01", SenmlError::Outside),
        (b"\x81\xa3\x00\x66/3/0/9\x02\x01\x24\x01", SenmlError::Unsupported),
        (b"\x81\xa3\x00\x66/3/0/9\x02\x01\x20\x0b", SenmlError::Unsupported),
        (b"\x81\xa3\x00\x66/3/0/9\x02\x01\x62x_\x01", SenmlError::Unsupported),
        (&many.concat(), SenmlError::TooMany),
    ] {
        let read = cbor::decode(DEVICE, bytes);
        assert_eq!(read, Err(error), "{:02x?}", &bytes[..bytes.len().min(40)]);
    }
    assert_eq!(cbor::decode(DEVICE, &vec![0; MAX_PAYLOAD + 1]), Err(SenmlError::TooLong));
}

#[test]
fn refuses_to_write_what_senml_cannot_say() {
    for format in [Format::SenmlJson, Format::SenmlCbor] {
        for (resource, error) in [
            (one(1, Value::Float(f64::NAN)), SenmlError::NotANumber),
            (one(1, Value::Float(f64::INFINITY)), SenmlError::NotANumber),
            (Resource { instance: 1, ..one(1, Value::Integer(0)) }, SenmlError::Outside),
        ] {
            let written = format.encode(DEVICE, &[resource]).err();
            assert_eq!(written, Some(FormatError::Senml(error)), "{format:?}");
        }
    }
}

#[test]
fn nesting_without_end_is_refused_and_nothing_more() {
    let json = [br#"[{"n":"/3/0/9","x":"#, &[b'['; 60_000][..]].concat();
    let cbor = [&b"\x81\xa2\x00\x66/3/0/9\x18\x63"[..], &[0x9f; 60_000]].concat();

    assert_eq!(json::decode(DEVICE, &json), Err(SenmlError::Malformed));
    assert_eq!(cbor::decode(DEVICE, &cbor), Err(SenmlError::Malformed));
}

/// The buffer never grows while a key is written into it.
#[test]
fn what_is_written_has_room_from_the_beginning() {
    let resources = [
        Resource {
            instance: 65535,
            id: 65535,
            item: Some(65535),
            value: Value::string("\0\0\0\0\""),
        },
        Resource {
            instance: 65535,
            id: 65535,
            item: Some(65534),
            value: Value::opaque(&[0xff; 64]),
        },
        Resource { instance: 65535, id: 65535, item: Some(1), value: Value::Integer(i64::MIN) },
        Resource {
            instance: 65535,
            id: 65535,
            item: Some(1),
            value: Value::Float(-f64::MIN_POSITIVE),
        },
        Resource {
            instance: 65535,
            id: 65535,
            item: Some(2),
            value: Value::ObjectLink(ObjectLink { object: 65535, instance: 65535 }),
        },
    ];
    for path in
        [ObjectPath { object: 65535, instance: None }, ObjectPath::of_instance(65535, 65535)]
    {
        let pack = Pack::new(path, &resources).expect("within the path");

        let json = json::encode(path, &resources).expect("written");
        let cbor = cbor::encode(path, &resources).expect("written");

        assert!(json.len() <= pack.room(6), "{} {}", json.len(), pack.room(6));
        assert!(cbor.len() <= pack.room(1), "{} {}", cbor.len(), pack.room(1));
        for resource in &resources {
            let pack = Pack::new(path, core::slice::from_ref(resource)).expect("within the path");
            let one = json::encode(path, pack.resources).expect("written");
            assert!(one.len() <= pack.room(6), "{resource:?}");
        }
    }
}
