//! `loadtest cluster`

use super::output::{Format, note};
use super::server::Own;
use clap::Args;
use claviger_device::Account;
use claviger_loadtest::{
    Credential, Failure, Kind, Lwm2m, Moving, Remote, Site, measure_moving, measure_remote,
};
use serde::Serialize;

/// A cluster of Claviger, three nodes of the ledger and edges alone, each a process on loopback: what
/// a bootstrap through edges costs the leader, and what it takes a device to go on at another edge.
#[derive(Debug, Args)]
#[command(after_help = "\
The first figure is what the kernel counts for each process while devices bootstrap through all edges.
The second is told of devices that keep their connection id and send to another edge, one device at a
time: from their request to the first datagram that comes back, beside the same again at that edge.

Examples:
  loadtest cluster
  loadtest cluster --edges 4 --devices 20000 --pull
  loadtest cluster --devices 200 --moves 20 -o json")]
pub(super) struct Cluster {
    #[command(flatten)]
    own: Own,
    /// How many edges there are.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=16))]
    edges: u32,
    /// How many devices bootstrap through them.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(16..1_000_000))]
    devices: u32,
    /// How many bootstrap at a time at each edge.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
    /// How many devices go on at another edge.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..1_000_000))]
    moves: u32,
    /// The LwM2M server asks Claviger for keys when it needs them, instead of taking webhooks.
    #[arg(long)]
    pull: bool,
    /// How figures are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Measured {
    remote: Remote,
    moving: Moving,
}

impl Cluster {
    /// Starts the cluster, and measures.
    pub(super) fn run(self) -> Result<(), Failure> {
        let site = Site::start(&self.own.binary()?, self.own.data(), self.edges as usize)?;
        let (devices, all) = (0..self.devices, 0..self.devices + self.moves);
        let movers = devices.end..all.end;
        note(format_args!("enrolling {} devices", all.end));
        let told = match self.pull {
            true => site.api()?.prepare_pull(all).map(|()| None)?,
            false => Some(site.api()?.prepare(all)?),
        };
        let check = move |_: &str, account: &Account| match &told {
            Some(told) => told.take(account),
            None => Ok(()),
        };
        let kind = Kind { cid: true, version: Lwm2m::V1_1, credential: Credential::Psk };
        let remote = measure_remote(&site, devices, self.concurrency, kind, &check)?;
        if remote.others.disturb() {
            note(format_args!("warning: others used {}", remote.others));
        }
        let edges = [site.edges()[0], site.edges()[1]];
        let moving = measure_moving(edges, movers, kind, &check)?;
        let table = |it: &Measured| format!("{}\n{}", it.remote.table(), it.moving.table());
        self.output.print(&Measured { remote, moving }, table)
    }
}
