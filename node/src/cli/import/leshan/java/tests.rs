//! Streams written by hand, byte by byte; what Java itself writes is read in `tests/interop/leshan`.

use super::*;

/// A stream in the making.
#[derive(Clone)]
struct Stream(Vec<u8>);

impl Stream {
    fn new() -> Self {
        Self(vec![0xAC, 0xED, 0, 5])
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, text: &[u8]) -> Self {
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        self.bytes(&length).bytes(text)
    }

    /// The description of a class up to its fields.
    fn class(self, name: &str, flags: u8, fields: u16) -> Self {
        let begun = self.bytes(&[0x72]).text(name.as_bytes()).bytes(&[7; 8]).bytes(&[flags]);
        begun.bytes(&fields.to_be_bytes())
    }

    fn field(self, kind: u8, name: &str) -> Self {
        self.bytes(&[kind]).text(name.as_bytes())
    }

    /// A string in its first appearance.
    fn string(self, text: &str) -> Self {
        self.bytes(&[0x74]).text(text.as_bytes())
    }

    fn refers(self, handle: u32) -> Self {
        self.bytes(&[0x71]).bytes(&(FIRST + handle).to_be_bytes())
    }

    /// No annotation, no superclass.
    fn end_class(self) -> Self {
        self.bytes(&[0x78, 0x70])
    }

    fn read(&self) -> Result<Value, Malformed> {
        read(&self.0)
    }
}

/// An object with a text, bytes, a truth, a number, a reference to itself, and a superclass whose
/// own method wrote something.
fn object() -> Stream {
    Stream::new()
        .bytes(&[0x73])
        .class("a.B", SERIALIZABLE, 5)
        .field(b'Z', "truth")
        .field(b'J', "number")
        .field(b'L', "text")
        .string("Ljava/lang/String;")
        .field(b'[', "bytes")
        .string("[B")
        .field(b'L', "self")
        .string("La/B;")
        .bytes(&[0x78])
        .class("a.Above", SERIALIZABLE | WRITE_METHOD, 1)
        .field(b'S', "short")
        .end_class()
        // The fields of the superclass come first.
        .bytes(&[0, 9])
        .bytes(&[0x77, 3, 1, 2, 3])
        .string("written by the class's own method")
        .bytes(&[0x78])
        .bytes(&[1])
        .bytes(&[0, 0, 0, 0, 0, 0, 0, 5])
        .string("canary")
        .bytes(&[0x75])
        .class("[B", SERIALIZABLE, 0)
        .end_class()
        .bytes(&[0, 0, 0, 2, 0xCA, 0xFE])
        .refers(5)
}

fn fields(value: Result<Value, Malformed>) -> BTreeMap<Rc<str>, Value> {
    match value {
        Ok(Value::Object(object)) => object.fields.clone(),
        Ok(_) => panic!("it is no object"),
        Err(malformed) => panic!("{malformed:?}"),
    }
}

#[test]
fn reads_an_objects_fields_and_those_of_its_superclass() {
    let fields = fields(object().read());

    let names: Vec<_> = fields.keys().map(|name| &**name).collect();
    assert_eq!(names, ["bytes", "number", "self", "short", "text", "truth"]);
    assert!(matches!(&fields["text"], Value::Text(text) if &**text == "canary"));
    assert!(matches!(&fields["bytes"], Value::Bytes(bytes) if ***bytes == [0xCA, 0xFE]));
    assert!(matches!(fields["truth"], Value::Bool(true)));
}

#[test]
fn an_object_that_contains_itself_is_cut_there() {
    assert!(matches!(fields(object().read())["self"], Value::Other));
}

#[test]
fn what_appears_again_is_what_it_was() {
    let list = Stream::new()
        .bytes(&[0x75])
        .class("[Ljava.lang.String;", SERIALIZABLE, 0)
        .end_class()
        .bytes(&[0, 0, 0, 3])
        .string("x")
        .refers(2)
        .bytes(&[0x70]);

    let Ok(Value::List(list, 1)) = list.read() else { panic!("it is a list") };

    assert!(matches!(list.as_slice(), [Value::Text(a), Value::Text(b), Value::Null] if a == b));
}

#[test]
fn texts_are_modified_utf_8() {
    let table: [(&[u8], Option<&str>); 6] = [
        (b"a\xC3\xBC", Some("a\u{fc}")),
        (b"\xC0\x80", Some("\0")),
        (b"\xED\xA0\xBD\xED\xB4\x91", Some("\u{1F511}")),
        (b"\xED\xA0\xBD", None),
        (b"\xF0\x9F\x94\x91", None),
        (b"\xC3", None),
    ];
    for (bytes, expected) in table {
        assert_eq!(modified_utf8(bytes).as_deref(), expected, "{bytes:x?}");
    }
}

#[test]
fn refuses_what_is_none_and_says_where() {
    let deep = (0..40).fold(Stream::new(), |stream, _| {
        let array = stream.bytes(&[0x75]).class("[L;", SERIALIZABLE, 0).end_class();
        array.bytes(&[0, 0, 0, 1])
    });
    let table: [(Stream, &str); 7] = [
        (Stream(b"{\"a\":1}".to_vec()), "not a stream"),
        (Stream::new().bytes(&[0x70, 0x70]), "something follows"),
        (Stream::new().refers(0), "does not have"),
        (Stream::new().bytes(&[0x7D]), "a kind that is not read here"),
        (deep, "nested too deeply"),
        (Stream::new().bytes(&[0x73, 0x70]), "without a class"),
        (Stream::new().bytes(&[0x74, 0, 1, 0xFF]), "modified UTF-8"),
    ];
    for (stream, expected) in table {
        let Err(Malformed(words, _)) = stream.read() else { panic!("{expected}") };
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn what_is_nested_by_references_is_bounded_too() {
    // Each list holds the one before it, and each class is below the one before it.
    let count = 100_000u32;
    let outer = Stream::new().bytes(&[0x75]).class("[L;", SERIALIZABLE, 0).end_class();
    let outer = outer.bytes(&count.to_be_bytes()).bytes(&[0x75]).refers(0).bytes(&[0; 4]);
    let lists = (1..count).fold(outer, |stream, number| {
        stream.bytes(&[0x75]).refers(0).bytes(&[0, 0, 0, 1]).refers(number + 1)
    });
    let above = Stream::new().bytes(&[0x75]).class("[L;", SERIALIZABLE, 0).end_class();
    let above = above.bytes(&count.to_be_bytes()).bytes(&[0x76]).class("A", 0, 0).end_class();
    // Handles: the list's class and itself, then two for each class.
    let classes = (1..count).fold(above, |stream, number| {
        let below = stream.bytes(&[0x76]).class("A", 0, 0).bytes(&[0x78]);
        below.refers(2 * number)
    });
    for stream in [lists, classes] {
        let Err(Malformed(words, _)) = stream.read() else { panic!("it is read") };
        assert_eq!(words, "it is nested too deeply");
    }
}

#[test]
fn values_are_so_many_and_no_more() {
    let list = Stream::new().bytes(&[0x75]).class("[L;", SERIALIZABLE, 0).end_class();
    let list = list.bytes(&[0, 0, 0, 9]).bytes(&[0x70; 9]);

    assert!(read_at_most(10, &list.0).is_ok());

    let Err(Malformed(words, _)) = read_at_most(9, &list.0) else { panic!("it is read") };
    assert_eq!(words, "it has too many values");
}

#[test]
fn a_length_is_not_believed() {
    let array =
        |class: &str| Stream::new().bytes(&[0x75]).class(class, SERIALIZABLE, 0).end_class();
    for class in ["[B", "[J", "[Ljava.lang.String;"] {
        let huge = array(class).bytes(&[0x7F, 0xFF, 0xFF, 0xFF, 0x70]);
        assert!(huge.read().is_err(), "{class}");
    }
    let long = Stream::new().bytes(&[0x7C]).bytes(&[0xFF; 8]).bytes(b"x");
    assert!(long.read().is_err());
}

#[test]
fn whatever_is_cut_or_changed_is_an_error_or_a_value_and_never_a_panic() {
    let whole = object().0;
    for end in 0..whole.len() {
        assert!(read(&whole[..end]).is_err(), "{end}");
    }
    for place in 4..whole.len() {
        for byte in 0..=255 {
            let mut changed = whole.clone();
            changed[place] = byte;
            let _ = read(&changed);
        }
    }
}
