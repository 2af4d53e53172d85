//! Lists of devices, in pages and filtered.

use super::shown;
use crate::http::Api;
use crate::http::body::{Names, Parameters};
use crate::http::problem::Fault;
use axum::Json;
use axum::extract::State;
use claviger_api::{Code, DevicePage};
use claviger_ledger::{Device, DeviceRef, View};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use std::sync::Arc;

/// How many devices a page has, where nothing else is asked for, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;

/// The parameters of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    limit: Option<usize>,
    after: Option<String>,
    /// Only devices with this profile.
    profile: Option<String>,
    /// Only devices whose endpoint name begins so.
    endpoint: Option<String>,
    /// Only devices whose newest credential is in this state.
    state: Option<String>,
}

/// A page of the tenant's devices. It looks at no more devices than asked for, so that with a
/// filter a page may be short, or empty, and yet have a next one.
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<DevicePage>, Fault> {
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(Fault::invalid("limit", format_args!("it must be 1 to {LONGEST_PAGE}")));
    }
    let bad = |_| Fault::new(Code::BadCursor, "`after` is not what an earlier page gave");
    let after = query.after.as_ref().map(|place| BASE64URL_NOPAD.decode(place.as_bytes()));
    let after = after.transpose().map_err(bad)?;
    let look = |view: &View<'_>| {
        let _ = view.tenant(&tenant)?;
        let mut page = view.devices(&tenant, after.as_deref(), limit);
        page.items.retain(|(of, device)| query.takes(view, of, device));
        Some(page)
    };
    let page = api.look(look).await?.ok_or_else(|| Fault::not_found("tenant", &tenant))?;
    let items = page.items.into_iter().map(|(of, device)| shown(of.device, device)).collect();
    Ok(Json(DevicePage { items, next: page.next.map(|next| BASE64URL_NOPAD.encode(&next)) }))
}

impl Query {
    fn takes(&self, view: &View<'_>, of: &DeviceRef, device: &Device) -> bool {
        self.profile.as_ref().is_none_or(|profile| *profile == device.profile)
            && self.endpoint.as_ref().is_none_or(|begin| device.endpoint.starts_with(begin))
            && self.state.as_ref().is_none_or(|state| {
                let credentials = view.credentials(of).into_iter();
                let newest = credentials.max_by_key(|(_, credential)| credential.not_before);
                newest.is_some_and(|(_, newest)| newest.state.as_str() == state)
            })
    }
}
