//! Who speaks.

/// A device that has proven possession of a credential, as the ledger knows it.
///
/// Made only after the proof; an anonymous peer has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The tenant whose device it is.
    pub tenant: String,
    /// The device's id within the tenant.
    pub device: String,
    /// The id of the credential that was proven.
    pub credential: [u8; 16],
    /// The endpoint name that the ledger binds to this credential.
    pub endpoint: String,
}
