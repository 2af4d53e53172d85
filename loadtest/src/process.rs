//! What the kernel counts for a process and its sockets (Linux, `/proc`).

use core::time::Duration;
use std::fs;
use std::io;

/// CPU time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cpu {
    /// In the process's own code.
    pub user: Duration,
    /// In the kernel on its behalf.
    pub system: Duration,
}

impl Cpu {
    /// All of it.
    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

/// Memory that is resident, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resident {
    /// Now.
    pub now: u64,
    /// At most since [`reset_peak`], or since the start.
    pub peak: u64,
}

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    /// This one.
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// The CPU time that it has used, to a clock tick (10 ms).
    ///
    /// # Errors
    /// If there is no such process.
    pub fn cpu(self) -> io::Result<Cpu> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        parse_cpu(&stat, tick()?).ok_or_else(|| odd("stat"))
    }

    /// The memory that it has.
    ///
    /// # Errors
    /// If there is no such process.
    pub fn resident(self) -> io::Result<Resident> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        parse_resident(&status).ok_or_else(|| odd("status"))
    }

    /// Lets the peak begin anew.
    ///
    /// # Errors
    /// If there is no such process, or it is another user's.
    pub fn reset_peak(self) -> io::Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.0), "5")
    }
}

/// Datagrams that the kernel dropped because the receive buffers of the sockets at these local ports
/// were full.
///
/// # Errors
/// If the kernel does not tell.
pub(crate) fn dropped_at(ports: &[u16]) -> io::Result<u64> {
    let mut dropped = 0;
    for file in ["/proc/net/udp", "/proc/net/udp6"] {
        dropped += match fs::read_to_string(file) {
            Ok(table) => parse_dropped(&table, ports),
            // A system without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(dropped)
}

/// In what the kernel counts CPU time.
pub(crate) fn tick() -> io::Result<Duration> {
    let ticks = u32::try_from(rustix::param::clock_ticks_per_second());
    Ok(Duration::from_secs(1) / ticks.map_err(io::Error::other)?)
}

pub(crate) fn odd(file: &str) -> io::Error {
    io::Error::other(format!("cannot read what the kernel writes in {file}"))
}

/// The fields stand behind the command's name, which is in parentheses and may hold any.
fn parse_cpu(stat: &str, tick: Duration) -> Option<Cpu> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(Cpu { user: tick * user, system: tick * system })
}

fn parse_resident(status: &str) -> Option<Resident> {
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(Resident { now: kib("VmRSS:")? * 1024, peak: kib("VmHWM:")? * 1024 })
}

fn parse_dropped(table: &str, ports: &[u16]) -> u64 {
    let ours = |local: &str| {
        let port = local.rsplit_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
        port.is_some_and(|port| ports.contains(&port))
    };
    let sockets = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = sockets.filter(|fields| fields.get(1).is_some_and(|local| ours(local)));
    ours.filter_map(|fields| fields.last()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    #[test]
    fn cpu_is_read_behind_any_name() {
        let stat = "7 (a) b) S 1 1 1 0 -1 4194304 9 0 0 0 25 7 0 0 20 0 9 0 1 1 1 1";
        let cpu = Cpu { user: TICK * 25, system: TICK * 7 };
        assert_eq!(parse_cpu(stat, TICK), Some(cpu));
        assert_eq!(parse_cpu("7 (a) S 1", TICK), None);
    }

    #[test]
    fn memory_is_read_in_kibibytes() {
        let status = "Name:\tx\nVmHWM:\t    3 kB\nVmRSS:\t    2 kB\n";
        assert_eq!(parse_resident(status), Some(Resident { now: 2048, peak: 3072 }));
    }

    #[test]
    fn drops_are_those_of_the_ports() {
        let table = "  sl  local_address rem_address   st ...  drops\n\
             1: 0100007F:1634 00000000:0000 07 0:0 0:0 0 0 0 1 2 0 17\n\
             2: 0100007F:1635 00000000:0000 07 0:0 0:0 0 0 0 1 2 0 4\n";
        assert_eq!(parse_dropped(table, &[0x1634]), 17);
        assert_eq!(parse_dropped(table, &[0x1634, 0x1635]), 21);
        assert_eq!(parse_dropped(table, &[0x0000]), 0);
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let own = Process::own();
        assert!(own.cpu().is_ok());
        let resident = own.resident().unwrap();
        assert!(resident.now > 0 && resident.peak >= resident.now);
        assert!(dropped_at(&[1]).is_ok());
    }
}
