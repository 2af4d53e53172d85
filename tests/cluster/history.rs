//! Clients of the API, each at a node of its own first, and what they were told: whether all of it
//! could have been told by one node that does one thing after the other.
//!
//! What is looked at is devices (enrolled, shown, listed, revoked, deleted), a profile that is changed
//! by its ETag, and which credential of a bootstrapping device is in use. A change that is not answered
//! is asked for again at the next node under its Idempotency-Key; if it never is, it may have happened
//! or not.

use claviger_machine::Crypto;
use claviger_tests::{Cluster, Recorded, SeededCrypto, is_linear};
use core::time::Duration;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How many clients there are.
const CLIENTS: usize = 4;
/// How many devices they ask about at a time.
const DEVICES: usize = 2;
/// How many operations on one thing are compared; then comes another thing.
const OPERATIONS: usize = 60;
/// How many on one that is not followed by another.
const MOST: usize = 120;
/// How long a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(7);
/// How long a change is asked for again.
const INSISTENCE: Duration = Duration::from_secs(20);
/// Between what a client asks.
const PAUSE: Duration = Duration::from_millis(80);

/// What is asked for. Enrolments and values of the profile have numbers that are used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Enrol(u64),
    Revoke(u64),
    Delete,
    Look,
    List,
    /// The profile, if it is there so, gets this value.
    Change(Option<u64>, u64),
    /// The profile's value.
    Value,
    /// The LwM2M server has seen the use of a device's credential; they are numbered as they were given.
    Use(u64),
    /// Which one is in use.
    InUse,
}

/// What was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Done,
    /// There is none.
    Missing,
    /// It is there already, has ended already, or is not as expected.
    Otherwise,
    /// A device's enrolment, and whether that is revoked.
    Stands(u64, bool),
    Listed(bool),
    Is(Option<u64>),
}

/// A thing: the number that it stands for, and whether that is revoked.
type Thing = Option<(u64, bool)>;

/// What a thing becomes by what was asked for and answered so.
fn becomes(thing: Thing, ask: Ask, told: Option<Told>) -> Option<Thing> {
    let number = thing.map(|(number, _)| number);
    let (after, answer) = match (ask, thing) {
        (Ask::Enrol(new), None) => (Some((new, false)), Told::Done),
        (Ask::Enrol(_), Some(_)) => (thing, Told::Otherwise),
        (Ask::Revoke(old), Some((known, false))) if old == known => {
            (Some((known, true)), Told::Done)
        }
        (Ask::Revoke(old), Some((known, true))) if old == known => (thing, Told::Otherwise),
        (Ask::Revoke(_), _) => (thing, Told::Missing),
        (Ask::Delete, Some(_)) => (None, Told::Done),
        (Ask::Delete | Ask::Look, None) => (None, Told::Missing),
        (Ask::Look, Some((number, is_revoked))) => (thing, Told::Stands(number, is_revoked)),
        (Ask::List, _) => (thing, Told::Listed(thing.is_some())),
        (Ask::Change(old, new), _) if old == number => (Some((new, false)), Told::Done),
        (Ask::Change(..), _) => (thing, Told::Otherwise),
        // An older one is in use no more.
        (Ask::Use(used), _) => (number.max(Some(used)).map(|it| (it, false)), Told::Done),
        (Ask::Value | Ask::InUse, _) => (thing, Told::Is(number)),
    };
    told.is_none_or(|told| told == answer).then_some(after)
}

/// All that was asked and answered, and what the numbers stand for.
#[derive(Debug, Default)]
struct Book {
    things: BTreeMap<String, Vec<Recorded<Ask, Told>>>,
    /// Ids of credentials, by device and the number of its enrolment.
    ids: BTreeMap<(String, u64), String>,
    /// The identities of what a device was given, in the order in which it was.
    given: BTreeMap<String, Vec<String>>,
    /// Which value an ETag of the profile stands for.
    tags: BTreeMap<(String, String), u64>,
}

struct Shared {
    book: Mutex<Book>,
    /// The place of the next question or answer.
    clock: AtomicU64,
    /// The next number that is used once.
    number: AtomicU64,
    answered: AtomicU64,
}

/// Where a node's API is.
type Node = (String, String);

/// A question that waits for its answer: the thing, and the question's place.
pub(crate) struct Open(String, usize);

/// The clients.
pub(crate) struct History {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

impl History {
    /// Lets clients ask the nodes of the ledger. They ask about the credentials of `devices`, too.
    pub(crate) fn start(cluster: &Cluster, devices: Vec<String>, seed: u64) -> Self {
        let nodes: Vec<Node> = cluster.apis();
        let shared = Arc::new(Shared {
            book: Mutex::default(),
            clock: AtomicU64::new(1),
            number: AtomicU64::new(1),
            answered: AtomicU64::new(0),
        });
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let mut nodes = nodes.clone();
            let count = nodes.len();
            nodes.rotate_left(number % count);
            let draw = SeededCrypto::new(seed.wrapping_add(number as u64));
            let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
            let http = http.expect("this machine does HTTP");
            let devices = devices.clone();
            let client = Client { shared: shared.clone(), nodes, http, draw, devices };
            clients.spawn(client.run());
        }
        Self { shared, clients }
    }

    /// How much was answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// What devices and their LwM2M server say.
    pub(crate) fn reports(&self) -> Reports {
        Reports(self.shared.clone())
    }

    /// Sees that no client was answered what no client can be answered.
    pub(crate) fn nothing_was_odd(&mut self) {
        if let Some(ended) = self.clients.try_join_next() {
            ended.expect("clients are answered as the API says");
        }
    }

    /// Stops the clients; then all that was told must have an order.
    pub(crate) async fn end(mut self) {
        self.nothing_was_odd();
        self.clients.shutdown().await;
        let book = self.shared.book.lock().expect("nobody panics with it");
        let mut unanswered = 0;
        for (name, operations) in &book.things {
            unanswered += operations.iter().filter(|it| it.answered.is_none()).count();
            let is_linear = is_linear(operations, None, becomes);
            assert!(is_linear, "{name} cannot have been so at any time: {operations:#?}");
        }
        let count: usize = book.things.values().map(Vec::len).sum();
        assert!(count > 0, "nobody was asked for anything");
        eprintln!("{count} operations on {} things, {unanswered} unanswered", book.things.len());
    }
}

/// What devices and their LwM2M server say of credentials, for the history.
#[derive(Clone)]
pub(crate) struct Reports(Arc<Shared>);

impl Reports {
    /// The use of what a device was given last is about to be reported. None if enough of that is
    /// known of it.
    pub(crate) fn uses(&self, device: &str, identity: &str) -> Option<Open> {
        let thing = in_use(device);
        let mut book = self.0.book.lock().expect("nobody panics with it");
        let given = book.given.entry(device.to_owned()).or_default();
        // One whose use was not taken is given again.
        let before = given.iter().position(|it| it == identity);
        let place = before.unwrap_or_else(|| {
            given.push(identity.to_owned());
            given.len() - 1
        });
        let ask = Ask::Use(place as u64 + 1);
        let is_full = book.things.get(&thing).is_some_and(|it| it.len() >= MOST);
        drop(book);
        (!is_full).then(|| self.0.ask(&thing, ask))
    }

    /// It was taken.
    pub(crate) fn used(&self, open: &Open) {
        self.0.answer(open, Told::Done);
    }
}

/// The name of the thing that says which credential is in use.
fn in_use(device: &str) -> String {
    format!("in use at {device}")
}

impl Shared {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn ask(&self, thing: &str, ask: Ask) -> Open {
        let mut book = self.book.lock().expect("nobody panics with it");
        let operations = book.things.entry(thing.to_owned()).or_default();
        operations.push(Recorded { ask, asked: self.tick(), answered: None });
        Open(thing.to_owned(), operations.len() - 1)
    }

    fn answer(&self, Open(thing, place): &Open, told: Told) {
        let mut book = self.book.lock().expect("nobody panics with it");
        let operations = book.things.get_mut(thing).expect("it was asked about");
        operations[*place].answered = Some((self.tick(), told));
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// The first of the things named `prefix` and a number that is not asked about enough.
    fn present(&self, prefix: &str) -> String {
        let book = self.book.lock().expect("nobody panics with it");
        let name = |number: u64| format!("{prefix}-{number}");
        let is_full = |name: &String| book.things.get(name).is_some_and(|it| it.len() > OPERATIONS);
        (0..).map(name).find(|name| !is_full(name)).expect("there are numbers enough")
    }

    /// Whether so much is known of a thing that nobody may look at it any more: more may happen to it
    /// than is noted.
    fn is_full(&self, thing: &str) -> bool {
        let book = self.book.lock().expect("nobody panics with it");
        book.things.get(thing).is_some_and(|it| it.len() >= MOST - 2 * CLIENTS)
    }
}

struct Client {
    shared: Arc<Shared>,
    nodes: Vec<Node>,
    http: reqwest::Client,
    draw: SeededCrypto,
    devices: Vec<String>,
}

impl Client {
    /// A number below `below`.
    fn draw(&self, below: usize) -> usize {
        let draw: &dyn Crypto = &self.draw;
        usize::from(u16::from_be_bytes(draw.random())) % below
    }

    async fn run(self) {
        loop {
            let device = self.draw(DEVICES);
            let device = self.shared.present(&format!("history-{device}"));
            match self.draw(20) {
                0..5 => self.enrol(&device).await,
                5..7 => self.revoke(&device).await,
                7..9 => self.delete(&device).await,
                9..12 => {
                    self.look(&device).await;
                }
                12..14 => self.list(&device).await,
                14..18 => self.change().await,
                _ => self.who_is_in_use().await,
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks the client's node; none if nobody knows what has come of it, or nothing has.
    async fn ask(
        &self,
        node: &Node,
        (method, path): (Method, &str),
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<(StatusCode, Option<String>, Value)> {
        let url = format!("{}/api/v1/tenants/default{path}", node.0);
        let mut request = self.http.request(method, url).bearer_auth(&node.1);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.ok()?;
        let (status, tag) = (response.status(), response.headers().get("etag").cloned());
        let tag = tag.and_then(|tag| tag.to_str().ok().map(str::to_owned));
        let text = response.text().await.ok()?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let is_known = status != StatusCode::SERVICE_UNAVAILABLE;
        is_known.then_some((status, tag, body))
    }

    /// Asks for something that changes nothing. One that nobody answers is no operation.
    async fn read(&self, path: &str) -> Option<(StatusCode, Option<String>, Value)> {
        self.ask(&self.nodes[0], (Method::GET, path), &[], None).await
    }

    /// Asks for a change until it is answered, one node after the other.
    async fn change_by(
        &self,
        request: (Method, &str),
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<(StatusCode, Option<String>, Value)> {
        let key = format!("history-{}", self.shared.tick());
        let headers = [headers, &[("idempotency-key", key.as_str())]].concat();
        let begun = Instant::now();
        for node in self.nodes.iter().cycle() {
            let answer = self.ask(node, request.clone(), &headers, body).await;
            if answer.is_some() || begun.elapsed() > INSISTENCE {
                return answer;
            }
            sleep(PAUSE).await;
        }
        None
    }

    async fn enrol(&self, device: &str) {
        let number = self.shared.number.fetch_add(1, Ordering::Relaxed);
        let key = json!({ "format": "hex", "value": "000102030405060708090a0b0c0d0e0f" });
        let psk = json!({ "identity": format!("{device}#{number}"), "key": key });
        let body = json!({ "endpoint": device, "profile": "profile", "psk": psk });
        let open = self.shared.ask(device, Ask::Enrol(number));
        let answer = self.change_by((Method::POST, "/devices"), &[], Some(&body)).await;
        match answer.map(|(status, _, body)| (status.as_u16(), body)) {
            Some((201, _)) => self.shared.answer(&open, Told::Done),
            Some((409, _)) => self.shared.answer(&open, Told::Otherwise),
            // It was enrolled, and is gone before it was shown: by whom else, is not known.
            Some((404, _)) | None => {}
            Some(other) => panic!("enrolling {device}: {other:?}"),
        }
    }

    async fn delete(&self, device: &str) {
        let open = self.shared.ask(device, Ask::Delete);
        let path = format!("/devices/{device}");
        let answer = self.change_by((Method::DELETE, &path), &[], None).await;
        match answer.map(|(status, _, body)| (status.as_u16(), body)) {
            Some((204, _)) => self.shared.answer(&open, Told::Done),
            Some((404, _)) => self.shared.answer(&open, Told::Missing),
            None => {}
            Some(other) => panic!("deleting {device}: {other:?}"),
        }
    }

    /// Gives the number of the enrolment that it is shown.
    async fn look(&self, device: &str) -> Option<u64> {
        let asked = self.shared.tick();
        let (status, _, body) = self.read(&format!("/devices/{device}")).await?;
        let told = match status.as_u16() {
            404 => Told::Missing,
            200 => {
                let shown = body["credentials"].as_array().expect("a list");
                let shown = shown.iter().find(|it| it["origin"] == "manufacturer");
                let shown = shown.expect("it was enrolled with one");
                let identity = shown["identity"].as_str().expect("a text");
                let (_, number) = identity.split_once('#').expect("ours have numbers");
                let number = number.parse().expect("a number");
                let id = shown["id"].as_str().expect("a text").to_owned();
                let mut book = self.shared.book.lock().expect("nobody panics with it");
                book.ids.insert((device.to_owned(), number), id);
                Told::Stands(number, shown["state"] == "revoked")
            }
            other => panic!("showing {device}: {other} {body}"),
        };
        self.note(device, Ask::Look, asked, told);
        match told {
            Told::Stands(number, _) => Some(number),
            _ => None,
        }
    }

    /// Notes what was asked at `asked` and is answered now; not an answer that was so long under way
    /// that more may have happened than is noted.
    fn note(&self, thing: &str, ask: Ask, asked: u64, told: Told) {
        let mut book = self.shared.book.lock().expect("nobody panics with it");
        let operations = book.things.entry(thing.to_owned()).or_default();
        if operations.len() >= MOST {
            return;
        }
        let answered = Some((self.shared.tick(), told));
        operations.push(Recorded { ask, asked, answered });
        self.shared.answered.fetch_add(1, Ordering::Relaxed);
    }

    async fn revoke(&self, device: &str) {
        let Some(number) = self.look(device).await else { return };
        let id = {
            let book = self.shared.book.lock().expect("nobody panics with it");
            book.ids[&(device.to_owned(), number)].clone()
        };
        let path = format!("/devices/{device}/credentials/{id}/revoke");
        let body = json!({ "reason": "lost" });
        let open = self.shared.ask(device, Ask::Revoke(number));
        let answer = self.change_by((Method::POST, &path), &[], Some(&body)).await;
        match answer.map(|(status, _, body)| (status.as_u16(), body)) {
            Some((200, _)) => self.shared.answer(&open, Told::Done),
            Some((409, _)) => self.shared.answer(&open, Told::Otherwise),
            // It was not there, or is gone before it was shown.
            Some((404, _)) | None => {}
            Some(other) => panic!("revoking {device}: {other:?}"),
        }
    }

    async fn list(&self, device: &str) {
        let asked = self.shared.tick();
        let path = format!("/devices?limit=1000&endpoint={device}");
        let Some((status, _, body)) = self.read(&path).await else { return };
        assert_eq!(status, 200, "{body}");
        let listed = body["items"].as_array().expect("a list");
        let is_there = listed.iter().any(|it| it["id"] == device);
        self.note(device, Ask::List, asked, Told::Listed(is_there));
    }

    /// Looks at the profile, and changes it if nobody else has.
    async fn change(&self) {
        let name = self.shared.present("register");
        let path = format!("/profiles/{name}");
        let asked = self.shared.tick();
        let Some((status, tag, body)) = self.read(&path).await else { return };
        let seen = body["registration_lifetime"].as_u64().filter(|_| status == 200);
        assert!(seen.is_some() || status == 404, "{status} {body}");
        self.note(&name, Ask::Value, asked, Told::Is(seen));
        if let (Some(value), Some(tag)) = (seen, &tag) {
            let mut book = self.shared.book.lock().expect("nobody panics with it");
            let known = *book.tags.entry((name.clone(), tag.clone())).or_insert(value);
            assert_eq!(known, value, "{name} had two values under the ETag {tag}");
        }
        let number = self.shared.number.fetch_add(1, Ordering::Relaxed);
        let body = json!({
            "server_uri": "coaps://127.0.0.1:5999", "connector": "server",
            "registration_lifetime": number,
        });
        let condition = match &tag {
            Some(tag) => ("if-match", tag.as_str()),
            None => ("if-none-match", "*"),
        };
        let open = self.shared.ask(&name, Ask::Change(seen, number));
        let answer = self.change_by((Method::PUT, &path), &[condition], Some(&body)).await;
        match answer.map(|(status, _, body)| (status.as_u16(), body)) {
            Some((200 | 201, _)) => self.shared.answer(&open, Told::Done),
            Some((412, _)) => self.shared.answer(&open, Told::Otherwise),
            None => {}
            Some(other) => panic!("changing {name}: {other:?}"),
        }
    }

    async fn who_is_in_use(&self) {
        let device = self.devices[self.draw(self.devices.len())].clone();
        let thing = in_use(&device);
        if self.shared.is_full(&thing) {
            return;
        }
        let asked = self.shared.tick();
        let Some((status, _, body)) = self.read(&format!("/devices/{device}")).await else {
            return;
        };
        assert_eq!(status, 200, "{body}");
        let shown = body["credentials"].as_array().expect("a list");
        let active = |it: &&Value| it["origin"] == "claviger" && it["state"] == "active";
        let active: BTreeSet<&str> =
            shown.iter().filter(active).filter_map(|it| it["identity"].as_str()).collect();
        assert!(active.len() < 2, "{device} has two credentials in use: {body}");
        let number = active.first().map(|identity| {
            let book = self.shared.book.lock().expect("nobody panics with it");
            let mut given = book.given.get(&device).into_iter().flatten();
            let place = given.position(|it| it == identity);
            place.expect("only what was given is reported as used") as u64 + 1
        });
        self.note(&thing, Ask::InUse, asked, Told::Is(number));
    }
}
