//! Why a process does not start.

use crate::admin_token::AdminTokenError;
use crate::http::TlsError;
use crate::kek::KekError;
use crate::keys::KeyError;
use claviger_ledger::Unavailable;
use core::net::SocketAddr;
use std::io;
use std::path::PathBuf;

/// Why a process does not start; the words say what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error("cannot use the data folder {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The KEK cannot be used.
    #[error(transparent)]
    Kek(#[from] KekError),
    /// HTTPS has no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The administrator's token cannot be used.
    #[error(transparent)]
    AdminToken(#[from] AdminTokenError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}; is another Claviger running there?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The actors have no thread.
    #[error("cannot start the actors' thread: {0}")]
    Thread(io::Error),
    /// Health cannot be told while the process starts.
    #[error("cannot tell of this process's health: {0}")]
    Health(io::Error),
    /// The ledger does not open.
    #[error("cannot open the ledger: {0}")]
    Ledger(String),
    /// The ledger does not answer.
    #[error("the new ledger does not answer: {0}")]
    Unavailable(#[from] Unavailable),
    /// No key for listeners could be made.
    #[error("the system gives no randomness for the key of the listeners")]
    ServerKey,
    /// The keys of the ledger cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// `--init` where it cannot be.
    #[error("--init founds a cluster, once, and {0}")]
    Init(&'static str),
    /// A node of a cluster that has no ledger and is told of none.
    #[error(
        "this node has no data: found a new cluster with --init, or let it join one that is there \
         by cluster.join and cluster.token_file"
    )]
    NoBeginning,
    /// What the node shows of itself cannot be kept or read.
    #[error("the node's credential {path}: {words}")]
    Credential {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        words: String,
    },
    /// The join token cannot be used.
    #[error("the join token in {path}: {words}")]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        words: String,
    },
    /// The node does not join.
    #[error("this node does not join: {0}")]
    Join(String),
    /// The node has no certificate.
    #[error("this node gets no certificate of its cluster: {0}")]
    Certificate(String),
    /// There is no link to other nodes.
    #[error("cannot open the link to other nodes: {0}")]
    Link(io::Error),
}
