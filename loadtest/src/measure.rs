//! One run, with what the kernel counts before and after.

use crate::driver::{drive, hold};
use crate::load::{Hooks, Load};
use crate::machine::Machine;
use crate::process::{self, Cpu, Process};
use crate::report::{Measured, Report, Usage};
use crate::sessions::{Probes, Sessions, Step};
use crate::tally::Tally;
use std::io;

/// How many sessions there are between two looks at the server's memory.
pub(crate) const STEP: usize = 10_000;

/// Drives a load and measures what it cost this process and the server, if that is named.
///
/// # Errors
/// If the system has no sockets for the devices, or does not tell what it counts.
pub fn measure(
    load: &Load,
    server: Option<Process>,
    hooks: &mut Hooks<'_>,
) -> io::Result<(Report, Tally)> {
    measure_by(load, server, || drive(load, hooks))
}

/// The same, whoever drives the load.
///
/// # Errors
/// As [`measure`], and those of `drive`.
pub fn measure_by(
    load: &Load,
    server: Option<Process>,
    drive: impl FnOnce() -> io::Result<Tally>,
) -> io::Result<(Report, Tally)> {
    let look = Look::begin(server, load)?;
    let tally = drive()?;
    let report = look.end(load, &tally)?;
    Ok((report, tally))
}

/// The same for devices that keep their sessions, of which `probes` ask at the end. The tally is
/// that of those that ask, or of all, if one of these failed.
///
/// # Errors
/// As [`measure`].
pub fn measure_sessions(
    load: &Load,
    probes: usize,
    server: Option<Process>,
    hooks: &mut Hooks<'_>,
) -> io::Result<(Sessions, Tally)> {
    let look = Look::begin(server, load)?;
    let mut resident = Vec::new();
    let mut closing = None;
    let watch = &mut *hooks.watch;
    let mut stepping = |count: usize| {
        // Where there is no server to be looked at, or it is gone, there is no figure.
        if count.is_multiple_of(STEP) {
            resident.push(server.and_then(|server| server.resident().ok()).map(|rss| rss.now));
        }
        watch(count);
    };
    let mut stepped = Hooks { check: hooks.check, watch: &mut stepping };
    let (opened, probed) = hold(load, probes, &mut stepped, &mut || {
        closing = Some(Look::at(server, load)?);
        Ok(())
    })?;
    let after = closing.ok_or_else(|| io::Error::other("the driver did not open the sessions"))?;
    let run = look.until(&after, load, &opened)?;
    let before = look.server.map(|(_, resident)| resident.now);
    let steps = Step::each(&opened, &resident);
    let asked = probes.min(opened.took.len());
    let report = Sessions::new(run, before, steps, Probes::new(asked, &probed));
    Ok((report, if opened.failures.is_empty() { probed } else { opened }))
}

/// What the kernel has counted until a moment.
struct Look {
    server: Option<(Cpu, process::Resident)>,
    process: Option<Process>,
    own: Cpu,
    lost: u64,
    machine: Machine,
}

impl Look {
    /// Lets peaks begin anew, and looks.
    fn begin(server: Option<Process>, load: &Load) -> io::Result<Self> {
        if let Some(server) = server {
            server.reset_peak()?;
        }
        Process::own().reset_peak()?;
        Self::at(server, load)
    }

    fn at(process: Option<Process>, load: &Load) -> io::Result<Self> {
        let look = |server: Process| Ok::<_, io::Error>((server.cpu()?, server.resident()?));
        Ok(Self {
            server: process.map(look).transpose()?,
            process,
            own: Process::own().cpu()?,
            lost: process::dropped_at(&[load.target.port()])?,
            machine: Machine::now()?,
        })
    }

    fn end(&self, load: &Load, tally: &Tally) -> io::Result<Report> {
        self.until(&Self::at(self.process, load)?, load, tally)
    }

    fn until(&self, after: &Self, load: &Load, tally: &Tally) -> io::Result<Report> {
        let each = tally.took.len();
        let lost = after.lost.saturating_sub(self.lost);
        let mut used = after.own.total().saturating_sub(self.own.total());
        let server = self.server.zip(after.server).map(|((before, _), (now, resident))| {
            used += now.total().saturating_sub(before.total());
            Usage::new((before, now), resident, lost, each)
        });
        let own = Process::own().resident()?;
        let driver = Usage::new((self.own, after.own), own, tally.lost, each);
        // Without its process named, the server is one of the others.
        let others = self.process.map(|_| after.machine.others_since(&self.machine, used));
        Ok(Report::new(load, tally, Measured { server, driver, others }))
    }
}

/// Whether a server's process answers to being looked at, before much is done for it.
///
/// # Errors
/// If there is no such process, or it is another user's.
pub fn can_look_at(server: Process) -> io::Result<()> {
    server.reset_peak()?;
    server.cpu().map(drop)
}
