//! The socket of an edge, and its way to the actors.
//!
//! One task owns the socket and the [`Edge`], so there is no lock on the way of a datagram. It runs
//! on the thread of the actors: a datagram and its answer pass no other thread, unless the ledger
//! is asked.

use crate::cluster::way::{ToTask, Way};
use crate::socket::Inode;
use crate::telemetry::{self, Handshake};
use claviger_actors::{Clock, EdgeId};
use claviger_dtls::HandshakeEvent;
use claviger_edge::{Edge, Output, Report};
use claviger_front::EdgeReport;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

/// The longest datagram that is read: what the DTLS engine lets devices send.
const DATAGRAM: usize = claviger_dtls::DATAGRAM;
/// How many datagrams are read, or frames taken, before their answers are sent.
const BATCH: usize = 64;
/// How often it is looked whether it hears of a leader.
const LOOK: Duration = Duration::from_millis(250);
/// How many frames and words may wait for the edge.
pub const FRAMES: usize = 65_536;

/// What can be seen of an edge from outside its task.
#[derive(Debug, Default)]
pub struct Shown {
    report: Mutex<Report>,
    /// Datagrams received.
    pub received: AtomicU64,
    /// Datagrams sent.
    pub sent: AtomicU64,
    /// Datagrams that the system did not take.
    pub not_sent: AtomicU64,
    /// Frames for actors that had no way to them: no leader is known, or the line is full.
    pub frames_lost: AtomicU64,
    /// True while it answers no device, for it hears of no leader.
    silent: AtomicBool,
    /// True while it takes no new handshakes.
    draining: AtomicBool,
    /// True while besides none is under way.
    drained: AtomicBool,
    listener: String,
    socket: Option<Inode>,
}

impl Shown {
    /// Nothing yet, of the edge of this listener with this socket.
    pub fn of(listener: &str, socket: Option<Inode>) -> Self {
        let (listener, silent) = (listener.to_owned(), AtomicBool::new(true));
        Self { listener, silent, socket, ..Self::default() }
    }

    /// The listener's name.
    pub fn listener(&self) -> &str {
        &self.listener
    }

    /// True while it answers no device, for it hears of no leader.
    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// How it stands, as it says it to the leader.
    pub fn standing(&self) -> EdgeReport {
        let Report { sessions, half_open, established, failed, .. } = self.report();
        EdgeReport {
            sessions: sessions as u64,
            handshakes: half_open as u64,
            established,
            failed: failed.iter().sum(),
            serves: !self.is_silent(),
            draining: self.draining.load(Ordering::Relaxed),
        }
    }

    /// True once it was told to drain and no handshake is under way.
    pub fn is_drained(&self) -> bool {
        self.drained.load(Ordering::Relaxed)
    }

    /// Datagrams that the kernel dropped before the edge could read them.
    pub fn overflowed(&self) -> u64 {
        self.socket.map_or(0, Inode::dropped)
    }

    /// The edge's numbers as they were after its last step.
    pub fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An edge and what it speaks with.
pub struct EdgeTask {
    /// Its id.
    pub id: EdgeId,
    /// The edge itself.
    pub edge: Edge,
    /// Its socket, which does not block.
    pub socket: std::net::UdpSocket,
    /// What it is told: frames of actors, and where its own go.
    pub told: mpsc::Receiver<ToTask>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is shown of it.
    pub shown: Arc<Shown>,
}

/// An edge whose socket belongs to the runtime that it runs on.
struct Running {
    id: EdgeId,
    edge: Edge,
    socket: UdpSocket,
    way: Way,
    told: mpsc::Receiver<ToTask>,
    clock: Arc<dyn Clock>,
    shown: Arc<Shown>,
    draining: bool,
}

impl EdgeTask {
    /// Runs until the task is ended or nobody is left who could tell it anything.
    ///
    /// # Errors
    /// If the socket cannot be waited for any more.
    pub async fn run(self) -> io::Result<()> {
        let Self { id, edge, socket, told, clock, shown } = self;
        let socket = UdpSocket::from_std(socket)?;
        let way = Way::Nowhere;
        let draining = false;
        Running { id, edge, socket, way, told, clock, shown, draining }.run().await
    }
}

impl Running {
    async fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; DATAGRAM];
        let mut timer = core::pin::pin!(tokio::time::sleep(Duration::ZERO));
        let mut armed = None;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.drain().await;
        loop {
            // One that is set for sooner stays: a look in vain now and then costs less than a new
            // timer for each datagram.
            if let Some(due) =
                self.edge.next_timeout().filter(|due| armed.is_none_or(|at| *due < at))
            {
                let wait = due.saturating_sub(self.clock.now());
                timer.as_mut().reset(Instant::now() + wait);
                armed = Some(due);
            }
            tokio::select! {
                // One task waits for the socket, so it needs no place in a list of those who do.
                ready = poll_fn(|cx| self.socket.poll_recv_ready(cx)) => {
                    ready?;
                    self.read(&mut buffer);
                }
                told = self.told.recv() => match told {
                    Some(told) => self.take(told),
                    None => return Ok(()),
                },
                () = &mut timer, if armed.is_some() => {
                    armed = None;
                    self.edge.handle_timeout(self.clock.now());
                }
                _ = look.tick() => self.look(),
            }
            self.drain().await;
            if self.shown.is_silent() && !self.edge.is_silent(self.clock.now()) {
                self.look();
            }
            let report = self.edge.report();
            *self.shown.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
        }
    }

    /// What is to be seen of it from outside, at times; one that hears of no leader asks again.
    fn look(&mut self) {
        let silent = self.edge.is_silent(self.clock.now());
        let was_silent = self.shown.silent.swap(silent, Ordering::Relaxed);
        if silent != was_silent {
            let listener = self.shown.listener();
            if silent {
                tracing::warn!(listener, "no leader is heard: devices are not answered");
            } else {
                tracing::info!(listener, "a leader is heard: devices are answered");
            }
        }
        // What it said when the way was found may have been lost.
        if silent && !matches!(self.way, Way::Nowhere) {
            self.edge.greet();
        }
        let drained = self.draining && self.edge.is_idle();
        self.shown.drained.store(drained, Ordering::Relaxed);
    }

    fn read(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            // An error means nothing more to read, or an ICMP message about an earlier
            // datagram, which a stranger can forge.
            let Ok((length, from)) = self.socket.try_recv_from(buffer) else { return };
            self.shown.received.fetch_add(1, Ordering::Relaxed);
            self.edge.receive(self.clock.now(), from, &buffer[..length]);
        }
    }

    fn take(&mut self, first: ToTask) {
        let mut next = Some(first);
        for rest in (0..BATCH).rev() {
            match next {
                None => return,
                Some(ToTask::Way(way)) => self.turn(way),
                Some(ToTask::Drain) => {
                    self.draining = true;
                    self.shown.draining.store(true, Ordering::Relaxed);
                    self.edge.drain();
                }
                Some(ToTask::Frame(frame)) => {
                    if let Err(undone) = self.edge.frame(self.clock.now(), &frame) {
                        tracing::debug!(%undone, "a frame was not carried out");
                    }
                }
            }
            next = if rest > 0 { self.told.try_recv().ok() } else { None };
        }
    }

    /// Other actors take its frames from now on. They do not know its listener yet.
    fn turn(&mut self, way: Way) {
        self.way = way;
        if !matches!(self.way, Way::Nowhere) {
            self.edge.greet();
        }
    }

    async fn drain(&mut self) {
        while let Some(output) = self.edge.poll() {
            match output {
                Output::Datagram { to, bytes } => {
                    send(&self.socket, &self.shown, to, &bytes).await;
                    self.edge.reuse(bytes);
                }
                Output::Frame(frame) => {
                    if !self.way.send(self.id, frame) {
                        self.shown.frames_lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Output::Event(event) => self.note(&event),
            }
        }
    }

    /// Tells the log, and where traces go, of the handshake. Strangers make no line above `debug`,
    /// or they could fill a disk; the table of unproven attempts and the metrics have them.
    fn note(&self, event: &HandshakeEvent) {
        match event {
            HandshakeEvent::CookieVerified { peer } => {
                tracing::debug!(%peer, "a peer proved its address");
            }
            HandshakeEvent::Established { session, peer, suite, cid, took, resumed } => {
                tracing::debug!(trace = ?session, %peer, suite, cid, resumed, ?took, "handshake done");
                let Some(traces) = telemetry::traces() else { return };
                let trace = self.edge.trace(*session);
                traces.handshake(&Handshake {
                    trace: trace.id,
                    span: trace.span,
                    peer: *peer,
                    suite: *suite,
                    cid: *cid,
                    ended: self.clock.now(),
                    took: *took,
                });
            }
            HandshakeEvent::Failed { peer, reason } => {
                tracing::debug!(%peer, ?reason, "handshake failed");
            }
        }
    }
}

async fn send(socket: &UdpSocket, shown: &Shown, to: SocketAddr, bytes: &[u8]) {
    match socket.send_to(bytes, to).await {
        Ok(_) => {
            shown.sent.fetch_add(1, Ordering::Relaxed);
        }
        Err(error) => {
            shown.not_sent.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%to, %error, "a datagram was not sent");
        }
    }
}
