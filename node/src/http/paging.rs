//! Pages of lists: how long they may be, and where the next one begins.

use super::problem::Fault;
use claviger_api::{Code, pattern};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use utoipa::IntoParams;

/// How many entries a page has, where nothing else is asked for, and at most.
const PAGE: usize = 100;
pub(super) const LONGEST_PAGE: usize = 1000;

/// The parameters of a list without a filter.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// How many entries at most.
    #[param(value_type = u64, required = false, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// `next` of the page before.
    #[param(inline, value_type = pattern::Cursor, required = false)]
    after: Option<String>,
}

impl Paging {
    /// How many entries, behind which place.
    pub(super) fn read(&self) -> Result<(usize, Option<Vec<u8>>), Fault> {
        Ok((limit(self.limit)?, cursor(self.after.as_deref())?))
    }
}

/// How many entries a page may have.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Fault> {
    match asked.unwrap_or(PAGE) {
        limit @ 1..=LONGEST_PAGE => Ok(limit),
        _ => Err(Fault::invalid("limit", format_args!("it must be 1 to {LONGEST_PAGE}"))),
    }
}

/// The place that an earlier page gave.
pub(super) fn cursor(after: Option<&str>) -> Result<Option<Vec<u8>>, Fault> {
    let bad = |_| Fault::new(Code::BadCursor, "`after` is not what an earlier page gave");
    let place = after.map(|after| BASE64URL_NOPAD.decode(after.as_bytes()));
    place.transpose().map_err(bad)
}

/// A place as a page gives it.
pub(super) fn next(place: Option<Vec<u8>>) -> Option<String> {
    place.map(|place| BASE64URL_NOPAD.encode(&place))
}
