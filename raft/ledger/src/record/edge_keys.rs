//! Which of the keys that are derived for edges hold now.

use minicbor::{Decode, Encode};

/// The generation of the keys that edges are handed; the keys are derived, and stand nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct EdgeKeys {
    /// It, from 1 on.
    #[n(0)]
    pub generation: u32,
    /// When it began, in ms since the Unix epoch; 0 for the first.
    #[n(1)]
    pub since: u64,
}

impl Default for EdgeKeys {
    fn default() -> Self {
        Self { generation: 1, since: 0 }
    }
}
