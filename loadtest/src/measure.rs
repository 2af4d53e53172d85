//! One run, with what the kernel counts before and after.

use crate::driver::{Check, Load, drive};
use crate::process::{self, Cpu, Process};
use crate::report::{Report, Usage};
use crate::tally::Tally;
use std::io;

/// Drives a load and measures what it cost this process and the server, if that is named.
///
/// # Errors
/// If the system has no sockets for the devices, or does not tell what it counts.
pub fn measure(load: &Load, server: Option<Process>, check: &Check) -> io::Result<(Report, Tally)> {
    let port = load.target.port();
    if let Some(server) = server {
        server.reset_peak()?;
    }
    Process::own().reset_peak()?;
    let before = Look::at(server, port)?;
    let tally = drive(load, check)?;
    let after = Look::at(server, port)?;
    let lost_at_server = after.lost_at_server.saturating_sub(before.lost_at_server);
    let lost_here = (after.lost_all - before.lost_all).saturating_sub(lost_at_server);
    let bootstraps = tally.took.len();
    let used = match (server, before.server, after.server) {
        (Some(server), Some(before), Some(after)) => {
            Some(Usage::new((before, after), server.resident()?, lost_at_server, bootstraps))
        }
        _ => None,
    };
    let own = Process::own().resident()?;
    // What was lost elsewhere on this machine is counted as ours: nobody else should be running.
    let driver = Usage::new((before.own, after.own), own, lost_here, bootstraps);
    Ok((Report::new(load, &tally, used, driver), tally))
}

struct Look {
    server: Option<Cpu>,
    own: Cpu,
    lost_at_server: u64,
    lost_all: u64,
}

impl Look {
    fn at(server: Option<Process>, port: u16) -> io::Result<Self> {
        Ok(Self {
            server: server.map(Process::cpu).transpose()?,
            own: Process::own().cpu()?,
            lost_at_server: process::dropped_at(port)?,
            lost_all: process::dropped()?,
        })
    }
}
