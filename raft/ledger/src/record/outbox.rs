//! What an LwM2M server must still be told.

use minicbor::{Decode, Encode};

/// A staged credential that the LwM2M server has not yet confirmed: told at least once.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OutboxItem {
    /// The connector to tell it by.
    #[n(0)]
    pub connector: String,
    /// Ms since the Unix epoch.
    #[n(1)]
    pub created_at: u64,
}
