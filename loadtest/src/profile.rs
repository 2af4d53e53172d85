//! Where a server spends its time: Linux's `perf`, beside a run.

use crate::{Failure, Process};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// How often it looks, in a second; no divisor of what else happens at round times.
const FREQUENCY: &str = "997";
/// Stacks by what the compiler wrote for panics, so that no build of its own is needed.
const STACKS: &str = "dwarf,16384";

/// A running `perf record`.
#[derive(Debug)]
pub struct Profile(Child);

impl Profile {
    /// Begins to record where `server` spends its time, into `file`.
    ///
    /// # Errors
    /// If there is no `perf`.
    pub fn start(server: Process, file: &Path) -> Result<Self, Failure> {
        let mut command = Command::new("perf");
        command.args(["record", "--freq", FREQUENCY, "--call-graph", STACKS]);
        command.args(["--pid", &server.0.to_string(), "--output"]).arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn();
        let missing = "perf cannot be started; Debian has it in linux-perf";
        child.map(Self).map_err(Failure::because(missing))
    }

    /// Ends it, and waits until the file is whole.
    ///
    /// # Errors
    /// If it could not record.
    pub fn stop(mut self) -> Result<(), Failure> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended by itself; then its exit code tells.
            let _ = kill_process(pid, Signal::INT);
        }
        let ended = self.0.wait().map_err(Failure::because("perf cannot be waited for"))?;
        // It ends by the signal, or with 0, or with the signal's number.
        if ended.code().is_some_and(|code| code != 0 && code != 130) {
            return Err(Failure::new(
                "perf could not record; the sysctl kernel.perf_event_paranoid must be 1 at most, \
                 or the user root",
            ));
        }
        Ok(())
    }
}
