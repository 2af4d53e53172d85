//! The ways out to LwM2M servers, and what to say where one is closed.

use super::is_loopback;
use core::time::Duration;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The two ways out: to this machine never by a proxy, else as the environment says.
pub struct Ways {
    near: Client,
    far: Client,
}

impl Ways {
    /// The ways out.
    pub fn new() -> Self {
        let client = || Client::builder().timeout(PATIENCE).redirect(Policy::none());
        let built = "TLS and DNS of this process can be set up";
        Self {
            near: client().no_proxy().build().expect(built),
            far: client().build().expect(built),
        }
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
