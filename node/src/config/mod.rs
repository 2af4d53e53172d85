//! The configuration of a server: one tree, read from TOML.
//!
//! Each section is a struct whose fields carry their words, unit and default; [`Config::show`]
//! prints them with the values. Reading is strict: an unknown key is refused with its place and
//! the nearest known one, a value that does not fit with what is expected. The tree holds no
//! secret, only the files that do. What has no user yet is not in it.

mod cluster;
mod faults;
mod listener;
mod read;
mod section;
mod show;
#[cfg(test)]
mod tests;
mod value;

pub use cluster::{ListenAddress, ListenerName, NodeAddress, Role, Roles};
pub use faults::{ConfigError, Fault};
pub use listener::{CredentialKind, Credentials, Suites};
pub use value::{Bounded, KekProvider, LogFormat, LogLevel, PublicUrl, TenantName};

use crate::kek::Pkcs11Place;
use core::net::{Ipv4Addr, SocketAddr};
use section::{Section, section};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that a server is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The node and its data.
    pub node: Node,
    /// The key-encryption key.
    pub kek: Kek,
    /// Its place in a cluster.
    pub cluster: Cluster,
    /// HTTP.
    pub http: Http,
    /// Where devices come to.
    pub coaps: Vec<Coaps>,
    /// Devices that have sessions.
    pub devices: Devices,
    /// The log.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: Node::default(),
            kek: Kek::default(),
            cluster: Cluster::default(),
            http: Http::default(),
            coaps: vec![Coaps::default()],
            devices: Devices::default(),
            log: Log::default(),
        }
    }
}

/// The sections in the order in which they are shown; true for one that may be repeated.
const TREE: [(&str, &Section, bool); 7] = [
    ("node", &Node::SECTION, false),
    ("kek", &Kek::SECTION, false),
    ("cluster", &Cluster::SECTION, false),
    ("http", &Http::SECTION, false),
    ("coaps", &Coaps::SECTION, true),
    ("devices", &Devices::SECTION, false),
    ("log", &Log::SECTION, false),
];

section! {
    /// The node and its data.
    Node {
        /// What this node does. ledger: it holds a copy of the ledger and serves the API, and the
        /// one of them that leads runs the actors of devices. edge: devices come to it. A node that
        /// is an edge alone keeps nothing on a disk, has no key-encryption key, and serves health
        /// and metrics by HTTP, no API.
        roles: Roles = Roles::default(),
        /// The data folder: the ledger. It is made if it is missing, for its owner only.
        /// A relative path begins in the working folder.
        data: PathBuf = "/var/lib/claviger".into(),
        /// The key-encryption key (KEK) that the ledger's root key is wrapped by, where it is in
        /// a file: 32 random bytes that only their owner may read. A new ledger makes it if it is
        /// missing. Keep a copy of it, and better keep it away from the data folder: whoever has
        /// both has the secrets, and without it they are lost, unless there is a copy in escrow.
        /// A relative path begins in the data folder.
        kek_file: PathBuf = "kek".into(),
        /// Free space on the data folder's disk below which nothing is written, in MiB: room for
        /// compaction, which runs on.
        disk_reserve: Bounded<0, 1_048_576> = Bounded::of::<64>(),
    }
}

section! {
    /// What wraps the ledger's root key. All places that are named here, and `node.kek_file`, may
    /// open it, so that one can take the place of another: name both, have
    /// `claviger key rotate-kek` done, and then leave the old one out.
    Kek {
        /// Which of them wraps it from the next `claviger key rotate-kek` on, and at a new ledger:
        /// file (`node.kek_file`), folder or pkcs11.
        provider: KekProvider = KekProvider::File,
        /// A folder with KEKs in files named kek-1, kek-2 and so on, of 32 random bytes each: a
        /// mounted secret of Kubernetes. The highest number wraps, all open. SIGHUP reads it
        /// again. Empty for none. A relative path begins in the data folder.
        folder: PathBuf = PathBuf::new(),
        /// The PKCS#11 library of a token (an HSM) that has a KEK: a key for AES-GCM, which need
        /// not leave it. Empty for none.
        pkcs11_module: PathBuf = PathBuf::new(),
        /// The token's label.
        pkcs11_token: String = String::new(),
        /// The key's label. A KEK is replaced by a key with another label.
        pkcs11_key: String = String::new(),
        /// The file of the token's user PIN, which only its owner and group may read. A relative
        /// path begins in the data folder.
        pkcs11_pin_file: PathBuf = PathBuf::new(),
    }
}

section! {
    /// A cluster of nodes. A single node needs none of this.
    Cluster {
        /// The address that this node listens at for other nodes (UDP, QUIC with mutual TLS). Empty:
        /// it is alone. For a node of the ledger.
        listen: ListenAddress = ListenAddress::default(),
        /// Where other nodes reach it: a host and a port. Empty for the address that it listens at.
        advertise: NodeAddress = NodeAddress::default(),
        /// Nodes of the ledger at which this one joins the cluster, each a host and a port: one that
        /// answers is enough. A node of the ledger needs it once, before it has data; an edge at
        /// each start.
        join: Vec<NodeAddress> = Vec::new(),
        /// The token that it joins with, as `claviger cluster token create` prints it: a file that
        /// only its owner may read. A relative path begins in the data folder.
        token_file: PathBuf = PathBuf::new(),
        /// The level that the ledger shall not rise above while this node is in the cluster, so that an
        /// upgrade can be taken back: an older version, which knows no more, can be started instead of
        /// this one. Name the level that `claviger cluster status` shows before an upgrade, and take
        /// this out, node by node, when there is no way back to be kept. What only newer levels have is
        /// refused until then. 0: it rises when every node knows the next.
        hold_level: Bounded<0, 1_000_000> = Bounded::of::<0>(),
    }
}

section! {
    /// HTTP: the API, health and metrics.
    Http {
        /// The address that it listens at.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
        /// The certificate of HTTPS: a file in PEM, with those that lead to its root. Empty for
        /// HTTP without TLS; then let it listen to this machine only, or put a proxy in front
        /// of it. SIGHUP reads certificate and key again.
        tls_certificate_file: PathBuf = PathBuf::new(),
        /// That certificate's key: a file in PEM that only its owner may read.
        tls_key_file: PathBuf = PathBuf::new(),
        /// The API's URL as LwM2M servers reach it, to report that a key is used.
        /// Empty for the address that it listens at.
        public_url: PublicUrl = PublicUrl::default(),
        /// The administrator's token: a file with at least 32 characters that only its owner may
        /// read. It is made if it is missing. A new token takes a restart. A relative path begins
        /// in the data folder.
        admin_token_file: PathBuf = "admin-token".into(),
    }
}

section! {
    /// Where devices come to, by CoAP over DTLS. May be repeated: one for each address.
    Coaps {
        /// The address that it listens at (UDP).
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 5684)),
        /// The listener's name. Edges whose listeners have the same name and stand for the same
        /// tenant go on with each other's sessions: give them one behind a load balancer, and the
        /// same credentials and suites. Empty for the address that it listens at.
        name: ListenerName = ListenerName::default(),
        /// True where every edge of this listener's name can send from the address that devices send
        /// to, as behind a load balancer that passes what any edge answers: then what a lost edge had
        /// under way goes on by another at once. False: it goes on when the device sends again.
        shared_address: bool = false,
        /// The tenant whose devices come here. A node of the ledger makes it if it is missing, also
        /// where it is no edge.
        tenant: TenantName = TenantName::default(),
        /// Answer an unknown PSK identity or public key with silence, as a wrong key, instead of
        /// DTLS alert 115 or 46: strangers learn nothing, and a device learns late that it is not
        /// enrolled. A certificate that is not trusted gets alert 42 all the same.
        hide_unknown_identity: bool = false,
        /// What devices may prove themselves by here: psk (a pre-shared key), public_key (a raw
        /// public key) and certificate. A device that has certificates alone takes no server
        /// without one: give the tenant's key its certificate by `claviger identity set`, or such
        /// a device ends as no_common_suite. A handshake with one of the latter two is many times the
        /// work of one with a pre-shared key.
        credentials: Credentials = Credentials::default(),
        /// The cipher suites that are taken, by their IANA names. More may be named than stand in
        /// the default: TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256.
        suites: Suites = Suites::default(),
        /// Let devices with pre-shared keys resume a session (RFC 5246 §7.3, RFC 5077): then a
        /// later handshake is shorter. What is kept of a session is sealed in the ledger, for a
        /// day at most, and goes with its credential.
        resumption: bool = true,
        /// How long to wait before a flight of the handshake is sent again, in seconds; it
        /// doubles each time. 1 for most networks, 9 for slow ones such as NB-IoT
        /// (RFC 7925 §11).
        retransmission_timeout: Bounded<1, 60> = Bounded::of::<1>(),
        /// Handshakes that may be under way at once; the oldest gives way.
        half_open_limit: Bounded<16, 1_048_576> = Bounded::of::<16_384>(),
        /// Room in the kernel for datagrams that have come and are not read yet, and as much for
        /// those that are about to leave, in KiB: a rush of devices waits here, and what does
        /// not fit is lost and sent again. The kernel may grant less (net.core.rmem_max); the
        /// log says so.
        socket_buffer: Bounded<64, 1_048_576> = Bounded::of::<8192>(),
    }
}

section! {
    /// Devices that have sessions, at the node of the ledger that leads.
    Devices {
        /// How long a device is silent before its actor sleeps, in seconds. One that is awake takes
        /// some 1.5 KB of memory. One that sleeps takes none, and its next message costs three
        /// look-ups more, or a commit where more than 100,000 sleep. What a device sends again is
        /// known only while its actor is awake, and it does so for up to 45 s (RFC 7252 §4.8.2).
        sleep_after: Bounded<45, 1_000_000> = Bounded::of::<120>(),
    }
}

section! {
    /// The log, on standard error.
    Log {
        /// What is logged: error, warn, info, debug or trace, or such levels by module
        /// (`info,claviger_actors=debug`). The libraries openraft, fjall and lsm_tree are quiet
        /// unless they are named. The variable CLAVIGER_LOG overrides it.
        level: LogLevel = LogLevel::default(),
        /// How it is written: text for people, json for programs, one object a line.
        format: LogFormat = LogFormat::Text,
    }
}

impl Node {
    /// Where the KEK is.
    pub fn kek(&self) -> PathBuf {
        self.data.join(&self.kek_file)
    }
}

impl Kek {
    /// The folder of KEKs, if there is one.
    pub fn folder(&self, node: &Node) -> Option<PathBuf> {
        let is_set = !self.folder.as_os_str().is_empty();
        is_set.then(|| node.data.join(&self.folder))
    }

    /// Where the KEK in a token is, if there is one.
    pub fn token(&self, node: &Node) -> Option<Pkcs11Place> {
        let is_set = !self.pkcs11_module.as_os_str().is_empty();
        is_set.then(|| Pkcs11Place {
            module: self.pkcs11_module.clone(),
            token: self.pkcs11_token.clone(),
            key: self.pkcs11_key.clone(),
            pin_file: node.data.join(&self.pkcs11_pin_file),
        })
    }
}

impl Cluster {
    /// Whether this node has to do with others.
    pub fn is_used(&self) -> bool {
        self.listen.get().is_some() || !self.join.is_empty()
    }
}

impl Config {
    /// Where the token is that this node joins with; none if there is none.
    pub fn token(&self) -> Option<PathBuf> {
        let file = &self.cluster.token_file;
        (!file.as_os_str().is_empty()).then(|| self.node.data.join(file))
    }

    /// Whether this node has this role.
    pub fn has(&self, role: Role) -> bool {
        self.node.roles.have(role)
    }

    /// Where the certificate of HTTPS and its key are; none without TLS.
    pub fn tls(&self) -> Option<(PathBuf, PathBuf)> {
        let Http { tls_certificate_file, tls_key_file, .. } = &self.http;
        let within = |file| self.node.data.join(file);
        let is_set = !tls_certificate_file.as_os_str().is_empty();
        is_set.then(|| (within(tls_certificate_file), within(tls_key_file)))
    }

    /// Where the administrator's token is.
    pub fn admin_token(&self) -> PathBuf {
        self.node.data.join(&self.http.admin_token_file)
    }
}
