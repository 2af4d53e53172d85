//! Lists of devices, in pages and filtered.

use super::shown;
use crate::http::Api;
use crate::http::body::{Names, Parameters};
use crate::http::openapi::parameters::OfTenant;
use crate::http::openapi::problems::Pages;
use crate::http::paging;
use crate::http::problem::Fault;
use axum::Json;
use axum::extract::State;
use claviger_api::{DevicePage, pattern};
use claviger_ledger::{Device, DeviceRef, State as Life, View};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// How many devices are looked at at once: while they are, no change is applied.
const STEP: usize = 100;

/// The parameters of a list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// How many devices at most.
    #[param(value_type = u64, required = false, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// `next` of the page before.
    #[param(inline, value_type = pattern::Cursor, required = false)]
    after: Option<String>,
    /// Only devices with this profile.
    #[param(value_type = String, required = false)]
    profile: Option<String>,
    /// Only devices whose endpoint name begins so.
    #[param(value_type = String, required = false)]
    endpoint: Option<String>,
    /// Only devices whose newest credential is in this state.
    #[param(inline, value_type = pattern::State, required = false)]
    state: Option<String>,
}

/// Lists the tenant's devices, in pages and filtered.
///
/// It looks at no more devices than asked for, so that with a
/// filter a page may be short, or empty, and yet have a next one.
#[utoipa::path(
    get, path = "/devices", operation_id = "listDevices", tag = "devices", params(OfTenant, Query),
    security(("admin" = [])),
    responses((status = 200, description = "A page of the devices.", body = DevicePage), Pages)
)]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Names(tenant): Names<String>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<DevicePage>, Fault> {
    let mut left = paging::limit(query.limit)?;
    let mut after = paging::cursor(query.after.as_deref())?;
    if query.state.as_ref().is_some_and(|state| Life::ALL.iter().all(|life| life.as_str() != state))
    {
        return Err(Fault::invalid("state", "there is no such state of a credential"));
    }
    let mut items = Vec::new();
    loop {
        let step = left.min(STEP);
        let look = |view: &View<'_>| {
            let _ = view.tenant(&tenant)?;
            let mut page = view.devices(&tenant, after.as_deref(), step);
            page.items.retain(|(of, device)| query.takes(view, of, device));
            Some(page)
        };
        let page = api.look(look).await?.ok_or_else(|| Fault::not_found("tenant", &tenant))?;
        items.extend(page.items.into_iter().map(|(of, device)| shown(of.device, device)));
        (left, after) = (left - step, page.next);
        if left == 0 || after.is_none() {
            return Ok(Json(DevicePage { items, next: paging::next(after) }));
        }
    }
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
