//! Whole sessions in lockstep, one test a rule, and the table of every state and input.

mod rules;
mod scripts;
mod table;

use super::*;
use crate::{Format, content_format};
use claviger_machine::{Code, Method};
use zeroize::Zeroizing;

const CREDENTIAL: [u8; 16] = [7; 16];
const KEY: [u8; 16] = *b"a-very-secret-ke";

const FRESH: &str = "</>;lwm2m=1.1,</0/0>,</1>,</3/0>";
const USED: &str = "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=5,</1/0>;ssid=5";

fn grant() -> Grant {
    Grant {
        credential: CREDENTIAL,
        server_uri: "coaps://dm.example:5684".into(),
        short_server_id: 123,
        lifetime: 300,
        binding: "U".into(),
        identity: b"id-1".to_vec(),
        key: Zeroizing::new(KEY.to_vec()),
    }
}

fn post_bs(query: &[&str]) -> Request {
    let mut request = Request::new(Method::Post, &["bs"]);
    request.query = query.iter().map(|q| (*q).to_owned()).collect();
    request
}

fn non(request: Request) -> Request {
    Request { confirmable: false, ..request }
}

fn content(payload: &str) -> Result<Response, Unanswered> {
    Ok(Response { payload: payload.into(), ..Response::new(Code::CONTENT) })
}

fn code(code: Code) -> Result<Response, Unanswered> {
    Ok(Response::new(code))
}

/// A machine and what it last wanted; each call is one beat of a script.
struct Session {
    machine: Option<Bootstrap>,
    effects: Vec<Effect>,
}

impl Session {
    fn new() -> Self {
        Self::of(true)
    }

    fn of(named_by_identity: bool) -> Self {
        let machine = Bootstrap::new(Plan { endpoint: "urn:dev:a1".into(), named_by_identity });
        Self { machine: Some(machine), effects: Vec::new() }
    }

    fn give(mut self, input: Input<'_>) -> Self {
        let machine = self.machine.take().expect("it is put back below");
        let (machine, effects) = machine.advance(input);
        Self { machine: Some(machine), effects }
    }

    fn request(self, exchange: u64, request: &Request) -> Self {
        self.give(Input::Requested { exchange, request })
    }

    fn answer(self, answer: Result<Response, Unanswered>) -> Self {
        self.give(Input::Answered(answer))
    }

    /// Checks what was wanted, each effect as [`line`] writes it.
    #[track_caller]
    fn wants(self, expected: &[&str]) -> Self {
        let lines: Vec<_> = self.effects.iter().map(line).collect();
        assert_eq!(lines, expected);
        self
    }

    fn state(&self) -> &State {
        &self.machine.as_ref().expect("it is put back by give").state
    }

    fn event(&self) -> Option<&Event> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Record(event) => Some(event),
            _ => None,
        })
    }

    fn words(&self) -> &str {
        self.event().map_or("", |event| &event.words)
    }

    /// The payload of the write that was last sent.
    fn payload(&self) -> &[u8] {
        match self.effects.first() {
            Some(Effect::Send(request)) if request.method == Method::Put => &request.payload,
            other => panic!("a write, not {other:?}"),
        }
    }
}

/// An effect in one line; a record without its words, a payload by its length.
fn line(effect: &Effect) -> String {
    match effect {
        Effect::Respond { exchange, response } => format!("respond {exchange} {}", response.code),
        Effect::Send(request) => sent(request),
        Effect::Cancel => "cancel".into(),
        Effect::Stage => "stage".into(),
        Effect::AwaitServer => "await server".into(),
        Effect::Deliver { credential } => {
            assert_eq!(*credential, CREDENTIAL);
            "deliver".into()
        }
        Effect::Record(event) => {
            format!("record {} {}", event.stage.as_str(), event.outcome.as_str())
        }
        Effect::Done(outcome) => format!("done {}", outcome.as_str()),
    }
}

fn sent(request: &Request) -> String {
    let method = format!("{:?}", request.method).to_uppercase();
    let mut line = format!("{method} {}", request.path_string());
    line.extend(request.accept.map(|accept| format!(" accept {accept}")));
    line.extend(request.content_format.map(|format| format!(" as {format}")));
    line
}

fn staging() -> Session {
    Session::new().request(1, &post_bs(&["ep=urn:dev:a1"]))
}

fn discovering() -> Session {
    staging().give(Input::Staged(grant()))
}

/// One whose request is not known any more.
fn revived() -> Session {
    Session::new().give(Input::Revived(grant()))
}

fn awaiting() -> Session {
    discovering().answer(content(USED))
}

fn deleting() -> Session {
    awaiting().give(Input::ServerReady)
}

fn writing_security() -> Session {
    deleting().answer(code(Code::DELETED)).answer(code(Code::DELETED))
}

fn writing_server() -> Session {
    writing_security().answer(code(Code::CHANGED))
}

fn finishing() -> Session {
    writing_server().answer(code(Code::CHANGED))
}

fn delivering() -> Session {
    finishing().answer(code(Code::CHANGED))
}
