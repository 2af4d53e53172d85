//! The operating system's randomness.

use claviger_machine::Crypto;

/// Randomness by aws-lc-rs.
#[derive(Debug, Clone, Copy)]
pub struct SystemCrypto;

impl Crypto for SystemCrypto {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the operating system gives random bytes");
    }
}
