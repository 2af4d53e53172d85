//! One node's end of all its links.

use crate::counters::{Counters, Refusal, one};
use crate::credential::pin;
use crate::incoming::{self, DONE, Incomings, NOT_ADMITTED};
use crate::pool::{Attempted, Pool, Reached};
use crate::reset;
use crate::stream::{self, Purpose};
use crate::tls::{self, Believed, Showing};
use crate::{Authorities, Credential, Identity, Role, Token};
use claviger_raft::{Channel, Kind, Transport};
use futures::future::BoxFuture;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, IdleTimeout,
    MtuDiscoveryConfig, ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::{Instant, timeout};

/// After how long a peer of which nothing is heard is gone. Each end makes itself heard.
const IDLE: Duration = Duration::from_millis(1500);
const KEEP_ALIVE: Duration = Duration::from_millis(400);

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);

/// The round trip that is assumed of a peer that was never reached.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);

/// Bytes under way: of one channel, and of all to one peer.
const CHANNEL_WINDOW: u32 = 4 << 20;
const PEER_WINDOW: u32 = 32 << 20;

/// The largest datagram, where the path takes it, such as loopback and networks with jumbo frames:
/// each costs about the same. quinn gives ten at a time to the kernel, which takes 65,507 bytes.
const DATAGRAM: u16 = 6500;

/// Room of the socket in the kernel, as far as the machine grants it.
const SOCKET: usize = 4 << 20;

/// Which nodes of the cluster are admitted: not those that were dismissed.
pub type Admits = Arc<dyn Fn(&Identity) -> bool + Send + Sync>;

/// Where a node is linked, and as whom.
pub struct LinkConfig {
    /// The socket at which others reach it; none for a node that only reaches others.
    pub listen: Option<UdpSocket>,
    /// What it shows of itself.
    pub credential: Credential,
    /// Whom it admits among those with a certificate; asked for every channel.
    pub admits: Admits,
}

impl std::fmt::Debug for LinkConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LinkConfig({:?}, {:?})", self.listen, self.credential)
    }
}

/// One node's end of all its links; cheap to clone.
#[derive(Clone)]
pub struct Link(Arc<Inner>);

struct Inner {
    identity: Identity,
    endpoint: Endpoint,
    client: ClientConfig,
    shown: Arc<Showing>,
    believed: Arc<Believed>,
    /// What is shown, and what leads from its authority to others.
    showing: Mutex<(Credential, Vec<Vec<u8>>)>,
    admits: Admits,
    pool: Pool,
    counters: Arc<Counters>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.0.identity)
    }
}

fn misused(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// How connections behave; `channels` is how many of them the peer may open.
fn transport(channels: u32) -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    let mut datagrams = MtuDiscoveryConfig::default();
    datagrams.upper_bound(DATAGRAM);
    let idle = IdleTimeout::try_from(IDLE).expect("the time fits its field");
    config
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .initial_rtt(FIRST_ROUND_TRIP)
        .max_concurrent_bidi_streams(channels.into())
        .max_concurrent_uni_streams(0_u32.into())
        .datagram_receive_buffer_size(None)
        .mtu_discovery_config(Some(datagrams))
        .stream_receive_window(CHANNEL_WINDOW.into())
        .receive_window(PEER_WINDOW.into())
        .send_window(PEER_WINDOW.into());
    Arc::new(config)
}

fn server(config: QuicServerConfig) -> ServerConfig {
    let mut config = ServerConfig::with_crypto(Arc::new(config));
    // A stranger has one channel; a node that is known gets more.
    config.transport_config(transport(1));
    config
}

/// A socket of a node that only reaches others.
fn unbound() -> io::Result<UdpSocket> {
    let either = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0));
    either.or_else(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))
}

/// An endpoint on its socket, which it makes itself if it only reaches others.
pub(crate) fn endpoint(
    mut config: EndpointConfig,
    listen: Option<UdpSocket>,
    server: Option<ServerConfig>,
) -> io::Result<Endpoint> {
    config.max_udp_payload_size(DATAGRAM).expect("it is between what QUIC asks for and allows");
    let socket = listen.map_or_else(unbound, Ok)?;
    // What the machine does not grant, it does without.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET);
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, SOCKET);
    Endpoint::new(config, server, socket, Arc::new(TokioRuntime))
}

/// How an endpoint connects.
pub(crate) fn client(config: quinn::crypto::rustls::QuicClientConfig) -> ClientConfig {
    let mut config = ClientConfig::new(Arc::new(config));
    config.transport_config(transport(0));
    config
}

/// Connects to the first of a name's addresses that answers.
pub(crate) async fn connect(
    endpoint: &Endpoint,
    client: &ClientConfig,
    address: &str,
) -> io::Result<Connection> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for to in lookup_host(address).await? {
        match endpoint.connect_with(client.clone(), to, tls::NAME) {
            Ok(connecting) => match timeout(CONNECT, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => failed = error.into(),
                Err(late) => failed = late.into(),
            },
            // Such as an address of a family that the socket does not have.
            Err(error) => failed = misused(error),
        }
    }
    Err(failed)
}

/// Whether a handshake failed by TLS, at either end, and not by the path.
fn is_disbelief(error: &io::Error) -> bool {
    let code = match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(ConnectionError::TransportError(here)) => here.code,
        Some(ConnectionError::ConnectionClosed(there)) => there.error_code,
        _ => return false,
    };
    // RFC 9001 §4.8: an alert of TLS.
    (0x100..0x200).contains(&u64::from(code))
}

impl Link {
    /// Opens a node's end, and gives what others open to it.
    ///
    /// # Errors
    /// If the address cannot be used, or the credential cannot be shown.
    pub fn new(config: LinkConfig) -> io::Result<(Self, Incomings)> {
        let LinkConfig { listen, credential, admits } = config;
        let identity = credential.identity();
        let shown = Showing::new(&credential).map_err(misused)?;
        let believed = Arc::<Believed>::default();
        believed.replace(vec![credential.authority().to_vec()]);
        let accepts = listen.as_ref().map(|_| tls::server(&shown, &believed));
        let accepts = accepts.transpose();
        let accepts = accepts.map_err(misused)?.map(server);
        let endpoint = endpoint(reset::endpoint(&credential), listen, accepts)?;
        let client = client(tls::client(&shown, &believed).map_err(misused)?);
        let counters = Arc::new(Counters::default());
        let (accepting, counting) = (endpoint.clone(), counters.clone());
        let incomings = incoming::receive(
            accepting,
            identity.cluster,
            admits.clone(),
            believed.clone(),
            counting,
        );
        let (pool, showing) = (Pool::default(), Mutex::new((credential, Vec::new())));
        let inner =
            Inner { identity, endpoint, client, shown, believed, showing, admits, pool, counters };
        Ok((Self(Arc::new(inner)), incomings))
    }

    /// Who this node is.
    pub fn identity(&self) -> Identity {
        self.0.identity
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// If the operating system does not say.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.endpoint.local_addr()
    }

    /// How many connections stand, or are being made.
    pub fn connections(&self) -> usize {
        self.0.endpoint.open_connections()
    }

    /// What it counts.
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Opens a channel to the ledger node with this id, said to be at this address (host and port).
    ///
    /// # Errors
    /// If it cannot be reached, or another node is there.
    pub async fn open(&self, to: u64, address: &str, purpose: Purpose) -> io::Result<Channel> {
        let inner = self.0.clone();
        let at = address.to_owned();
        let connect = || -> BoxFuture<'static, Attempted> {
            Box::pin(async move { inner.reach(to, &at).await.map_err(Arc::new) })
        };
        let connection = self.0.pool.attempt(to, address, connect).await;
        let connection =
            connection.map_err(|error| io::Error::new(error.kind(), error))?.connection;
        let (mut send, receive) = connection.open_bi().await?;
        send.write_all(&[purpose.byte()]).await?;
        let limit = stream::limit(purpose);
        let (counters, over) = (&self.0.counters, Some(connection));
        Ok(stream::channel(purpose, (send, receive), limit, counters, over))
    }

    /// The peers that this node has reached, and how long a round trip takes to each.
    pub fn peers(&self) -> Vec<(u64, Duration)> {
        self.0.pool.reached()
    }

    /// When the next certificate of this node is to be asked for, and until when the one that it
    /// shows holds, since the Unix epoch.
    pub fn certified(&self) -> (Duration, Duration) {
        let (credential, _) = &*self.showing();
        (credential.renews(), credential.expires())
    }

    /// Shows another credential of the same node from now on: new channels are opened on new
    /// connections, and those that stand go on until the old one expires. Its authority is believed,
    /// too, besides those of before, until [`Link::believe`] says otherwise.
    ///
    /// # Errors
    /// If it is of another node, or cannot be shown.
    pub fn show(&self, credential: &Credential) -> io::Result<()> {
        if credential.identity() != self.0.identity {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is another node's"));
        }
        let mut showing = self.showing();
        self.0.shown.replace(credential, &showing.1).map_err(misused)?;
        // While nodes go over from one authority to another, those of both are there.
        self.0.believed.add(credential.authority());
        showing.0 = credential.clone();
        drop(showing);
        self.forget_peers();
        Ok(())
    }

    fn showing(&self) -> MutexGuard<'_, (Credential, Vec<Vec<u8>>)> {
        self.0.showing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The certificate, in DER, of the authority that issued what this node shows.
    pub fn authority(&self) -> Vec<u8> {
        self.showing().0.authority().to_vec()
    }

    /// Whether a token is of the authority that issued what this node shows.
    pub fn is_of(&self, token: &Token) -> bool {
        let (credential, _) = &*self.showing();
        pin(credential.authority()) == Some(token.authority)
    }

    /// Whether the newest of these authorities issued what this node shows, or a newer one: whoever
    /// came back by a token knows that before its rows do.
    pub fn is_of_newest(&self, authorities: &Authorities) -> bool {
        authorities.are_led_by(self.showing().0.authority())
    }

    /// Believes these authorities from now on, and the one that issued what this node shows if that is
    /// newer; shows what leads from the newest to one before. Connections with nodes that none of them
    /// vouches for are closed, in both directions.
    ///
    /// # Errors
    /// If that cannot be shown.
    pub fn believe(&self, authorities: Authorities) -> io::Result<()> {
        let mut showing = self.showing();
        let shown = showing.0.authority();
        let leads = authorities.are_led_by(shown);
        let Authorities { mut believed, bridge } = authorities;
        if leads && !believed.iter().any(|it| it == shown) {
            believed.insert(0, shown.to_vec());
        }
        self.0.shown.replace(&showing.0, &bridge).map_err(misused)?;
        self.0.believed.replace(believed);
        showing.1 = bridge;
        drop(showing);
        self.0.pool.close_unless(|it| self.0.believed.holds(it), NOT_ADMITTED);
        Ok(())
    }

    /// Opens what is opened next on new connections.
    pub fn forget_peers(&self) {
        self.0.pool.forget();
    }

    /// Closes all channels, and waits until the peers were told.
    pub async fn close(&self) {
        self.0.endpoint.close(DONE, b"");
        self.0.endpoint.wait_idle().await;
    }
}

impl Inner {
    async fn reach(&self, to: u64, address: &str) -> io::Result<Reached> {
        let connected = connect(&self.endpoint, &self.client, address).await.map(Arc::new);
        let connection = connected.inspect_err(|error| {
            let disbelief = is_disbelief(error);
            let why = if disbelief { Refusal::Disbelief } else { Refusal::Unreachable };
            one(self.counters.refused(why));
        })?;
        let refuse = |why, words: String| {
            one(self.counters.refused(why));
            connection.close(VarInt::from_u32(1), b"");
            io::Error::new(io::ErrorKind::PermissionDenied, words)
        };
        let Ok(Some(shown)) = tls::peer(&connection, self.identity.cluster) else {
            let words = format!("{address} is no node of this cluster");
            return Err(refuse(Refusal::Identity, words));
        };
        let peer = shown.identity;
        if peer.role != Role::Ledger || peer.node != to {
            let words = format!("{address} is {peer} and not ledger node {to:016x}");
            return Err(refuse(Refusal::OtherNode, words));
        }
        if !(self.admits)(&peer) {
            let words = format!("{address} is {peer}, which was dismissed");
            return Err(refuse(Refusal::Identity, words));
        }
        self.pool.made(&connection);
        // It may have been replaced since the handshake.
        if !self.believed.holds(&connection) {
            let words = format!("{address} is of an authority that is believed no more");
            return Err(refuse(Refusal::Identity, words));
        }
        one(&self.counters.connected);
        let until = Instant::now() + incoming::until(shown.expires);
        Ok(Reached { connection, until })
    }
}

impl Transport for Link {
    fn open(&self, to: u64, address: &str, kind: Kind) -> BoxFuture<'static, io::Result<Channel>> {
        let (link, address) = (self.clone(), address.to_owned());
        Box::pin(async move { Link::open(&link, to, &address, kind.into()).await })
    }
}
