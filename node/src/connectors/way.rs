//! The ways out to LwM2M servers, and what to say where one is closed.

use super::is_loopback;
use core::time::Duration;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The two ways out: to this machine never by a proxy, else as the environment says.
pub struct Ways {
    near: Client,
    far: Client,
}

impl Ways {
    /// The ways out. On a machine without certificates of any authority, as in an image of nothing but
    /// the binary, they lead to servers without TLS alone, and it is said so.
    pub fn new() -> Self {
        Self::built(reqwest::ClientBuilder::build)
    }

    fn built(build: impl Fn(ClientBuilder) -> reqwest::Result<Client>) -> Self {
        let client = || Client::builder().timeout(PATIENCE).redirect(Policy::none());
        let way = |of: &dyn Fn() -> ClientBuilder| {
            build(of()).unwrap_or_else(|error| {
                tracing::warn!(
                    %error,
                    "no LwM2M server is reached by https: this machine has no certificates of \
                     authorities; install them (ca-certificates), and start this node again"
                );
                of().tls_certs_only([])
                    .build()
                    .expect("without any certificate there is none to read")
            })
        };
        Self { near: way(&|| client().no_proxy()), far: way(&client) }
    }

    /// The one that leads to `url`.
    pub(super) fn to(&self, url: &Url) -> &Client {
        if is_loopback(url) { &self.near } else { &self.far }
    }
}

/// Reads the URL of the connector `name`.
///
/// # Errors
/// Words for the device's timeline.
pub(super) fn read(url: &str, name: &str) -> Result<Url, String> {
    Url::parse(url).map_err(|_| format!("the URL of the connector \"{name}\" cannot be read"))
}

/// That `server` did not answer, in words for the device's timeline.
pub(super) fn silence(server: &str, error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "did not answer in time"
    } else if error.is_connect() {
        "cannot be reached"
    } else {
        "broke off"
    };
    format!("{server} {what}; see that it runs and is reachable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A builder fails so where there are no certificates.
    fn fails(_: ClientBuilder) -> reqwest::Result<Client> {
        Client::builder().user_agent("\n").build()
    }

    #[tokio::test]
    async fn without_certificates_of_authorities_a_server_without_tls_is_reached() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", server.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        });

        let ways = Ways::built(fails);

        let answer = ways.to(&url).get(url.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }
}
