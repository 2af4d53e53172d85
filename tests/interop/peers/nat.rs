//! A NAT between a client and our server, which forgets its mapping when it is told to.

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
    /// In front of a server.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let inside = free().await;
        let address = inside.local_addr().expect("it is bound");
        let (rebind, rebinds) = mpsc::unbounded_channel();
        Self { address, rebind, task: tokio::spawn(forward(inside, server, rebinds)) }
    }

    /// What the client sends from now on comes from another port.
    pub(crate) fn rebind(&self) {
        self.rebind.send(()).expect("it runs");
    }
}

async fn forward(inside: UdpSocket, server: SocketAddr, mut rebinds: mpsc::UnboundedReceiver<()>) {
    let (mut outside, mut client) = (free().await, None);
    let (mut out, mut back) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        // A peer that has ended answers with ICMP, which is an error of either socket.
        tokio::select! {
            biased;
            Some(()) = rebinds.recv() => outside = free().await,
            got = inside.recv_from(&mut out) => if let Ok((length, from)) = got {
                client = Some(from);
                let _ = outside.send_to(&out[..length], server).await;
            },
            got = outside.recv_from(&mut back) => if let (Ok((length, _)), Some(client)) = (got, client) {
                let _ = inside.send_to(&back[..length], client).await;
            },
        }
    }
}
