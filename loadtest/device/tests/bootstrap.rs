//! A device against a Bootstrap-Server of a few lines, in virtual time.

use claviger_coap::{Association, ExchangeId, Output as Coap, Params};
use claviger_device::{
    Account, Device, DeviceConfig, DeviceEvent, DeviceOutput, Failure, Registration,
    RegistrationOutput, Version,
};
use claviger_dtls::{
    ClientFailure, ClusterKeys, Content, ContentType, Endpoint, EndpointConfig, Output, SessionId,
    schedule,
};
use claviger_lwm2m::{Bootstrap, Effect, Format, Grant, Input, Outcome, Plan};
use claviger_machine::{Code, Method, Request, Response};
use core::net::SocketAddr;
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::VecDeque;
use zeroize::Zeroizing;

const NAME: &str = "urn:dev:1";
const KEY: [u8; 16] = [0x42; 16];
const START: Duration = Duration::from_secs(1_800_000_000);

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn config() -> DeviceConfig {
    DeviceConfig::new(NAME, Zeroizing::new(KEY.to_vec()))
}

fn grant() -> Grant {
    Grant {
        credential: [7; 16],
        server_uri: "coaps://dm.example:5684".into(),
        short_server_id: 123,
        lifetime: 300,
        binding: "U".into(),
        identity: b"dm-identity".to_vec(),
        key: Zeroizing::new(vec![0x5a; 16]),
    }
}

/// What the server does with CoAP.
trait Service {
    fn asked(&mut self, exchange: ExchangeId, request: &Request) -> Vec<Act>;
    fn answered(&mut self, response: Response) -> Vec<Act>;
}

enum Act {
    Respond(ExchangeId, Response),
    Send(Request),
}

/// One listener: DTLS, CoAP, and a service for its only peer.
struct Server<S> {
    endpoint: Endpoint,
    coap: Association,
    session: Option<SessionId>,
    sequence: u64,
    psk: Vec<u8>,
    rng: ChaCha8Rng,
    service: S,
}

impl<S: Service> Server<S> {
    fn new(psk: &[u8], service: S) -> Self {
        let keys = ClusterKeys::new([1; 32], [2; 32]);
        Self {
            endpoint: Endpoint::new(EndpointConfig::default(), keys, Box::new(rng(1))),
            coap: Association::new(Params::default(), 100),
            session: None,
            sequence: 1,
            psk: psk.to_vec(),
            rng: rng(2),
            service,
        }
    }

    fn peer() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 5000))
    }

    /// Takes a datagram; gives those that follow.
    fn receive(&mut self, now: Duration, datagram: &[u8]) -> Vec<Vec<u8>> {
        self.endpoint.receive(now, Self::peer(), datagram);
        let mut sent = Vec::new();
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Datagram { bytes, .. } => sent.push(bytes),
                Output::Open(call) => match schedule::open(&self.psk, now, &call.evidence()) {
                    Ok(opened) => {
                        self.session = Some(opened.session);
                        assert!(self.endpoint.opened(now, call.call, opened));
                    }
                    Err(_) => {
                        self.endpoint.refused(now, call.call, claviger_dtls::Refusal::BadFinished)
                    }
                },
                Output::Record(record) if record.content == ContentType::ApplicationData => {
                    self.coap.receive(now, &record.payload, &mut self.rng);
                    self.coap(now);
                }
                Output::Record(_)
                | Output::Sign(_)
                | Output::Repeat { .. }
                | Output::Displaced { .. }
                | Output::Rested(_)
                | Output::NeedSession(_)
                | Output::Event(_) => {}
            }
        }
        sent
    }

    fn coap(&mut self, now: Duration) {
        while let Some(output) = self.coap.poll() {
            let acts = match output {
                Coap::Send(bytes) => {
                    let session = self.session.expect("CoAP comes after the handshake");
                    self.endpoint
                        .seal(session, self.sequence, None, Content::Application(&bytes))
                        .expect("each sequence is used once");
                    self.sequence += 1;
                    Vec::new()
                }
                Coap::Request { exchange, request, .. } => self.service.asked(exchange, &request),
                Coap::Response { result, .. } => {
                    self.service.answered(result.expect("nothing is lost here"))
                }
                Coap::Refused(why) => panic!("the device is well-behaved: {why:?}"),
            };
            for act in acts {
                match act {
                    Act::Respond(exchange, response) => self.coap.respond(now, exchange, response),
                    Act::Send(request) => drop(self.coap.request(now, request, [9; 8])),
                }
            }
        }
    }
}

/// The machine of Claviger itself, with a ledger and an LwM2M server that always agree.
struct Claviger {
    machine: Option<Bootstrap>,
    outcome: Option<Outcome>,
}

impl Claviger {
    fn new() -> Self {
        let plan = Plan { endpoint: NAME.into(), named_by_identity: true };
        Self { machine: Some(Bootstrap::new(plan)), outcome: None }
    }

    fn advance(&mut self, input: Input<'_>) -> Vec<Act> {
        let machine = self.machine.take().expect("it is put back below");
        let (machine, effects) = machine.advance(input);
        self.machine = Some(machine);
        effects.into_iter().flat_map(|effect| self.carry_out(effect)).collect()
    }

    fn carry_out(&mut self, effect: Effect) -> Vec<Act> {
        match effect {
            Effect::Respond { exchange, response } => {
                vec![Act::Respond(ExchangeId(exchange), response)]
            }
            Effect::Send(request) => vec![Act::Send(request)],
            Effect::Stage => self.advance(Input::Staged(grant())),
            Effect::AwaitServer => self.advance(Input::ServerReady),
            Effect::Deliver { .. } => self.advance(Input::Committed),
            Effect::Done(outcome) => {
                self.outcome = Some(outcome);
                Vec::new()
            }
            Effect::Cancel | Effect::Record(_) => Vec::new(),
        }
    }
}

impl Service for Claviger {
    fn asked(&mut self, exchange: ExchangeId, request: &Request) -> Vec<Act> {
        self.advance(Input::Requested { exchange: exchange.0, request })
    }

    fn answered(&mut self, response: Response) -> Vec<Act> {
        self.advance(Input::Answered(Ok(response)))
    }
}

/// A server that takes the request and then sends a fixed list of its own.
struct List {
    requests: VecDeque<Request>,
    codes: Vec<Code>,
}

impl List {
    fn new(requests: impl IntoIterator<Item = Request>) -> Self {
        Self { requests: requests.into_iter().collect(), codes: Vec::new() }
    }

    fn next(&mut self) -> Option<Act> {
        self.requests.pop_front().map(Act::Send)
    }
}

impl Service for List {
    fn asked(&mut self, exchange: ExchangeId, _: &Request) -> Vec<Act> {
        let first = Act::Respond(exchange, Response::new(Code::CHANGED));
        [Some(first), self.next()].into_iter().flatten().collect()
    }

    fn answered(&mut self, response: Response) -> Vec<Act> {
        self.codes.push(response.code);
        self.next().into_iter().collect()
    }
}

/// How a device ended, and what it told on the way.
#[derive(Default)]
struct Story {
    events: Vec<DeviceEvent>,
    account: Option<Account>,
    failure: Option<Failure>,
    took: Duration,
}

/// Lets a device talk to a server until it wants nothing more, or has ended and is silent.
fn run<S: Service>(config: DeviceConfig, server: &mut Server<S>) -> Story {
    let mut now = START;
    let mut device = Device::new(now, config, Box::new(rng(3)));
    let mut story = Story::default();
    loop {
        let mut replies = Vec::new();
        while let Some(output) = device.poll() {
            match output {
                DeviceOutput::Datagram(bytes) => {
                    assert!(story.account.is_none(), "its answers leave before the news");
                    replies.extend(server.receive(now, &bytes));
                }
                DeviceOutput::Event(event) => story.events.push(event),
                DeviceOutput::Bootstrapped(account) => story.account = Some(account),
                DeviceOutput::Failed(failure) => story.failure = Some(failure),
            }
        }
        if story.account.is_some() || story.failure.is_some() {
            story.took = now - START;
            return story;
        }
        if replies.is_empty() {
            now = device.next_timeout().expect("it waits for something");
            device.handle_timeout(now);
        }
        for reply in replies {
            device.receive(now, &reply);
        }
    }
}

/// The operations, as a person would list them.
fn operations(story: &Story) -> Vec<String> {
    let line = |event: &DeviceEvent| match event {
        DeviceEvent::Operation { method, path, format, code, .. } => {
            Some(format!("{method:?} {path} {} {}", format.unwrap_or(0), code.0 >> 5))
        }
        _ => None,
    };
    story.events.iter().filter_map(line).collect()
}

#[test]
fn holds_what_the_server_granted_whatever_its_version_and_format() {
    for (version, cid, format, written) in [
        (Version::V1_0, false, Format::SenmlCbor, 11542),
        (Version::V1_1, true, Format::Tlv, 11542),
        (Version::V1_1, true, Format::SenmlJson, 110),
        (Version::V1_1, false, Format::SenmlCbor, 112),
    ] {
        let mut server = Server::new(&KEY, Claviger::new());

        let story = run(DeviceConfig { version, cid, format, ..config() }, &mut server);

        let account = story.account.as_ref().expect("bootstrapped");
        let Grant { server_uri, short_server_id, lifetime, binding, identity, key, .. } = grant();
        let expected = Account { server_uri, short_server_id, lifetime, binding, identity, key };
        assert_eq!(*account, expected);
        assert_eq!(server.service.outcome, Some(Outcome::Delivered));
        assert_eq!(
            operations(&story),
            [
                "Get / 40 2",
                "Delete /0 0 2",
                "Delete /1 0 2",
                &format!("Put /0/1 {written} 2"),
                &format!("Put /1/0 {written} 2"),
                "Post /bs 0 2",
            ]
        );
        let handshake = DeviceEvent::Handshake { suite: 0xc0a8, cid: None, resumed: false };
        assert_eq!(story.events[0] == handshake, !cid, "{:?}", story.events[0]);
    }
}

#[test]
fn a_device_without_a_factory_account_has_nothing_deleted() {
    let mut server = Server::new(&KEY, Claviger::new());

    let story = run(DeviceConfig { factory_account: false, ..config() }, &mut server);

    assert!(story.account.is_some());
    assert!(
        operations(&story).iter().all(|line| !line.starts_with("Delete")),
        "{:?}",
        story.events
    );
}

#[test]
fn refuses_the_write_that_it_was_told_to_refuse() {
    let mut server = Server::new(&KEY, Claviger::new());

    let story = run(DeviceConfig { refuse: Some("/1/0".into()), ..config() }, &mut server);

    assert_eq!(story.failure, Some(Failure::NoFinish));
    assert_eq!(operations(&story).last().map(String::as_str), Some("Put /1/0 11542 4"));
    assert_eq!(server.service.outcome, Some(Outcome::Refused));
    assert_eq!(story.took, Duration::from_secs(247), "EXCHANGE_LIFETIME after the last command");
}

/// Finish with nothing written: 4.06, and the device waits for a better one.
#[test]
fn finish_of_an_inconsistent_configuration_gets_4_06() {
    let requests = [
        Request::new(Method::Delete, &[]),
        Request::new(Method::Post, &["bs"]),
        Request::new(Method::Get, &["0"]),
        Request::new(Method::Put, &["0", "1"]),
        Request::new(Method::Get, &["x"]),
    ];
    let mut server = Server::new(&KEY, List::new(requests));

    let story = run(config(), &mut server);

    assert_eq!(story.failure, Some(Failure::NoFinish));
    assert_eq!(
        server.service.codes,
        [
            Code::DELETED,
            Code::NOT_ACCEPTABLE,
            Code::METHOD_NOT_ALLOWED,
            Code::UNSUPPORTED_CONTENT_FORMAT,
            Code::NOT_FOUND,
        ]
    );
}

#[test]
fn a_wrong_key_times_out_in_silence() {
    let mut server = Server::new(&[0; 16], Claviger::new());

    let story = run(config(), &mut server);

    assert_eq!(story.failure, Some(Failure::Dtls(ClientFailure::TimedOut)));
}

#[test]
fn another_devices_name_is_refused_with_words() {
    let mut server = Server::new(&KEY, Claviger::new());

    let story = run(DeviceConfig { endpoint: "urn:dev:2".into(), ..config() }, &mut server);

    let Some(Failure::Refused(code, words)) = story.failure else { panic!("{:?}", story.failure) };
    assert_eq!(code, Code::BAD_REQUEST);
    assert!(!words.is_empty());
}

#[test]
fn registers_with_the_account_that_it_got() {
    struct Registry(Option<Request>);
    impl Service for Registry {
        fn asked(&mut self, exchange: ExchangeId, request: &Request) -> Vec<Act> {
            self.0 = Some(request.clone());
            vec![Act::Respond(exchange, Response::new(Code::CREATED))]
        }
        fn answered(&mut self, _: Response) -> Vec<Act> {
            Vec::new()
        }
    }
    let account =
        run(config(), &mut Server::new(&KEY, Claviger::new())).account.expect("bootstrapped");
    let mut server = Server::new(&grant().key, Registry(None));

    let mut registration = Registration::new(START, NAME, &account, Box::new(rng(4)));
    let mut registered = false;
    while let Some(output) = registration.poll() {
        match output {
            RegistrationOutput::Datagram(bytes) => {
                for reply in server.receive(START, &bytes) {
                    registration.receive(START, &reply);
                }
            }
            RegistrationOutput::Registered => registered = true,
            RegistrationOutput::Handshake { .. } => {}
            RegistrationOutput::Failed(why) => panic!("{why:?}"),
        }
    }

    assert!(registered);
    let request = server.service.0.expect("it came");
    assert_eq!(request.query, ["ep=urn:dev:1", "lt=300", "lwm2m=1.0", "b=U"]);
}

#[test]
fn no_output_shows_a_key() {
    let story = run(config(), &mut Server::new(&KEY, Claviger::new()));

    let shown = format!("{:?} {:?} {:?}", config(), story.account, story.events);

    // The keys as `Debug` would write their bytes.
    assert!(!shown.contains("66, 66") && !shown.contains("90, 90"), "{shown}");
}
