//! What is to be driven.

use crate::fleet::Kind;
use crate::pace::Pace;
use claviger_device::Account;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What is to be driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Where the devices bootstrap.
    pub target: SocketAddr,
    /// The number of the first device.
    pub first: u32,
    /// How many devices there are.
    pub devices: u32,
    /// How many bootstraps there are; with more than there are devices, these begin anew.
    pub count: u32,
    /// How they follow each other.
    pub pace: Pace,
    /// How long a bootstrap may take.
    pub patience: Duration,
    /// What the devices are.
    pub kind: Kind,
    /// When one of them is done.
    pub goal: Goal,
}

/// When a device is done. Its session stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// When its DTLS session is open; it asks for nothing.
    Handshake,
    /// When it is bootstrapped.
    Bootstrap,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "in a session",
            Self::Bootstrap => "bootstrapped",
        })
    }
}

/// Says whether what a device was given is right; if not, why.
pub type Check = dyn Fn(&str, &Account) -> Result<(), String>;

/// Whom the driver tells while it drives.
pub struct Hooks<'a> {
    /// Looks at what each device was given.
    pub check: &'a Check,
    /// Hears each time one is done how many are. It must be quick: all devices wait.
    pub watch: &'a mut dyn FnMut(usize),
}

impl Load {
    /// The number of the device that begins as the `nth`.
    pub(crate) fn device(&self, nth: u32) -> u32 {
        self.first + nth % self.devices
    }
}
