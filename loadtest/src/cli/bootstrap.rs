//! `loadtest bootstrap`

use super::output::{Format, note};
use clap::Args;
use claviger_loadtest::{Api, Check, Failure, Kind, Load, Lwm2m, Pace, Process, measure};
use core::net::SocketAddr;
use core::time::Duration;

/// Within which time a storm's devices begin.
const STORM: Duration = Duration::from_secs(1);

/// Devices that bootstrap, each with a name and a key of its own.
#[derive(Debug, Args)]
#[command(after_help = "\
With --api the devices are enrolled at Claviger first, and its webhooks are taken. Without, the
server must know them: device 42 is load-00000042 in identity and endpoint name, and its key is
the first 16 bytes of the SHA-256 of that name.

Examples:
  loadtest bootstrap --target 127.0.0.1:5684 --api http://127.0.0.1:8080 --devices 20000
  loadtest bootstrap --target 127.0.0.1:5684 --devices 10000 --storm -o json")]
pub(super) struct Bootstrap {
    /// Where the devices bootstrap.
    #[arg(long, value_name = "ADDR")]
    target: SocketAddr,
    /// How many devices there are.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    devices: u32,
    /// The number of the first device.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    first: u32,
    /// How many bootstraps there are; by default one for each device.
    #[arg(long)]
    count: Option<u32>,
    /// How many devices bootstrap at a time; the next begins when one has ended.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
    /// All devices begin within a second, whatever becomes of them.
    #[arg(long, conflicts_with = "concurrency")]
    storm: bool,
    /// How long a bootstrap may take, in seconds.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    patience: u64,
    /// The devices offer to use the server's connection id.
    #[arg(long)]
    cid: bool,
    /// The devices' version of LwM2M: 1.0 names no preferred format, 1.1 prefers TLV.
    #[arg(long, value_enum, default_value = "1.1", value_name = "VERSION")]
    lwm2m: Lwm2m,
    /// The server's process on this machine: then its CPU time and memory are told.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// The LwM2M server asks Claviger for keys when it needs them, instead of taking webhooks.
    #[arg(long, requires = "api")]
    pull: bool,
    /// Claviger's API.
    #[arg(long, env = "CLAVIGER_SERVER", value_name = "URL", requires = "token")]
    api: Option<String>,
    /// The admin token; better in CLAVIGER_TOKEN, where no list of processes shows it.
    #[arg(long, env = "CLAVIGER_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How figures are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

impl Bootstrap {
    /// Enrols the devices, if need be, and drives them.
    pub(super) fn run(self) -> Result<(), Failure> {
        let load = Load {
            target: self.target,
            first: self.first,
            devices: self.devices,
            count: self.count.unwrap_or(self.devices),
            pace: if self.storm { Pace::Storm(STORM) } else { Pace::Closed(self.concurrency) },
            patience: Duration::from_secs(self.patience),
            kind: Kind { cid: self.cid, version: self.lwm2m },
        };
        let check: Box<Check> = match (&self.api, &self.token) {
            (Some(api), Some(token)) => {
                note(format_args!("enrolling {} devices", load.devices));
                let devices = load.first..load.first + load.devices;
                let api = Api::new(api, token)?;
                if self.pull {
                    api.prepare_pull(devices)?;
                    Box::new(|_, _| Ok(()))
                } else {
                    let told = api.prepare(devices)?;
                    Box::new(move |_, account| told.take(account))
                }
            }
            _ => Box::new(|_, _| Ok(())),
        };
        let measured = measure(&load, self.server_pid.map(Process), &*check);
        let (report, tally) = measured.map_err(Failure::because("cannot measure"))?;
        self.output.print(&report, |report| report.table())?;
        tally.all_succeeded()
    }
}
