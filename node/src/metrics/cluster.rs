//! The numbers of edges and the leader, as they meet.

use super::Source;
use super::family::{counter, counters, gauge};
use super::names;
use crate::cluster::link::Late;
use crate::cluster::{hub, uplink};
use claviger_link::{Counters, Purpose, Refusal};
use prometheus::proto::MetricFamily;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The hub and the uplinks of this process.
#[derive(Default)]
pub(super) struct Cluster {
    pub(super) hub: Arc<hub::Counters>,
    pub(super) uplinks: Arc<uplink::Counters>,
    pub(super) link: Late,
    pub(super) draining: Arc<AtomicBool>,
}

impl Source for Cluster {
    fn families(&self) -> Vec<MetricFamily> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (hub, uplinks) = (&self.hub, &self.uplinks);
        let mut families = vec![
            gauge(names::DRAINING, f64::from(u8::from(self.draining.load(Ordering::Relaxed)))),
            gauge(names::EDGES_CONNECTED, load(&hub.connected) as f64),
            gauge(names::EDGES_MUTE, load(&hub.mute) as f64),
            counters(
                names::EDGES_CAME,
                [
                    (&[("result", "welcome")][..], load(&hub.welcomed)),
                    (&[("result", "refused")][..], load(&hub.refused)),
                ],
            ),
            counter(names::HUB_LOST, load(&hub.lost)),
            counter(names::UPLINK_CHANGES, load(&uplinks.changes)),
            counter(names::UPLINK_SILENCES, load(&uplinks.silences)),
            counter(names::UPLINK_BROKEN, load(&uplinks.broken)),
            counter(names::UPLINK_LOST, load(&uplinks.lost)),
        ];
        let none = Counters::default();
        let link = self.link.get();
        let standing = link.map_or(0, claviger_link::Link::connections);
        let (renews, expires) = link.map(claviger_link::Link::certified).unwrap_or_default();
        let peers = link.map(claviger_link::Link::peers).unwrap_or_default();
        let round_trip = peers.iter().map(|(_, round_trip)| *round_trip).max();
        families.extend([
            gauge(names::CERTIFICATE_RENEWS, renews.as_secs_f64()),
            gauge(names::CERTIFICATE_EXPIRES, expires.as_secs_f64()),
            gauge(names::LINK_PEERS, peers.len() as f64),
            gauge(names::LINK_ROUND_TRIP, round_trip.unwrap_or_default().as_secs_f64()),
        ]);
        families.extend(of_link(link.map_or(&none, |link| link.counters()), standing));
        families
    }
}

fn of_link(link: &Counters, standing: usize) -> Vec<MetricFamily> {
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let refused = Refusal::ALL.map(|why| ([("reason", why.as_str())], load(link.refused(why))));
    let (mut frames, mut bytes) = (Vec::new(), Vec::new());
    for purpose in Purpose::ALL {
        let flows = [("sent", link.sent(purpose)), ("received", link.received(purpose))];
        for (direction, flow) in flows {
            let labels = [("direction", direction), ("purpose", purpose.as_str())];
            frames.push((labels, load(&flow.frames)));
            bytes.push((labels, load(&flow.bytes)));
        }
    }
    let by_purpose = |name, series: &[([(&str, &str); 2], u64)]| {
        counters(name, series.iter().map(|(labels, count)| (&labels[..], *count)))
    };
    vec![
        gauge(names::LINK_CONNECTIONS, standing as f64),
        counter(names::LINK_CONNECTED, load(&link.connected)),
        counters(names::LINK_REFUSED, refused.iter().map(|(labels, count)| (&labels[..], *count))),
        by_purpose(names::LINK_FRAMES, &frames),
        by_purpose(names::LINK_BYTES, &bytes),
    ]
}
