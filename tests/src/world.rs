//! The world itself.

use crate::gate::Gate;
use crate::hosts::{Hosts, edge};
use crate::ports::FrameQueue;
use crate::steps::{self, Steps};
use crate::{Balance, Datagram, Faults, Net, SeededCrypto, SimOutbox, VirtualClock};
use claviger_actors::{CameFrom, Clock, Counters, Devices, EdgeId, Ports, Unproven};
use claviger_curves::{AwsLc, SigningKey};
use claviger_device::{Account, Device, DeviceConfig, DeviceOutput, Failure};
use claviger_edge::Output;
use claviger_front::ToEdge;
use claviger_ledger::{
    Command, ConfirmOutbox, ConfirmWithdrawal, ConnectorKind, CreateTenant, CredentialId,
    CredentialKind, DeviceRef, Ended, EnrolDevice, Envelope, Found, Ledger, Outcome, Profile,
    PutConnector, PutProfile, PutServerIdentity, RequestId, ServerIdentity, View, fingerprint,
};
use claviger_machine::{Crypto, Draw};
use claviger_seal::{ClusterSecret, Keyring, Label, RootKey, TenantKey};
use core::future::pending;
use core::net::SocketAddr;
use core::time::Duration;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zeroize::Zeroizing;

pub(crate) const TENANT: &str = "default";
/// How long the LwM2M server takes to hold a credential.
const SERVER: Duration = Duration::from_millis(5);
/// How often edges are told that the node of the actors may speak.
const BEAT: Duration = Duration::from_millis(500);

/// What a world is made of.
pub struct WorldConfig {
    /// The seed of everything.
    pub seed: u64,
    /// The network's faults.
    pub faults: Faults,
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
}

/// A simulated device and what it came to.
pub struct Sim {
    /// The device.
    pub device: Device,
    /// What it holds after its bootstrap.
    pub account: Option<Account>,
    /// Why it has none.
    pub failure: Option<Failure>,
}

/// Devices, edges, one of them where nothing else is said, and the actors behind them.
pub struct World {
    /// The time.
    pub clock: VirtualClock,
    /// The randomness.
    pub crypto: Arc<dyn Crypto>,
    /// The actors.
    pub devices: Devices,
    /// What the actors count.
    pub counters: Arc<Counters>,
    /// Attempts of strangers.
    pub unproven: Arc<Unproven>,
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// The devices, by address.
    pub fleet: BTreeMap<SocketAddr, Sim>,
    /// What happened, a line each.
    pub log: Vec<String>,
    /// While false, no LwM2M server answers.
    pub server_up: bool,
    /// The realm that the listener stands for; another one holds after a restart.
    pub realm: String,
    /// True for an edge that verifies no signature, as one does that is somebody else's; holds after
    /// a restart.
    pub lenient: bool,
    /// Whether the actors take the edges for a part of their own process.
    pub one_process: bool,
    /// What devices sent, while it is recorded.
    pub recorded: Option<Vec<Vec<u8>>>,
    ports: Ports,
    gate: Arc<Gate>,
    hosts: Hosts,
    beat: Duration,
    address: SocketAddr,
    net: Net,
    frames: UnboundedReceiver<(EdgeId, Zeroizing<Vec<u8>>)>,
    outbox: UnboundedReceiver<(DeviceRef, CredentialId)>,
    numbers: BTreeSet<([u8; 16], u64)>,
    ended: BTreeSet<[u8; 16]>,
}

/// Runs `test` in an actix system whose time is virtual.
pub fn system<T>(test: impl Future<Output = T>) -> T {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().expect("a runtime can be made")
    };
    actix::System::with_tokio_rt(runtime).block_on(test)
}

pub(crate) fn keys() -> Arc<Keyring> {
    Arc::new(Keyring::new(RootKey::new([0x5e; 32]), ClusterSecret::new([0x5f; 32])))
}

/// A new tenant whose key consists of `byte`.
fn create_tenant(name: &str, byte: u8, crypto: &dyn Crypto) -> CreateTenant {
    let wrapped = keys().wrap(name, 1, &Zeroizing::new([byte; 32]), crypto.random());
    let (root, wrapped_key) = wrapped.expect("the ring is open");
    CreateTenant { tenant: name.to_owned(), wrapped_key, root }
}

/// What gives the listeners of the tenant this key pair, with a chain for it or none.
pub(crate) fn server_identity(
    pkcs8: &[u8],
    chain: Vec<Vec<u8>>,
    crypto: &dyn Crypto,
) -> PutServerIdentity {
    let key = SigningKey::from_pkcs8(pkcs8).expect("a key pair");
    let public_key = key.public_key().expect("it has an encoding");
    let label = Label::ServerKey { tenant: TENANT, fingerprint: &fingerprint(&public_key) };
    let sealed_key = TenantKey::new([7; 32]).seal(label, pkcs8, crypto.random());
    let identity = ServerIdentity {
        chain: chain.into_iter().map(Into::into).collect(),
        public_key,
        group: key.group() as u16,
        scheme: key.scheme() as u16,
        sealed_key,
        version: 0,
    };
    PutServerIdentity { tenant: TENANT.to_owned(), identity, expect: None }
}

/// The tenant's key, and a profile with its connector, in a ledger that is new.
pub async fn found(ledger: &dyn Ledger, clock: &dyn Clock, crypto: &dyn Crypto) {
    let profile = Profile {
        server_uri: "coaps://lwm2m.example:5684".to_owned(),
        short_server_id: 123,
        registration_lifetime: 300,
        credential_lifetime: 86_400,
        binding: "U".to_owned(),
        security_mode: 0,
        connector: "server".to_owned(),
        version: 0,
    };
    let tenant = || TENANT.to_owned();
    let url = "http://127.0.0.1:9/".to_owned();
    let commands: [Command; 4] = [
        Found { cluster: crypto.random() }.into(),
        create_tenant(TENANT, 7, crypto).into(),
        PutConnector {
            tenant: tenant(),
            name: "server".to_owned(),
            url,
            sealed_secret: Vec::new(),
            kind: ConnectorKind::Webhook,
            expect: None,
        }
        .into(),
        PutProfile { tenant: tenant(), name: "profile".to_owned(), profile, expect: None }.into(),
    ];
    for command in commands {
        let outcome = propose(ledger, clock, crypto, command).await;
        assert!(matches!(outcome, Ok(Outcome::Done | Outcome::Made)), "{outcome:?}");
    }
}

/// The device `name`, which is its id too.
fn reference(name: &str) -> DeviceRef {
    DeviceRef { tenant: TENANT.to_owned(), device: name.to_owned() }
}

pub(crate) async fn propose(
    ledger: &dyn Ledger,
    clock: &dyn Clock,
    crypto: &dyn Crypto,
    command: Command,
) -> Result<Outcome, claviger_ledger::Unavailable> {
    let time = u64::try_from(clock.now().as_millis()).expect("virtual time is short");
    ledger.propose(Envelope::new(time, RequestId(crypto.random()), command)).await
}

impl Steps for World {
    fn clock(&self) -> VirtualClock {
        self.clock
    }

    fn drain(&mut self) {
        let now = self.clock.now();
        let origin = if self.one_process { CameFrom::Here } else { CameFrom::Elsewhere };
        let mut said = Vec::new();
        for (id, edge) in self.hosts.all() {
            said.extend(core::iter::from_fn(|| edge.poll()).map(|output| (*id, output)));
        }
        for (id, output) in said {
            match output {
                Output::Datagram { to, bytes } => self.send(self.address, to, bytes),
                Output::Frame(frame) => self.devices.frame(id, origin, frame),
                Output::Event(event) => self.note(&format!("edge {event:?}")),
            }
        }
        let mut outputs = Vec::new();
        for (address, sim) in &mut self.fleet {
            while let Some(output) = sim.device.poll() {
                outputs.push((*address, output));
            }
        }
        for (address, output) in outputs {
            self.output(address, output);
        }
        debug_assert_eq!(now, self.clock.now(), "nothing here takes virtual time");
    }

    fn next_event(&self) -> Option<Duration> {
        let fleet = self.fleet.values().filter_map(|sim| sim.device.next_timeout());
        let rest = [self.net.next_arrival(), self.hosts.next_timeout(), Some(self.beat)];
        fleet.chain(rest.into_iter().flatten()).min()
    }

    fn due(&mut self) {
        let now = self.clock.now();
        if self.beat <= now {
            self.devices.beat();
            self.beat = now + BEAT;
        }
        while let Some(datagram) = self.net.arrived(now) {
            if datagram.to == self.address {
                if let Some(edge) = self.hosts.pick(datagram.from) {
                    edge.receive(now, datagram.from, &datagram.bytes);
                }
            } else if let Some(sim) = self.fleet.get_mut(&datagram.to) {
                sim.device.receive(now, &datagram.bytes);
            }
        }
        for (_, edge) in self.hosts.all() {
            if edge.next_timeout().is_some_and(|due| due <= now) {
                edge.handle_timeout(now);
            }
        }
        for sim in self.fleet.values_mut() {
            if sim.device.next_timeout().is_some_and(|due| due <= now) {
                sim.device.handle_timeout(now);
            }
        }
    }

    async fn hear(&mut self) {
        tokio::select! {
            biased;
            Some((to, frame)) = self.frames.recv() => {
                self.frame(to, &frame);
                while let Ok((to, frame)) = self.frames.try_recv() {
                    self.frame(to, &frame);
                }
            }
            Some((device, credential)) = self.outbox.recv() => self.tell(device, credential),
            else => pending().await,
        }
    }
}

impl World {
    /// A world over a founded ledger.
    pub fn new(config: WorldConfig, clock: VirtualClock, crypto: Arc<SeededCrypto>) -> Self {
        let WorldConfig { seed, faults, ledger } = config;
        let crypto: Arc<dyn Crypto> = crypto;
        let (frames_in, frames) = unbounded_channel();
        let (outbox_in, outbox) = unbounded_channel();
        let unproven = Arc::new(Unproven::default());
        let counters = Arc::new(Counters::default());
        let gate = Arc::new(Gate::new(ledger.clone()));
        let mut hosts = Hosts::new();
        hosts.add(edge(&crypto, TENANT, false));
        let gone = hosts.gone.clone();
        let queue = FrameQueue { frames: frames_in, gone };
        let ports = Ports {
            ledger: gate.clone(),
            keys: keys(),
            clock: Arc::new(clock),
            crypto: crypto.clone(),
            pki: Arc::new(AwsLc),
            outbox: Arc::new(SimOutbox(outbox_in)),
            edges: Arc::new(queue),
            unproven: unproven.clone(),
            counters: counters.clone(),
            sleep_after: Duration::from_secs(120),
        };
        let devices = Devices::start(ports.clone());
        Self {
            clock,
            beat: Duration::ZERO,
            hosts,
            crypto,
            devices,
            ports,
            gate,
            counters,
            unproven,
            ledger,
            fleet: BTreeMap::new(),
            log: Vec::new(),
            server_up: true,
            realm: TENANT.to_owned(),
            lenient: false,
            one_process: false,
            recorded: None,
            address: SocketAddr::from(([192, 0, 2, 1], 5684)),
            net: Net::new(seed, faults),
            frames,
            outbox,
            numbers: BTreeSet::new(),
            ended: BTreeSet::new(),
        }
    }

    /// Kills the process with its edge and its actors, and starts it again: what it had in memory
    /// is gone, and the ledger is as it was.
    pub fn restart(&mut self) {
        self.gate.close();
        while self.frames.try_recv().is_ok() {}
        while self.outbox.try_recv().is_ok() {}
        self.gate = Arc::new(Gate::new(self.ledger.clone()));
        self.ports.ledger = self.gate.clone();
        // What the actors of before still send goes to an edge that is not there any more.
        self.hosts.clear();
        self.hosts.add(edge(&self.crypto, &self.realm, self.lenient));
        self.devices = Devices::start(self.ports.clone());
        self.note("restarted");
        self.tell_all();
    }

    /// Tells the LwM2M server of everything that waits in the outbox.
    fn tell_all(&mut self) {
        let mut waiting = Vec::new();
        self.ledger.read(&mut |rows| waiting = View::new(rows).outbox());
        for (device, credential, _) in waiting {
            self.tell(device, credential);
        }
    }

    /// Lets the actors of another node take over: that of `ledger`. Those before go on, as they
    /// do on a node that does not know yet that it leads no more.
    pub fn take_over(&mut self, ledger: Arc<dyn Ledger>) {
        self.ledger = ledger.clone();
        self.devices = Devices::start(Ports { ledger, ..self.ports.clone() });
        self.greet();
    }

    /// Puts `count` edges that share their address in the place of the one, and `balance` before
    /// them.
    pub fn spread(&mut self, count: usize, balance: Balance) {
        self.hosts.clear();
        self.hosts.balance = balance;
        (0..count).for_each(|_| self.add_edge());
    }

    /// Another edge comes.
    pub fn add_edge(&mut self) {
        self.hosts.add(edge(&self.crypto, &self.realm, self.lenient).shared());
    }

    /// Kills the edge at this place.
    pub fn kill_edge(&mut self, place: usize) {
        self.hosts.kill(place);
        self.note(&format!("edge {place} is killed"));
    }

    /// The node of the actors leads no more: from now on nobody does, until [`Self::lead`].
    pub fn step_down(&mut self) {
        self.gate.close();
        self.devices.clone().stop();
        self.note("nobody leads");
    }

    /// A node begins to lead that knows what the ledger does. Edges hear of it by [`Self::greet`].
    pub fn lead(&mut self) {
        self.gate = Arc::new(Gate::new(self.ledger.clone()));
        self.ports.ledger = self.gate.clone();
        self.devices = Devices::start(self.ports.clone());
        self.note("another node leads");
        self.tell_all();
    }

    /// No quorum confirms what the leader shows, or one does again.
    pub fn leave_alone(&self, alone: bool) {
        self.gate.leave_alone(alone);
    }

    /// The edges find the node that leads.
    pub fn greet(&mut self) {
        self.hosts.all().for_each(|(_, edge)| edge.greet());
    }

    /// Proposes a command.
    pub async fn propose(&self, command: impl Into<Command>) -> Outcome {
        let fate = propose(&*self.ledger, &self.clock, &*self.crypto, command.into()).await;
        fate.expect("the ledger answers")
    }

    /// Commits a command that ends credentials: from then on nothing may be sent in the sessions
    /// that it closes. The actors are told of it only if it is `announced`.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn end(&mut self, command: impl Into<Command>, announced: bool) -> Ended {
        while let Ok((to, frame)) = self.frames.try_recv() {
            self.frame(to, &frame);
        }
        let outcome = self.propose(command).await;
        let Outcome::Ended(ended) = outcome else { panic!("{outcome:?}") };
        self.note(&format!("{ended:?}"));
        self.ended.extend(ended.closed.iter().map(|(_, session)| session.0));
        if announced {
            self.devices.ended(ended.clone());
        }
        ended
    }

    /// Makes another tenant; its realm has its name.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn make_tenant(&self, name: &str) {
        let outcome = self.propose(create_tenant(name, 8, self.crypto.as_ref())).await;
        assert_eq!(outcome, Outcome::Done);
    }

    /// Enrols the device `name` with `psk`; its identity and endpoint are its name.
    pub async fn enrol(&self, name: &str, psk: &[u8]) -> DeviceRef {
        let credential = CredentialId(self.crypto.random());
        let label = Label::Credential { tenant: TENANT, device: name, credential: &credential.0 };
        let enrol = EnrolDevice {
            credential,
            sealed_key: TenantKey::new([7; 32]).seal(label, psk, self.crypto.random()),
            key_length: u16::try_from(psk.len()).expect("keys are short"),
            ..self.enrolment(name, CredentialKind::Psk, name.as_bytes())
        };
        assert_eq!(self.propose(enrol).await, Outcome::Done);
        reference(name)
    }

    /// Enrols the device `name`, which proves what is known by `identity`, and no secret of ours.
    pub async fn enrol_by(&self, name: &str, kind: CredentialKind, identity: &[u8]) -> DeviceRef {
        let enrol = self.enrolment(name, kind, identity);
        assert_eq!(self.propose(enrol).await, Outcome::Done);
        reference(name)
    }

    /// Enrols a device whose endpoint name is not its id.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn enrol_as(&self, device: DeviceRef, endpoint: &str) {
        let enrol = self.enrolment(endpoint, CredentialKind::Psk, endpoint.as_bytes());
        assert_eq!(self.propose(EnrolDevice { device, ..enrol }).await, Outcome::Done);
    }

    fn enrolment(&self, name: &str, kind: CredentialKind, identity: &[u8]) -> EnrolDevice {
        EnrolDevice {
            device: reference(name),
            endpoint: name.to_owned(),
            profile: "profile".to_owned(),
            credential: CredentialId(self.crypto.random()),
            identity: identity.to_vec(),
            sealed_key: Vec::new(),
            key_length: 0,
            kind,
        }
    }

    /// Gives the listeners a key pair of their own, with a chain for it or none; gives the public
    /// key.
    ///
    /// # Panics
    /// If it is no key pair, or is refused.
    pub async fn give_identity(&self, pkcs8: &[u8], chain: Vec<Vec<u8>>) -> Vec<u8> {
        let put = server_identity(pkcs8, chain, self.crypto.as_ref());
        let public_key = put.identity.public_key.clone();
        assert!(matches!(self.propose(put).await, Outcome::Made | Outcome::Done));
        self.devices.identity_changed(TENANT);
        public_key
    }

    /// Switches on a device of the given configuration at `192.0.2.2:port`.
    pub fn switch_on(&mut self, port: u16, config: DeviceConfig) -> SocketAddr {
        let address = SocketAddr::from(([192, 0, 2, 2], port));
        let rng = Box::new(Draw(self.crypto.clone()));
        let device = Device::new(self.clock.now(), config, rng);
        self.fleet.insert(address, Sim { device, account: None, failure: None });
        address
    }

    /// Lets a device ask again in the session that it has.
    pub fn ask_again(&mut self, address: SocketAddr) {
        if let Some(sim) = self.fleet.get_mut(&address) {
            (sim.account, sim.failure) = (None, None);
            sim.device.ask_again(self.clock.now());
        }
    }

    /// Moves a device to another port, as a NAT does.
    pub fn rebind(&mut self, from: SocketAddr, port: u16) -> SocketAddr {
        let to = SocketAddr::new(from.ip(), port);
        if let Some(sim) = self.fleet.remove(&from) {
            self.fleet.insert(to, sim);
        }
        to
    }

    /// Runs until `done` holds, or the time `limit` has passed; true if it holds.
    pub async fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        steps::run_until(self, limit, done).await
    }

    /// Runs for `time`.
    pub async fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false).await;
    }

    /// A frame for the edge.
    ///
    /// # Panics
    /// If it gives a record a number that was given before in its session, or if its session was
    /// ended before.
    fn frame(&mut self, to: EdgeId, frame: &[u8]) {
        let Some(edge) = self.hosts.find(to) else { return };
        if let Ok(ToEdge::Transmit(transmit)) = ToEdge::decode(frame) {
            let number = (transmit.session, transmit.sequence);
            assert!(self.numbers.insert(number), "{number:?} is given twice");
            assert!(!self.ended.contains(&transmit.session), "{number:?} follows the end");
        }
        // What is not carried out, the device asks for again.
        let done = edge.frame(self.clock.now(), frame);
        self.note(&format!("frame {} {done:?}", frame.len()));
    }

    fn tell(&mut self, device: DeviceRef, credential: CredentialId) {
        if !self.server_up {
            return;
        }
        self.note(&format!("server told of {credential}"));
        let (ledger, devices) = (self.ledger.clone(), self.devices.clone());
        let (clock, crypto) = (self.clock, self.crypto.clone());
        actix::spawn(async move {
            tokio::time::sleep(SERVER).await;
            let mut item = None;
            ledger.read(&mut |rows| item = View::new(rows).outbox_item(&device, credential));
            let told = item.is_some_and(|item| item.withdrawal.is_none());
            let command: Command = if told {
                ConfirmOutbox { device: device.clone(), credential }.into()
            } else {
                ConfirmWithdrawal { device: device.clone(), credential }.into()
            };
            let fate = propose(&*ledger, &clock, &*crypto, command).await;
            if told && fate.is_ok() {
                devices.server_answered(&device, credential, Ok(()));
            }
        });
    }

    fn output(&mut self, address: SocketAddr, output: DeviceOutput) {
        match output {
            DeviceOutput::Datagram(bytes) => self.send(address, self.address, bytes),
            DeviceOutput::Event(event) => self.note(&format!("{address} {event:?}")),
            DeviceOutput::Bootstrapped(account) => {
                self.note(&format!("{address} bootstrapped"));
                self.fleet.entry(address).and_modify(|sim| sim.account = Some(account));
            }
            DeviceOutput::Failed(failure) => {
                self.note(&format!("{address} failed: {failure:?}"));
                self.fleet.entry(address).and_modify(|sim| sim.failure = Some(failure));
            }
        }
    }

    /// Sends a datagram to the edge from this address, as somebody who has recorded it does.
    pub fn replay(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        self.send(from, self.address, bytes);
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if let Some(recorded) = self.recorded.as_mut().filter(|_| to == self.address) {
            recorded.push(bytes.clone());
        }
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let [a, b, c, d, ..] = digest;
        let length = bytes.len();
        self.note(&format!("{from} -> {to} {length} bytes {a:02x}{b:02x}{c:02x}{d:02x}"));
        self.net.send(self.clock.now(), Datagram { from, to, bytes });
    }

    /// Adds a line to the log.
    pub fn note(&mut self, words: &str) {
        self.log.push(format!("{:>8} {words}", self.clock.elapsed_ms()));
    }
}
