//! What a bootstrap allocates: little, whatever the format.

use allocation_counter::measure;
use claviger_lwm2m::objects::{SecurityMode, SecurityObject, ServerObject};
use claviger_lwm2m::{Bootstrap, Effect, Format, Grant, Input, Plan};
use claviger_machine::{Code, Method, Request, Response};
use zeroize::Zeroizing;

fn security() -> SecurityObject {
    SecurityObject {
        uri: "coaps://lwm2m.example.com:5684".into(),
        bootstrap: false,
        mode: SecurityMode::Psk,
        identity: b"c2b6d1f4a97e4d0c8b15e3f0a6d29b74".to_vec(),
        server_public_key: Vec::new(),
        secret_key: Zeroizing::new(vec![0x5a; 16]),
        short_server_id: Some(123),
    }
}

fn server() -> ServerObject {
    ServerObject {
        short_server_id: 123,
        lifetime: 86_400,
        notification_storing: true,
        binding: "U".into(),
    }
}

/// The row of resources, and the payload at its full size from the beginning.
#[test]
fn writing_an_object_takes_at_most_two_allocations_in_every_format() {
    for format in Format::ALL {
        let (security, server) = (security(), server());

        let of_security = measure(|| drop(security.encode(format, 1).expect("valid")));
        let of_server = measure(|| drop(server.encode(format, 0).expect("valid")));

        assert_eq!(of_security.count_total, 2, "{format:?}");
        assert_eq!(of_server.count_total, 1, "{format:?}: its row stands on the stack");
    }
}

/// A whole session of the machine, from the request to the delivery.
fn bootstrap(format: Format) {
    let plan = Plan { endpoint: "urn:dev:1".into(), named_by_identity: true };
    let mut request = Request::new(Method::Post, &["bs"]);
    request.query.push(format!("pct={}", format.number()));
    let (SecurityObject { uri, identity, secret_key, .. }, server) = (security(), server());
    let grant = Grant {
        credential: [7; 16],
        server_uri: uri,
        short_server_id: 123,
        lifetime: server.lifetime,
        binding: server.binding,
        identity,
        key: secret_key,
    };
    let discover = Response {
        payload: b"</>;lwm2m=1.1,</0/0>,</1>,</3/0>".to_vec(),
        ..Response::new(Code::CONTENT)
    };
    let changed = || Input::Answered(Ok(Response::new(Code::CHANGED)));
    let inputs = [
        Input::Requested { exchange: 1, request: &request },
        Input::Staged(grant),
        Input::ServerReady,
        Input::Answered(Ok(discover)),
        changed(),
        changed(),
        changed(),
        Input::Committed,
    ];
    let mut last = Vec::new();
    let mut machine = Bootstrap::new(plan);
    for input in inputs {
        (machine, last) = machine.advance(input);
    }
    assert!(matches!(last.last(), Some(Effect::Done(_))));
}

#[test]
fn a_bootstrap_takes_few_allocations() {
    for format in Format::ALL {
        let whole = measure(|| bootstrap(format));

        assert!(whole.count_total <= 48, "{format:?}: {}", whole.count_total);
    }
}
