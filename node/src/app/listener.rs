//! A listener of the configuration as an edge without its socket.

use crate::config::{Coaps, CredentialKind};
use crate::telemetry::{self, Traces};
use claviger_curves::AwsLc;
use claviger_dtls::{CertificateType, ClusterKeys, Endpoint, EndpointConfig, Suite};
use claviger_edge::{Edge, Sampling};
use claviger_machine::{Crypto, Draw};
use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

/// The name of the listener that is bound to `address`.
pub(super) fn name(coaps: &Coaps, address: SocketAddr) -> String {
    coaps.name.get().map_or_else(|| format!("coaps://{address}"), ToOwned::to_owned)
}

/// An edge without its socket, which is bound to `address`; the actors hand it the cluster's keys.
pub(super) fn edge(coaps: &Coaps, address: SocketAddr, crypto: &Arc<dyn Crypto>) -> Edge {
    let config = EndpointConfig {
        suites: suites(coaps),
        client_types: client_types(coaps),
        resumption: coaps.resumption,
        retransmit: Duration::from_secs(coaps.retransmission_timeout.get().into()),
        half_open: coaps.half_open_limit.get() as usize,
        hide_unknown_identity: coaps.hide_unknown_identity,
        ..EndpointConfig::default()
    };
    let draw = Box::new(Draw(crypto.clone()));
    let endpoint = Endpoint::new(config, ClusterKeys::default(), draw);
    let endpoint = endpoint.with_curves(Box::new(AwsLc));
    let sampling = telemetry::traces().map_or(Sampling::NONE, Traces::sampling);
    let edge = Edge::new(&name(coaps, address), coaps.tenant.as_str(), endpoint).sampled(sampling);
    if coaps.shared_address { edge.shared() } else { edge }
}

/// The suites of a listener: those that are named, less those of a pre-shared key where it takes
/// none.
fn suites(coaps: &Coaps) -> Vec<u16> {
    let psk = coaps.credentials.take(CredentialKind::Psk);
    let named = coaps.suites.numbers().iter().copied();
    named.filter(|id| psk || Suite::by_id(*id).is_some_and(|suite| !suite.uses_psk())).collect()
}

/// In which forms a listener takes keys that sign.
fn client_types(coaps: &Coaps) -> Vec<CertificateType> {
    let types = [
        (CredentialKind::Certificate, CertificateType::X509),
        (CredentialKind::PublicKey, CertificateType::RawPublicKey),
    ];
    let taken = types.into_iter().filter(|(kind, _)| coaps.credentials.take(*kind));
    taken.map(|(_, kind)| kind).collect()
}
