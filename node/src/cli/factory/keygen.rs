//! `claviger factory keygen`

use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::crypto::SystemCrypto;
use crate::secret_file;
use clap::Args;
use claviger_factory::PrivateKey;
use claviger_machine::Draw;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A key pair to be made.
#[derive(Debug, Args)]
pub struct Keygen {
    /// The file that the private half is written to.
    #[arg(long, value_name = "FILE")]
    private: PathBuf,
}

impl Keygen {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let path = &self.private;
        let unusable = |error: secret_file::SecretFileError| Failure::failed(error.to_string());
        let there = || {
            let words = format!("{} is there already; it is kept as it is", path.display());
            Failure::new(Exit::Conflict, words)
        };
        if path.exists() {
            return Err(there());
        }
        let key = PrivateKey::make("", &mut Draw(Arc::new(SystemCrypto)));
        let text = |error: serde_json::Error| Failure::failed(error.to_string());
        let private = Zeroizing::new(serde_json::to_vec(&key).map_err(text)?);
        secret_file::make(path, &private).map_err(unusable)?;
        // Another process may have been quicker: then its key counts.
        let kept = secret_file::read(path, private.len() + 1).map_err(unusable)?;
        if kept.is_none_or(|kept| kept != private) {
            return Err(there());
        }
        output::line(serde_json::to_string_pretty(key.public()).map_err(text)?)
    }
}
