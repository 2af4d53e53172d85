//! Look-ups of keys by LwM2M servers.

use super::Source;
use super::family::counters;
use super::names;
use crate::http::{Lookup, Lookups as Counted};
use prometheus::proto::MetricFamily;
use std::sync::Arc;

/// The look-ups at this process.
pub(super) struct Lookups(pub(super) Arc<Counted>);

impl Source for Lookups {
    fn families(&self) -> Vec<MetricFamily> {
        let labels = Lookup::ALL.map(|lookup| [("result", lookup.as_str())]);
        let values = Lookup::ALL.map(|lookup| self.0.counted(lookup));
        let series = labels.iter().map(|labels| &labels[..]).zip(values);
        vec![counters(names::LOOKUPS, series)]
    }
}
