//! Handshakes by clients that are not ours: those of webrtc-dtls, which shares no code with the
//! server. Each has a socket of its own and keeps its session to the end.

use crate::fleet;
use crate::load::{Hooks, Load};
use crate::pace::Pace;
use crate::tally::{Failed, Tally};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use webrtc_dtls::cipher_suite::CipherSuiteId;
use webrtc_dtls::config::Config;
use webrtc_dtls::conn::DTLSConn;

/// One session, or why there is none, and how long that took.
type Ended = (u32, Duration, Result<DTLSConn, String>);

/// Drives a load of handshakes to its end; as with our clients the first failure is the last
/// beginning. What a check would look at, they are not given.
///
/// # Errors
/// If the system has no runtime or no sockets for them.
pub fn drive_foreign(load: &Load, hooks: &mut Hooks<'_>) -> io::Result<Tally> {
    // webrtc-dtls asks rustls for one, also where no certificate is looked at. It may be there.
    let _ = aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(drive(load, hooks))
}

async fn drive(load: &Load, hooks: &mut Hooks<'_>) -> io::Result<Tally> {
    let at_once = match load.pace {
        Pace::Closed(at_once) => at_once,
        Pace::Storm(_) => load.count,
    };
    let (start, mut tally) = (Instant::now(), Tally::default());
    let (mut running, mut begun, mut kept) = (JoinSet::new(), 0, Vec::new());
    loop {
        while begun < load.count && running.len() < at_once as usize && tally.failures.is_empty() {
            running.spawn(connect(*load, begun));
            begun += 1;
        }
        let Some(ended) = running.join_next().await else { break };
        let (nth, took, connected) = ended.map_err(io::Error::other)?;
        match connected {
            Ok(session) => {
                kept.push(session);
                tally.took.push(took);
                tally.ended.push(start.elapsed());
                (hooks.watch)(tally.took.len());
            }
            Err(why) => {
                let endpoint = fleet::endpoint(load.device(nth));
                tally.failures.push(Failed { endpoint, why });
            }
        }
    }
    Ok(tally)
}

async fn connect(load: Load, nth: u32) -> Ended {
    let began = Instant::now();
    let connecting = tokio::time::timeout(load.patience, handshake(load, nth));
    let connected = connecting.await.unwrap_or_else(|_| Err(format!("not {}", load.goal)));
    (nth, began.elapsed(), connected)
}

async fn handshake(load: Load, nth: u32) -> Result<DTLSConn, String> {
    let own: IpAddr = match load.target.ip() {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(own, 0)).await;
    let socket = socket.map_err(|error| error.to_string())?;
    socket.connect(load.target).await.map_err(|error| error.to_string())?;
    let endpoint = fleet::endpoint(load.device(nth));
    let key = fleet::key(&endpoint).to_vec();
    let config = Config {
        cipher_suites: vec![CipherSuiteId::Tls_Psk_With_Aes_128_Ccm_8],
        psk: Some(Arc::new(move |_| Ok(key.clone()))),
        psk_identity_hint: Some(endpoint.into_bytes()),
        ..Config::default()
    };
    let connected = DTLSConn::new(Arc::new(socket), config, true, None).await;
    connected.map_err(|error| error.to_string())
}
