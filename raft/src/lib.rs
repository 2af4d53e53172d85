//! The replicated log and its storage: openraft behind one concrete [`Node`].
//!
//! It replicates opaque commands and calls [`claviger_ledger::Apply`] on each that is committed;
//! it knows nothing of credentials and holds no key. It is the only crate that imports openraft
//! and fjall: neither's types are on disk or in the public interface.
//!
//! Open a node ([`Node::open_single`] for one voter), [`Node::propose`] commands, and
//! [`Node::read`] rows, after [`Node::read_index`] where the answer decides something. A node is
//! also a [`claviger_ledger::Ledger`]. A storage error stops the node.

mod anywhere;
mod backup;
mod buffered;
mod counters;
mod disk;
mod duties;
mod frame;
mod handover;
mod home;
mod image;
mod leadership;
mod ledger;
mod level;
mod line;
mod log;
mod log_store;
mod membership;
mod memory;
mod node;
mod peer;
mod readers;
mod restore;
mod runtime;
mod serve;
mod simulated;
mod snapshot_now;
mod space;
mod spool;
mod state;
mod state_store;
mod status;
mod storage;
#[cfg(test)]
mod tests;
mod transport;
mod types;
mod wal;
mod wire;

pub use backup::Backup;
pub use counters::Counters;
pub use home::Home;
pub use leadership::{Leadership, Member};
pub use membership::{Even, MembershipError};
pub use node::{Node, NodeConfig, OpenError, ProposeError, Standing};
pub use restore::{Successor, Survivor, recover, restore, survivor};
pub use runtime::{Seeded, seed_this_thread};
pub use simulated::{Fault, SimulatedDisk};
pub use status::{MemberStatus, Status};
pub use storage::Storage;
pub use transport::{
    Alone, Channel, FRAME_LIMIT, Kind, MemoryTransport, Receiver, Sender, Transport,
};
