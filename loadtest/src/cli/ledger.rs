//! `loadtest ledger`

use super::output::{Format, note};
use clap::Args;
use claviger_loadtest::ledger::{Cluster, Etcd, Figures, NodeOptions, Opponent, Work, run_node};
use claviger_loadtest::{Failure, busy};
use core::time::Duration;
use serde::Serialize;
use std::path::PathBuf;

/// How many clients commit while the lead moves.
const MOVERS: u32 = 64;

/// Commits and linearizable reads of three nodes, one hop away; records of 200 bytes, synced and,
/// in ours, sealed.
#[derive(Debug, Args)]
#[command(after_help = "\
etcd is named by a command that takes etcd's arguments. `loadtest/peers/etcd` builds one of a newer
version, and the client that puts load on any: `go build -o etcd-peer .` there.

Examples:
  loadtest ledger
  loadtest ledger --etcd-load ./etcd-peer --etcd /usr/bin/etcd --etcd './etcd-peer server'
  loadtest ledger --clients 64 --runs 1 --seconds 3 -o json")]
pub(super) struct Ledger {
    /// An etcd to compare with; may be given several times.
    #[arg(long, value_name = "COMMAND", requires = "etcd_load")]
    etcd: Vec<String>,
    /// The program that puts load on etcd.
    #[arg(long, value_name = "PROGRAM")]
    etcd_load: Option<PathBuf>,
    /// How many operations are under way at a time.
    #[arg(long, value_delimiter = ',', default_value = "1,64,1000")]
    clients: Vec<u32>,
    /// How many runs each has in each scenario; medians are printed.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// How long a run is measured, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Where logs are kept: on the disk that is to be measured. A temporary folder otherwise.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// At the end, kills the leader this many times, each in a new cluster.
    #[arg(long, default_value_t = 0)]
    kills: u32,
    /// And lets it hand over this many times, while 64 clients commit.
    #[arg(long, default_value_t = 0)]
    moves: u32,
    /// How figures are printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Options of one node.
#[derive(Debug, Args)]
pub(super) struct LedgerNode {
    #[arg(long)]
    id: u64,
    #[arg(long)]
    folder: PathBuf,
    #[arg(long)]
    authority: PathBuf,
}

/// One scenario of one ledger: the median of each figure.
#[derive(Debug, Serialize)]
struct Row {
    ledger: String,
    what: &'static str,
    clients: u32,
    runs: usize,
    #[serde(flatten)]
    figures: Figures,
}

/// All that was measured.
#[derive(Debug, Default, Serialize)]
struct Measured {
    rows: Vec<Row>,
    /// From the end of the leader to the next commit, in milliseconds.
    after_kill_ms: Vec<f64>,
    /// The longest time between two commits while the lead is handed over, in milliseconds.
    at_move_ms: Vec<f64>,
}

fn median(runs: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| {
        let mut each: Vec<f64> = runs.iter().map(figure).collect();
        each.sort_by(f64::total_cmp);
        each[each.len() / 2]
    };
    Figures {
        rate: of(|run| run.rate),
        p50_ms: of(|run| run.p50_ms),
        p99_ms: of(|run| run.p99_ms),
        cpu_us: of(|run| run.cpu_us),
    }
}

impl Measured {
    fn table(&self) -> String {
        let head = "| ledger | what | clients | a second | p50 ms | p99 ms | CPU-us |\n|---|---|---|---|---|---|---|";
        let row = |row: &Row| {
            let Figures { rate, p50_ms, p99_ms, cpu_us } = row.figures;
            let Row { ledger, what, clients, .. } = row;
            format!(
                "\n| {ledger} | {what} | {clients} | {rate:.0} | {p50_ms:.2} | {p99_ms:.2} | {cpu_us:.0} |"
            )
        };
        let each = |what: &str, all: &[f64]| match all.is_empty() {
            true => String::new(),
            false => {
                let all = all.iter().map(|ms| format!("{ms:.0}")).collect::<Vec<_>>();
                format!("\n\n{what}, ms: {}", all.join(", "))
            }
        };
        let rows = self.rows.iter().map(row).collect::<String>();
        let kills = each("Leader killed to next commit", &self.after_kill_ms);
        let moves = each("Without a commit while the lead moves", &self.at_move_ms);
        format!("{head}{rows}{kills}{moves}")
    }
}

impl Ledger {
    fn opponents(&self) -> Result<Vec<Box<dyn Opponent>>, Failure> {
        let folder = self.folder.as_deref();
        let mut all: Vec<Box<dyn Opponent>> = vec![Box::new(Cluster::start(folder)?)];
        for server in &self.etcd {
            let server: Vec<String> = server.split_whitespace().map(ToOwned::to_owned).collect();
            let load = self.etcd_load.as_deref().expect("clap asks for it");
            all.push(Box::new(Etcd::start(&server, load, folder)?));
        }
        Ok(all)
    }

    /// Lets each take its turns.
    pub(super) fn run(self) -> Result<(), Failure> {
        note(busy().map_err(Failure::because("cannot look at this machine"))?);
        let mut opponents = self.opponents()?;
        let mut measured = Measured::default();
        for read in [false, true] {
            for clients in self.clients.iter().copied() {
                let what = if read { "read" } else { "commit" };
                let measured_for = Duration::from_secs(self.seconds.into());
                let work =
                    Work { clients, read, warm_up: Duration::from_secs(1), measured: measured_for };
                let mut runs = vec![Vec::new(); opponents.len()];
                for _ in 0..self.runs {
                    for (opponent, runs) in opponents.iter_mut().zip(&mut runs) {
                        runs.push(opponent.run(work)?);
                    }
                }
                for (opponent, runs) in opponents.iter().zip(runs) {
                    let (ledger, figures) = (opponent.name().to_owned(), median(&runs));
                    note(format_args!("{ledger}, {what}, {clients}: {:.0}/s", figures.rate));
                    measured.rows.push(Row { ledger, what, clients, runs: runs.len(), figures });
                }
            }
        }
        drop(opponents);
        for _ in 0..self.kills {
            let took = Cluster::start(self.folder.as_deref())?.kill_leader()?;
            measured.after_kill_ms.push(took.as_secs_f64() * 1e3);
        }
        if self.moves > 0 {
            let mut cluster = Cluster::start(self.folder.as_deref())?;
            for _ in 0..self.moves {
                let gap = cluster.move_leader(MOVERS)?;
                measured.at_move_ms.push(gap.as_secs_f64() * 1e3);
            }
        }
        self.output.print(&measured, Measured::table)
    }
}

impl LedgerNode {
    /// Runs it.
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self { id, folder, authority } = self;
        run_node(NodeOptions { id, folder, authority })
    }
}
