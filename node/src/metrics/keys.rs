//! The numbers of the cluster's keys at this node.

use super::Source;
use super::family::{counter, counters, gauge};
use super::names;
use crate::keys::{Counters, Keeper};
use prometheus::proto::MetricFamily;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// This node's keeper, and what its worker counts.
pub(super) struct Keys(pub(super) Arc<Keeper>, pub(super) Arc<Counters>);

impl Source for Keys {
    fn families(&self) -> Vec<MetricFamily> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let flag = |flag: bool| if flag { 1.0 } else { 0.0 };
        let Self(keeper, it) = self;
        let standing = keeper.standing().borrow().clone();
        let answers = matches!(standing.kek, Some(Ok(_)));
        let (root, retiring) = keeper.retiring();
        vec![
            gauge(names::SEALED, flag(standing.sealed.is_some())),
            gauge(names::KEY_PROVIDER, flag(answers)),
            gauge(names::ROOT_KEY, f64::from(root)),
            gauge(names::KEYS_RETIRING, retiring as f64),
            counters(
                names::KEYS_RESEALED,
                [
                    (&[("result", "ok")][..], load(&it.resealed)),
                    (&[("result", "does_not_open")][..], load(&it.unopened)),
                ],
            ),
            counter(names::KEYS_WRAPPED, load(&it.wrapped)),
        ]
    }
}
