//! A listener, the devices before it and a ledger of one device behind it, in virtual time.

use claviger_dtls::schedule::{self, OpenError};
use claviger_dtls::{
    Client, ClientConfig, ClientOutput, ClusterKeys, CookieKeys, DropReason, Endpoint,
    EndpointConfig, StoredSession,
};
use claviger_front::{
    CheckKey, Close, Content, CookieKey, Deliver, Find, FromEdge, Keys, Open, Opened, Refusal,
    Refused, ToEdge, Transmit,
};
use core::net::SocketAddr;
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use crate::{Edge, Output, Undone};

pub(super) const KEY: &[u8] = b"sixteen byte key";
pub(super) const NAME: &str = "urn:dev:1";
pub(super) const START: Duration = Duration::from_secs(1_800_000_000);

/// A device and its address.
pub(super) struct Device {
    pub(super) client: Client,
    pub(super) at: SocketAddr,
    /// What its client reported besides datagrams.
    pub(super) reports: Vec<ClientOutput>,
}

impl Device {
    /// `cid`: with a connection id, or found by its address.
    pub(super) fn new(seed: u64, name: &str, key: &[u8], cid: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut config = ClientConfig::new(name.into(), Zeroizing::new(key.to_vec()));
        config.cid = cid.then(Vec::new);
        Self {
            client: Client::new(START, config, &mut rng),
            at: "192.0.2.1:5000".parse().expect("an address"),
            reports: Vec::new(),
        }
    }

    pub(super) fn datagrams(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Datagram(bytes) => datagrams.push(bytes),
                other => self.reports.push(other),
            }
        }
        datagrams
    }
}

/// The edge, and what it told the actors that they have not looked at.
pub(super) struct Play {
    pub(super) now: Duration,
    pub(super) edge: Edge,
    pub(super) opens: Vec<Open>,
    pub(super) delivered: Vec<Deliver>,
    pub(super) finds: Vec<Find>,
    /// All else that it told them.
    pub(super) others: Vec<FromEdge>,
    /// What the ledger keeps of the session that was opened last.
    pub(super) stored: Vec<u8>,
    /// Datagrams that are on their way to devices.
    pub(super) sent: Vec<(SocketAddr, Vec<u8>)>,
}

impl Play {
    pub(super) fn new() -> Self {
        let mut play = Self::unheard();
        play.undrained(&play.keys());
        play
    }

    /// One that the actors have said nothing to yet.
    pub(super) fn unheard() -> Self {
        let rng = Box::new(ChaCha8Rng::seed_from_u64(99));
        let keys = ClusterKeys::default();
        let endpoint = Endpoint::new(EndpointConfig::default(), keys, rng);
        Self {
            now: START,
            edge: Edge::new("coaps", "default", endpoint),
            opens: Vec::new(),
            delivered: Vec::new(),
            finds: Vec::new(),
            others: Vec::new(),
            stored: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// The keys of the cluster, as they are now.
    pub(super) fn keys(&self) -> ToEdge {
        let CookieKeys { first, keys } = &CookieKeys::at(&[1; 32], self.now);
        let cookies = keys.iter().map(|key| CookieKey(*key)).collect();
        let checks = vec![CheckKey { configuration: 1, key: [2; 32] }];
        ToEdge::Keys(Keys { first: *first, cookies, checks })
    }

    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        self.edge.report().dtls.dropped(reason)
    }

    /// Takes what the edge has to say.
    pub(super) fn drain(&mut self) {
        while let Some(output) = self.edge.poll() {
            match output {
                Output::Datagram { to, bytes } => self.sent.push((to, bytes)),
                Output::Frame(frame) => match FromEdge::decode(&frame).expect("our frame") {
                    FromEdge::Open(open) => self.opens.push(open),
                    FromEdge::Deliver(deliver) => self.delivered.push(deliver),
                    FromEdge::Find(find) => self.finds.push(find),
                    other => self.others.push(other),
                },
                Output::Event(_) => {}
            }
        }
    }

    /// Gives the edge a frame behind which another one is ready.
    pub(super) fn undrained(&mut self, frame: &ToEdge) {
        self.edge.frame(self.now, &frame.encode()).expect("it is carried out");
    }

    pub(super) fn frame(&mut self, frame: &ToEdge) -> Result<(), Undone> {
        let done = self.edge.frame(self.now, &frame.encode());
        self.drain();
        done
    }

    /// What a ledger with this one device answers.
    pub(super) fn judge(&mut self, open: &Open) -> ToEdge {
        let refused = |refusal| ToEdge::Refused(Refused { call: open.call, refusal });
        if open.identity != NAME.as_bytes() {
            return refused(Refusal::UnknownIdentity);
        }
        let evidence = schedule::Evidence {
            transcript: &open.transcript,
            finished: &open.finished,
            suite: open.suite,
            cid: open.cid.as_ref().map(|cid| &cid[..]),
            peer_cid: open.peer_cid.as_deref(),
            shared: None,
        };
        match schedule::open(KEY, self.now, &evidence) {
            Ok(opened) => {
                let stored = StoredSession::at_open(&evidence, &opened, open.peer, self.now);
                let stored = stored.and_then(|stored| stored.encode()).expect("it is whole");
                self.stored = stored.to_vec();
                ToEdge::Opened(Opened {
                    call: open.call,
                    session: opened.session.0,
                    tenant: "default".into(),
                    device: "1".into(),
                    keys: opened.keys.to_bytes().to_vec(),
                    verify_data: opened.verify_data,
                })
            }
            Err(OpenError::BadFinished) => refused(Refusal::BadFinished),
            Err(_) => refused(Refusal::Unavailable),
        }
    }

    /// Answers all that waits.
    pub(super) fn answer(&mut self) {
        for open in core::mem::take(&mut self.opens) {
            let answer = self.judge(&open);
            self.frame(&answer).expect("a frame of this version");
        }
    }

    /// Carries datagrams until nobody says anything.
    pub(super) fn settle(&mut self, device: &mut Device) {
        self.undrained(&self.keys());
        loop {
            let datagrams = device.datagrams();
            for datagram in &datagrams {
                self.edge.receive(self.now, device.at, datagram);
            }
            self.drain();
            self.answer();
            let sent = core::mem::take(&mut self.sent);
            for (_, datagram) in &sent {
                device.client.receive(self.now, datagram);
            }
            if datagrams.is_empty() && sent.is_empty() {
                return;
            }
        }
    }

    /// Lets time pass, with all that falls due.
    pub(super) fn pass(&mut self, device: &mut Device, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            let due = [self.edge.next_timeout(), device.client.next_timeout()];
            let due = due.into_iter().flatten().min().filter(|due| *due <= end);
            self.now = due.unwrap_or(end);
            self.edge.handle_timeout(self.now);
            device.client.handle_timeout(self.now);
            self.settle(device);
            if due.is_none() {
                return;
            }
        }
    }

    pub(super) fn transmit(&self, session: [u8; 16], sequence: u64, content: Content) -> ToEdge {
        let deadline = (self.now.as_millis() as u64) + 1_000;
        ToEdge::Transmit(Transmit { session, sequence, deadline, to: None, content })
    }

    pub(super) fn close(session: [u8; 16]) -> ToEdge {
        ToEdge::Close(Close { session })
    }
}

/// A device whose session is open, and the session.
pub(super) fn open(cid: bool) -> (Play, Device, [u8; 16]) {
    let (mut play, mut device) = (Play::new(), Device::new(1, NAME, KEY, cid));
    play.settle(&mut device);
    device.client.send(b"first").expect("the session is open");
    play.settle(&mut device);
    let session = play.delivered.pop().expect("its record").session;
    (play, device, session)
}
