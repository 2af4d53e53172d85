//! dimpl.

use crate::{Result, Task, lines};
use dimpl::{Config, Dtls, DtlsCertificate, Output, PskResolver};
use std::sync::Arc;
use std::time::Instant;
use tokio::net::UdpSocket;

struct Key(Vec<u8>);

impl PskResolver for Key {
    fn resolve(&self, _: &[u8]) -> Option<Vec<u8>> {
        Some(self.0.clone())
    }
}

fn engine(task: &Task) -> Result<Dtls> {
    let now = Instant::now();
    let config = Config::builder();
    let mut engine = if task.uses_psk {
        let key = Arc::new(Key(task.key.clone()));
        let config = match task.server {
            true => config.with_psk_server(None, key),
            false => config.with_psk_client(task.identity.clone(), key),
        };
        Dtls::new_12_psk(Arc::new(config.build()?), now)
    } else {
        let own = DtlsCertificate {
            certificate: std::fs::read(format!("{}.pem.der", task.side()))?,
            private_key: std::fs::read(format!("{}.key.der", task.side()))?,
        };
        Dtls::new_12(Arc::new(config.build()?), own, now)
    };
    engine.set_active(!task.server);
    Ok(engine)
}

/// Runs until there is no more input.
pub async fn run(task: Task) -> Result<()> {
    let mut engine = engine(&task)?;
    // It leaves chains to its user.
    let expected = std::fs::read(format!("{}.pem.der", task.other_side()))?;
    let (socket, mut peer) = match task.server {
        true => (UdpSocket::bind(task.address).await?, None),
        false => (UdpSocket::bind("127.0.0.1:0").await?, Some(task.address)),
    };
    if task.server {
        println!("listening");
    }
    engine.handle_timeout(Instant::now())?;
    let (mut lines, mut buffer, mut open) = (lines(), vec![0; 1 << 14], false);
    loop {
        let due = loop {
            let mut out = vec![0; 1 << 14];
            match engine.poll_output(&mut out) {
                Output::Packet(bytes) => {
                    if let Some(peer) = peer {
                        socket.send_to(bytes, peer).await?;
                    }
                }
                Output::Connected => open = true,
                Output::PeerCert(theirs) if theirs == expected => {}
                Output::PeerCert(_) => return Err("another certificate".into()),
                Output::ApplicationData(bytes) => println!("{}", String::from_utf8_lossy(bytes)),
                Output::Timeout(due) => break due,
                Output::CloseNotify => return Ok(()),
                _ => {}
            }
        };
        tokio::select! {
            line = lines.next_line(), if open => match line? {
                Some(line) => drop(engine.send_application_data(line.as_bytes())?),
                None => return Ok(()),
            },
            got = socket.recv_from(&mut buffer) => {
                let (length, from) = got?;
                peer = Some(from);
                engine.handle_packet(&buffer[..length])?;
            }
            () = tokio::time::sleep_until(due.into()) => engine.handle_timeout(Instant::now())?,
        }
    }
}
