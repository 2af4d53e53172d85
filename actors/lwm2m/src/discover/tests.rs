use super::*;
use proptest::prelude::*;

fn security(id: u16, short_server_id: Option<u16>, uri: Option<&str>) -> SecurityInstance {
    SecurityInstance { id, short_server_id, uri: uri.map(str::to_owned) }
}

fn server(id: u16, short_server_id: u16) -> ServerInstance {
    ServerInstance { id, short_server_id: Some(short_server_id) }
}

fn object(object: u16) -> ObjectPath {
    ObjectPath { object, instance: None }
}

fn instance(object: u16, instance: u16) -> ObjectPath {
    ObjectPath { object, instance: Some(instance) }
}

fn parse(text: &str) -> Discovery {
    Discovery::parse(text.as_bytes()).expect("readable")
}

#[test]
fn reads_what_anjay_answers_in_1_0() {
    let found =
        parse(r#"lwm2m="1.0",</0>,</0/0>;ssid=101,</0/1>,</1>,</1/0>;ssid=101,</2>,</3>,</3/0>"#);

    assert_eq!(found.version, Some((1, 0)));
    assert_eq!(found.security, [security(0, Some(101), None), security(1, None, None)]);
    assert_eq!(found.servers, [server(0, 101)]);
    assert_eq!(found.others, [object(0), object(1), object(2), object(3), instance(3, 0)]);
    assert_eq!(found.bootstrap_accounts().collect::<Vec<_>>(), [1]);
}

#[test]
fn reads_what_anjay_answers_in_1_2() {
    let found = parse(
        r#"</>;lwm2m=1.2,</0>,</0/0>;ssid=101;uri="coap://127.0.0.1:5683",</0/1>;uri="coaps://127.0.0.1:5786",</1>,</1/0>;ssid=101,</2>"#,
    );

    assert_eq!(found.version, Some((1, 2)));
    assert_eq!(
        found.security,
        [
            security(0, Some(101), Some("coap://127.0.0.1:5683")),
            security(1, None, Some("coaps://127.0.0.1:5786"))
        ]
    );
    assert_eq!(found.bootstrap_accounts().collect::<Vec<_>>(), [1]);
}

#[test]
fn reads_what_wakaama_answers() {
    let found = parse("</>;lwm2m=1.1,</0/0>,</1>;ver=1.1,</1/0>;ssid=123,</2/0>,</3/0>");

    assert_eq!(found.version, Some((1, 1)));
    assert_eq!(found.security, [security(0, None, None)]);
    assert_eq!(found.servers, [server(0, 123)]);
    assert_eq!(found.others, [object(1), instance(2, 0), instance(3, 0)]);
}

#[test]
fn reads_what_leshan_answers() {
    let found = parse(
        r#"</>;lwm2m=1.0,</0>;ver=1.2,</0/0>;uri="coap://127.0.0.1:5683",</1>,</3442/0>,</3>;ver=1.2"#,
    );

    assert_eq!(found.version, Some((1, 0)));
    assert_eq!(found.security, [security(0, None, Some("coap://127.0.0.1:5683"))]);
    assert_eq!(found.servers, []);
}

#[test]
fn tolerates_every_way_of_writing_one_thing() {
    let plain = parse("</>;lwm2m=1.1,</0/1>;ssid=5;uri=\"coaps://a\",</1/0>;ssid=5");

    for variant in [
        r#"</>;lwm2m="1.1",</0/1>;ssid="5";uri="coaps://a",</1/0>;ssid=5"#,
        r#"lwm2m=1.1,</0/1/>;ssid=5;uri="coaps://a",</1/0/>;ssid=5"#,
        r#" </> ; lwm2m = 1.1 , </0/1> ; ssid = 5 ; uri = "coaps://a" , </1/0>;ssid=5 "#,
        r#"</0/1>;uri=coaps://a;ssid=5;ver=1.1,</1/0>;ssid=5,</>;rt="oma.lwm2m";ct=110;lwm2m=1.1,"#,
        r#"</>;lwm2m=1.1,,</0/1>;ssid=5;;uri="coaps://a";obs,</1/0>;ssid=5,</lwm2m/x>,</0/1/3>,</70000>"#,
    ] {
        assert_eq!(parse(variant), plain, "{variant}");
    }
}

#[test]
fn separators_inside_a_quoted_value_separate_nothing() {
    let found = parse(r#"</0/0>;uri="coap://a,</0/9>;ssid=1\"x\\",</0/1>;ssid=2"#);

    assert_eq!(
        found.security,
        [security(0, None, Some(r#"coap://a,</0/9>;ssid=1"x\"#)), security(1, Some(2), None)]
    );
}

#[test]
fn a_reserved_short_server_id_makes_no_lwm2m_server() {
    let found = parse("</0/0>;ssid=65535,</0/1>;ssid=0,</0/2>;ssid=65534");

    assert_eq!(found.bootstrap_accounts().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn refuses_a_short_server_id_that_is_no_number() {
    for ssid in ["x", "", "65536", "-1", "+1", "1 2", "\"\""] {
        let answer = format!("</0/0>,</0/1>;ssid={ssid}");

        assert_eq!(
            Discovery::parse(answer.as_bytes()),
            Err(DiscoverError::ShortServerId),
            "{answer}"
        );
    }
}

#[test]
fn refuses_what_is_not_closed() {
    for answer in ["</0/0", "</0/0>;uri=\"coap", "</0/0>;uri=\"a\\\""] {
        assert_eq!(Discovery::parse(answer.as_bytes()), Err(DiscoverError::Unclosed), "{answer}");
    }
}

#[test]
fn refuses_what_is_too_long_or_no_text() {
    let many = "</5>,".repeat(MAX_LINKS + 1);

    assert_eq!(Discovery::parse(many.as_bytes()), Err(DiscoverError::TooMany));
    assert_eq!(Discovery::parse(&vec![b' '; MAX_PAYLOAD + 1]), Err(DiscoverError::TooLong));
    assert_eq!(Discovery::parse(b"</0/0>;uri=\"\xff\""), Err(DiscoverError::NotText));
}

#[test]
fn writes_both_headers_as_clients_do() {
    let mut found = Discovery {
        version: Some((1, 0)),
        security: vec![
            security(0, Some(101), Some("coap://a")),
            security(1, None, Some("coaps://b")),
        ],
        servers: vec![server(0, 101)],
        others: vec![object(3), instance(3, 0)],
    };
    assert_eq!(found.encode(), r#"lwm2m="1.0",</0/0>;ssid=101,</0/1>,</1/0>;ssid=101,</3>,</3/0>"#);

    found.version = Some((1, 1));
    assert_eq!(
        found.encode(),
        r#"</>;lwm2m=1.1,</0/0>;ssid=101;uri="coap://a",</0/1>;uri="coaps://b",</1/0>;ssid=101,</3>,</3/0>"#
    );
}

fn any_security() -> impl Strategy<Value = SecurityInstance> {
    (any::<u16>(), prop::option::of(1u16..=65534), prop::option::of("[ -~]{0,20}"))
        .prop_map(|(id, short_server_id, uri)| SecurityInstance { id, short_server_id, uri })
}

fn any_server() -> impl Strategy<Value = ServerInstance> {
    (any::<u16>(), prop::option::of(1u16..=65534))
        .prop_map(|(id, short_server_id)| ServerInstance { id, short_server_id })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(
        minor in 1u8..=9,
        security in prop::collection::vec(any_security(), 0..5),
        servers in prop::collection::vec(any_server(), 0..5),
        others in prop::collection::vec((2u16..=u16::MAX, any::<Option<u16>>()), 0..5),
    ) {
        let others = others.into_iter().map(|(object, instance)| ObjectPath { object, instance }).collect();
        let found = Discovery { version: Some((1, minor)), security, servers, others };

        prop_assert_eq!(Discovery::parse(found.encode().as_bytes()), Ok(found));
    }

    #[test]
    fn any_text_is_read_or_refused(text in r#"([</>;,="\\ 01s]|ssid|uri|lwm2m|</0/[0-9]>){0,60}"#) {
        if let Ok(found) = Discovery::parse(text.as_bytes()) {
            let again = Discovery::parse(found.encode().as_bytes());
            prop_assert_eq!(again.map(|a| a.servers), Ok(found.servers));
        }
    }
}
