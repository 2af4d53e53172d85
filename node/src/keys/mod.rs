//! The keys of the cluster at this node: opened, kept, replaced, and given into escrow.
//!
//! The [`Keeper`] opens the root key that the ledger has wrapped, by whichever of the node's
//! providers has a KEK for it (`crate::kek`), and puts it on the [`Keyring`] that all others ask.
//! Until it can, the node is *sealed*: it replicates, and does nothing else. A provider that is
//! lost later takes nothing away: the root key is in memory. [`Keeper::run`] goes on looking, so
//! that the node follows a root key that was replaced, and unseals by itself.
//!
//! The [`Worker`], at the leader alone, brings everything under the newest keys in the background,
//! and then has the old ones destroyed. All that it has to do stands in the ledger, so it goes on
//! where another stopped.

mod changes;
mod escrow;
mod keeper;
#[cfg(test)]
mod tests;
mod worker;

pub use escrow::{Copy, EscrowError};
pub use keeper::{Keeper, KeyError};
pub use worker::{Counters, Worker};

use claviger_ledger::Tenant;
use claviger_seal::{DoesNotOpen, Keyring, TenantKey, Wrapped};

/// The key of the tenant `name`, whose record is `tenant`.
///
/// # Errors
/// If it does not open by the root keys of this node.
pub fn key_of(ring: &Keyring, name: &str, tenant: &Tenant) -> Result<TenantKey, DoesNotOpen> {
    let wrapped = |(version, root, bytes)| Wrapped { version, root, bytes };
    ring.tenant(name, &tenant.keys().map(wrapped).collect::<Vec<_>>())
}
