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
        let tick = Duration::from_secs(1)
            / u32::try_from(rustix::param::clock_ticks_per_second()).map_err(io::Error::other)?;
        parse_cpu(&stat, tick).ok_or_else(|| odd("stat"))
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

/// Datagrams that the kernel dropped because the receive buffers of the sockets at this local port
/// were full.
///
/// # Errors
/// If the kernel does not tell.
pub(crate) fn dropped_at(port: u16) -> io::Result<u64> {
    let mut dropped = 0;
    for file in ["/proc/net/udp", "/proc/net/udp6"] {
        dropped += match fs::read_to_string(file) {
            Ok(table) => parse_dropped(&table, port),
            // A system without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(dropped)
}

/// The same for all sockets of this machine.
///
/// # Errors
/// If the kernel does not tell.
pub(crate) fn dropped() -> io::Result<u64> {
    let v4 = parse_errors(&fs::read_to_string("/proc/net/snmp")?).ok_or_else(|| odd("snmp"))?;
    let v6 = fs::read_to_string("/proc/net/snmp6").unwrap_or_default();
    let v6 = v6.lines().find_map(|line| line.strip_prefix("Udp6RcvbufErrors"));
    Ok(v4 + v6.and_then(|number| number.trim().parse().ok()).unwrap_or(0))
}

fn odd(file: &str) -> io::Error {
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

fn parse_dropped(table: &str, port: u16) -> u64 {
    let end = format!(":{port:04X}");
    let sockets = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = sockets.filter(|fields| fields.get(1).is_some_and(|local| local.ends_with(&end)));
    ours.filter_map(|fields| fields.last()?.parse::<u64>().ok()).sum()
}

fn parse_errors(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter(|line| line.starts_with("Udp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|name| name == "RcvbufErrors")?;
    values.split_whitespace().nth(at)?.parse().ok()
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
    fn drops_are_those_of_the_port() {
        let table = "  sl  local_address rem_address   st ...  drops\n\
             1: 0100007F:1634 00000000:0000 07 0:0 0:0 0 0 0 1 2 0 17\n\
             2: 0100007F:1635 00000000:0000 07 0:0 0:0 0 0 0 1 2 0 4\n";
        assert_eq!(parse_dropped(table, 0x1634), 17);
        let snmp = "Udp: InDatagrams RcvbufErrors\nUdp: 5 6\nUdpLite: InDatagrams\nUdpLite: 0\n";
        assert_eq!(parse_errors(snmp), Some(6));
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let own = Process::own();
        assert!(own.cpu().is_ok());
        let resident = own.resident().unwrap();
        assert!(resident.now > 0 && resident.peak >= resident.now);
        assert!(dropped().is_ok() && dropped_at(1).is_ok());
    }
}
