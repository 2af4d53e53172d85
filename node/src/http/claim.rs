//! A request that claims to be signed by an LwM2M server. Until its signature is verified it is a
//! stranger's, and costs as little as it can.

use super::Api;
use super::body::{Raw, read_within};
use super::problem::Fault;
use crate::connectors::check_head;
use axum::extract::Request;
use axum::http::HeaderMap;
use claviger_api::Code;
use core::time::Duration;
use tokio::sync::Semaphore;

/// How many bodies of such requests may be on their way at once.
pub(super) const CLAIMS: usize = 64;
/// How long such a body may take to come. It is small, and most come with their heads.
const PATIENCE: Duration = Duration::from_secs(5);

/// The places of those whose bodies are on their way.
pub(super) struct Claims(Semaphore);

impl Default for Claims {
    fn default() -> Self {
        Self(Semaphore::new(CLAIMS))
    }
}

/// The head and the body of a request; none if it cannot be signed, as its head shows. Then
/// nothing of the body is read.
pub(super) async fn claimed(
    api: &Api,
    request: Request,
) -> Result<Option<(HeaderMap, Raw)>, Fault> {
    if check_head(request.headers(), api.clock.now()).is_err() {
        return Ok(None);
    }
    let place = api.desk.claims.0.try_acquire();
    let words = "too many requests whose signatures are not verified yet are under way";
    let _place = place.map_err(|_| Fault::new(Code::Busy, words))?;
    let headers = request.headers().clone();
    Ok(Some((headers, read_within(PATIENCE, request, api).await?)))
}
