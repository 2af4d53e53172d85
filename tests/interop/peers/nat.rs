//! A NAT between a client and a server, which forgets its mapping when it is told to, and may lose a
//! datagram of the handshake.

use core::net::SocketAddr;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Where the client connects to. It ends with its owner.
pub(crate) struct Nat {
    pub(crate) address: SocketAddr,
    rebind: mpsc::UnboundedSender<()>,
    task: JoinHandle<()>,
}

impl Drop for Nat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn free() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.expect("loopback")
}

impl Nat {
    /// In front of a server. The datagram with the number `lost` is, counted from 1 in both
    /// directions; application data is not counted, because nobody sends it again.
    pub(crate) async fn start(server: SocketAddr, lost: Option<u32>) -> Self {
        let inside = free().await;
        let address = inside.local_addr().expect("it is bound");
        let (rebind, rebinds) = mpsc::unbounded_channel();
        Self { address, rebind, task: tokio::spawn(forward(inside, server, rebinds, lost)) }
    }

    /// What the client sends from now on comes from another port.
    pub(crate) fn rebind(&self) {
        self.rebind.send(()).expect("it runs");
    }
}

/// The first byte of a record with application data, without a connection id.
const APPLICATION_DATA: u8 = 23;

async fn forward(
    inside: UdpSocket,
    server: SocketAddr,
    mut rebinds: mpsc::UnboundedReceiver<()>,
    lost: Option<u32>,
) {
    let (mut outside, mut client, mut count) = (free().await, None, 0);
    let mut is_lost = |datagram: &[u8]| {
        let counts = !datagram.starts_with(&[APPLICATION_DATA]);
        count += u32::from(counts);
        counts && Some(count) == lost
    };
    let (mut out, mut back) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        // A peer that has ended answers with ICMP, which is an error of either socket.
        tokio::select! {
            biased;
            Some(()) = rebinds.recv() => outside = free().await,
            got = inside.recv_from(&mut out) => if let Ok((length, from)) = got {
                client = Some(from);
                if !is_lost(&out[..length]) {
                    let _ = outside.send_to(&out[..length], server).await;
                }
            },
            got = outside.recv_from(&mut back) => {
                if let (Ok((length, _)), Some(client)) = (got, client)
                    && !is_lost(&back[..length])
                {
                    let _ = inside.send_to(&back[..length], client).await;
                }
            }
        }
    }
}
