//! What a link counts. Plain atomics: the node's shell reads them and gives them names.

use crate::Purpose;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection did not come to be, or did not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too many handshakes from there, or at a time.
    Limit,
    /// The handshake that somebody began failed: no certificate of the cluster's authority, one out
    /// of its time, or not our protocol.
    Handshake,
    /// The handshake with a node that was reached failed so: the two do not believe each other.
    Disbelief,
    /// The certificate names another cluster, no node, or one that was dismissed, or its authority was
    /// given up meanwhile.
    Identity,
    /// A node was reached, but not the one that was meant.
    OtherNode,
    /// Nobody answered.
    Unreachable,
}

impl Refusal {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Limit,
        Self::Handshake,
        Self::Disbelief,
        Self::Identity,
        Self::OtherNode,
        Self::Unreachable,
    ];

    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Handshake => "handshake",
            Self::Disbelief => "disbelief",
            Self::Identity => "identity",
            Self::OtherNode => "other_node",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Counts since the process started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were made, by either side.
    pub connected: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    sent: [Flow; Purpose::ALL.len()],
    received: [Flow; Purpose::ALL.len()],
}

/// Frames and their bytes.
#[derive(Debug, Default)]
pub struct Flow {
    /// Frames.
    pub frames: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
}

impl Flow {
    pub(crate) fn frame(&self, length: usize) {
        one(&self.frames);
        self.bytes.fetch_add(length as u64, Ordering::Relaxed);
    }
}

pub(crate) fn one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    /// How many connections did not come to be for this reason.
    pub fn refused(&self, why: Refusal) -> &AtomicU64 {
        &self.refused[why as usize]
    }

    /// What was sent for this purpose.
    pub fn sent(&self, purpose: Purpose) -> &Flow {
        &self.sent[purpose as usize]
    }

    /// What was received for this purpose.
    pub fn received(&self, purpose: Purpose) -> &Flow {
        &self.received[purpose as usize]
    }
}
