//! A running demo, asked for what it has. Its REST has no authorization of its own.

use super::LIMIT;
use crate::cli::exit::{Exit, Failure};
use crate::connectors::{check_url, is_loopback};
use crate::wiped;
use core::time::Duration;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use zeroize::Zeroizing;

/// How long nothing may come of an answer.
const SILENCE: Duration = Duration::from_secs(30);

type Body = Zeroizing<Vec<u8>>;

/// The demo's devices and their accounts, as it writes them in JSON.
///
/// # Errors
/// If the URL is none that keys may come from, or the demo does not answer as it should.
pub(super) async fn fetch(url: &str) -> Result<(Body, Body), Failure> {
    check_url(url).map_err(|rule| Failure::new(Exit::Usage, format!("--url: {rule}")))?;
    let base = Url::parse(url).map_err(|_| Failure::new(Exit::Usage, "--url must be a URL"))?;
    if base.query().is_some() {
        return Err(Failure::new(Exit::Usage, "--url must have no query: paths are added to it"));
    }
    let mut client = Client::builder().read_timeout(SILENCE).redirect(Policy::none());
    if is_loopback(&base) {
        client = client.no_proxy();
    }
    let client = client.build();
    let client = client.map_err(|_| Failure::failed("this system's TLS cannot be set up"))?;
    let security = get(&client, &base, "api/security/clients").await?;
    Ok((security, get(&client, &base, "api/bootstrap").await?))
}

async fn get(client: &Client, base: &Url, path: &str) -> Result<Body, Failure> {
    let url = format!("{}/{path}", base.as_str().trim_end_matches('/'));
    let silent = |_| {
        Failure::new(Exit::Unavailable, format!("{url} does not answer; is Leshan running there?"))
    };
    let answer = client.get(&url).send().await.map_err(silent)?;
    if !answer.status().is_success() {
        let status = answer.status().as_u16();
        let words = format!("{url} answered {status}; --url must be that of the demo's first page");
        return Err(Failure::failed(words));
    }
    let body = wiped::body(answer, LIMIT).await.map_err(silent)?;
    body.ok_or_else(|| Failure::failed(format!("{url} has more than 256 MiB")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_with_a_query_is_not_asked() {
        let failure = fetch("http://127.0.0.1:1/?a=b").await.expect_err("it has a query");
        assert!(format!("{failure:?}").contains("no query"), "{failure:?}");
    }
}
