//! The way between an edge's task and the actors, wherever these are.

use claviger_actors::{CameFrom, Devices, EdgeId};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// A frame, which may hold keys.
pub type Frame = Zeroizing<Vec<u8>>;

/// What an edge's task is told.
#[derive(Debug)]
pub enum ToTask {
    /// A frame of the actors.
    Frame(Frame),
    /// Frames of the edge go this way from now on.
    Way(Way),
    /// No new handshakes any more; what is under way ends.
    Drain,
}

/// Where an edge's frames go.
#[derive(Debug, Clone, Default)]
pub enum Way {
    /// Nobody who leads is known: they are dropped, and counted.
    #[default]
    Nowhere,
    /// To the actors of this process.
    Here(Devices),
    /// To another node.
    There(mpsc::Sender<Frame>),
}

impl Way {
    /// Sends a frame; false if it is lost here. Devices send again.
    pub fn send(&self, edge: EdgeId, frame: Frame) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Here(devices) => {
                devices.frame(edge, CameFrom::Here, frame);
                true
            }
            Self::There(frames) => frames.try_send(frame).is_ok(),
        }
    }
}
