//! The addresses that a process listens at, bound before anything else is touched.

use super::StartError;
use crate::config::{Coaps, Config, Role};
use crate::http::Identity;
use crate::socket;
use core::net::SocketAddr;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Where a process listens.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// The API.
    pub http: SocketAddr,
    /// True if it speaks HTTPS.
    pub tls: bool,
    /// Devices, by CoAP over DTLS: each listener in the order of the configuration; none where this
    /// node is no edge.
    pub coaps: Vec<SocketAddr>,
    /// Other nodes.
    pub link: Option<SocketAddr>,
}

impl Addresses {
    /// The API's URL, by its address.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.http)
    }
}

/// Bound sockets; those of devices in the order of the configuration.
pub(super) struct Sockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: TcpListener,
    pub(super) tls: Option<Arc<Identity>>,
    /// That for other nodes.
    pub(super) link: Option<UdpSocket>,
}

impl Sockets {
    pub(super) async fn bind(config: &Config) -> Result<Self, StartError> {
        let mut udp = Vec::new();
        for Coaps { listen: address, socket_buffer, .. } in listeners(config) {
            let socket = socket::bind(*address, (socket_buffer.get() as usize) << 10);
            udp.push(socket.map_err(|source| StartError::Listen { address: *address, source })?);
        }
        let address = config.http.listen;
        let tcp = TcpListener::bind(address).await;
        let tcp = tcp.map_err(|source| StartError::Listen { address, source })?;
        let tls = config.tls().map(|(certificate, key)| Identity::load(&certificate, &key));
        let tls = tls.transpose()?.map(Arc::new);
        let bind = |address| {
            UdpSocket::bind(address).map_err(|source| StartError::Listen { address, source })
        };
        let link = config.cluster.listen.get().map(bind).transpose()?;
        Ok(Self { udp, tcp, tls, link })
    }

    pub(super) fn addresses(&self, config: &Config) -> Result<Addresses, StartError> {
        let listeners = self.udp.iter().zip(&config.coaps);
        let coaps = listeners.map(|(socket, coaps)| local(socket.local_addr(), coaps.listen));
        Ok(Addresses {
            http: local(self.tcp.local_addr(), config.http.listen)?,
            tls: config.tls().is_some(),
            coaps: coaps.collect::<Result<_, _>>()?,
            link: self.link.as_ref().and_then(|socket| socket.local_addr().ok()),
        })
    }
}

/// The listeners for devices; none where this node is no edge.
fn listeners(config: &Config) -> &[Coaps] {
    if config.has(Role::Edge) { &config.coaps } else { &[] }
}

pub(super) fn local(
    bound: io::Result<SocketAddr>,
    address: SocketAddr,
) -> Result<SocketAddr, StartError> {
    bound.map_err(|source| StartError::Listen { address, source })
}
