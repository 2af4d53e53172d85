//! What an administrator asks, one file for each kind of thing.

pub(super) mod attempts;
pub(super) mod cluster;
pub(super) mod connectors;
pub(super) mod credentials;
pub(super) mod devices;
pub(super) mod events;
pub(super) mod export;
pub(super) mod import_keys;
pub(super) mod keys;
pub(super) mod profiles;
pub(super) mod server_identity;
pub(super) mod trust_anchors;
pub(super) mod use_report;
