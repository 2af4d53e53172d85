//! The machine that is measured on, and whether others use it (Linux, `/proc`).

use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use std::{fs, io};

/// From how much on others are worth a warning, in CPUs.
const NOTABLE: f64 = 0.1;

/// How much of the machine others used during a run, in CPUs: 0.5 is half of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Others {
    /// Processes that were neither the driver nor the server.
    pub processes: f64,
    /// Other machines on the same hardware.
    pub stolen: f64,
}

impl Others {
    /// Whether they make figures doubtful.
    pub fn disturb(&self) -> bool {
        self.processes + self.stolen > NOTABLE
    }
}

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} CPUs by other processes", self.processes)?;
        write!(f, ", {:.2} by other machines", self.stolen)
    }
}

/// What the machine has used until a moment.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    at: Instant,
    used: Duration,
    stolen: Duration,
}

impl Machine {
    /// Until now.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn now() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let (used, stolen) =
            parse(&stat, crate::process::tick()?).ok_or_else(|| crate::process::odd("stat"))?;
        Ok(Self { at: Instant::now(), used, stolen })
    }

    /// What others used since `before`, when so much was used by those who are measured.
    pub fn others_since(&self, before: &Self, measured: Duration) -> Others {
        let seconds = self.at.duration_since(before.at).as_secs_f64().max(1e-3);
        let used = self.used.saturating_sub(before.used).saturating_sub(measured);
        let stolen = self.stolen.saturating_sub(before.stolen);
        Others { processes: used.as_secs_f64() / seconds, stolen: stolen.as_secs_f64() / seconds }
    }
}

/// Words on how busy the machine is just now: its load average, and what is used while this looks,
/// which takes a second.
///
/// # Errors
/// If the kernel does not tell.
pub fn busy() -> io::Result<String> {
    let before = Machine::now()?;
    std::thread::sleep(Duration::from_secs(1));
    let others = Machine::now()?.others_since(&before, Duration::ZERO);
    let averages = fs::read_to_string("/proc/loadavg")?;
    let average = averages.split_whitespace().next().unwrap_or("?");
    let cores = std::thread::available_parallelism()?;
    let words = format!("{cores} CPUs, load average {average}; in use now: {others}");
    let warning = "\nwarning: this machine is busy. Of what follows only CPU times are worth much.";
    Ok(words + if others.disturb() { warning } else { "" })
}

/// What was used and what was stolen, of the line for all CPUs: user, nice, system, idle, iowait,
/// irq, softirq, steal.
fn parse(stat: &str, tick: Duration) -> Option<(Duration, Duration)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().map_while(|n| n.parse().ok()).collect();
    let [user, nice, system, _, _, irq, softirq, steal, ..] = ticks[..] else { return None };
    Some((tick.mul_f64(user + nice + system + irq + softirq), tick.mul_f64(steal)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    #[test]
    fn idle_time_is_nobodys() {
        let stat = "cpu  100 10 50 9999 888 7 3 20 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        let used = Duration::from_millis(1700);
        assert_eq!(parse(stat, TICK), Some((used, Duration::from_millis(200))));
        assert_eq!(parse("cpu  1 2 3\n", TICK), None);
    }

    #[test]
    fn others_are_all_but_those_who_are_measured() {
        let at = Instant::now();
        let before = Machine { at, used: TICK, stolen: Duration::ZERO };
        let (used, stolen) = (TICK * 301, TICK * 50);
        let after = Machine { at: at + Duration::from_secs(2), used, stolen };

        let others = after.others_since(&before, Duration::from_secs(2));

        assert_eq!(others, Others { processes: 0.5, stolen: 0.25 });
        assert!(others.disturb() && !Others::default().disturb());
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let used = Machine::now().unwrap().used;
        assert!(used > Duration::ZERO);
    }
}
