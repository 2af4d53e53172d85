//! webrtc-dtls.

use crate::{Result, Task, lines};
use std::sync::Arc;
use tokio::net::UdpSocket;
use webrtc_dtls::cipher_suite::CipherSuiteId;
use webrtc_dtls::config::{ClientAuthType, Config};
use webrtc_dtls::conn::DTLSConn;
use webrtc_dtls::crypto::Certificate;
use webrtc_dtls::listener::listen;
use webrtc_util::conn::{Conn, Listener};

type Session = Arc<dyn Conn + Send + Sync>;

/// Runs until there is no more input.
pub async fn run(task: Task) -> Result<()> {
    let config = config(&task)?;
    if !task.server {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(task.address).await?;
        let session = DTLSConn::new(Arc::new(socket), config, true, None).await?;
        return talk(Arc::new(session)).await;
    }
    // It reads for its sessions as long as it is there.
    let listener = listen(task.address, config).await?;
    println!("listening");
    talk(listener.accept().await?.0).await
}

async fn talk(session: Session) -> Result<()> {
    let (mut lines, mut buffer) = (lines(), vec![0; 1 << 14]);
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                Some(line) => drop(session.send(line.as_bytes()).await?),
                None => return Ok(session.close().await?),
            },
            got = session.recv(&mut buffer) => {
                println!("{}", String::from_utf8_lossy(&buffer[..got?]));
            }
        }
    }
}

fn config(task: &Task) -> Result<Config> {
    let mut config = Config {
        cipher_suites: vec![CipherSuiteId::from(task.suite)],
        server_name: "server.test".to_owned(),
        ..Config::default()
    };
    if task.uses_psk {
        let key = task.key.clone();
        config.psk = Some(Arc::new(move |_| Ok(key.clone())));
        config.psk_identity_hint = Some(task.identity.clone());
        return Ok(config);
    }
    let key = std::fs::read_to_string(format!("{}.key", task.side()))?;
    let own = std::fs::read_to_string(format!("{}.pem", task.side()))?;
    // It has a name of its own for the block.
    let pem = key.replace("PRIVATE KEY", "PRIVATE_KEY") + &own;
    config.certificates = vec![Certificate::from_pem(&pem)?];
    config.roots_cas.add(std::fs::read("ca.pem.der")?.into())?;
    config.client_cas.add(std::fs::read("ca.pem.der")?.into())?;
    config.client_auth = ClientAuthType::RequireAndVerifyClientCert;
    Ok(config)
}
