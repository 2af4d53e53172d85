//! What came of every mode with every peer, and how it is written down.

use crate::mode::{MODES, Mode, Role};
use crate::pki::Pki;
use crate::run;
use crate::stack::{self, Stack};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{OnceCell, Semaphore};

/// Runs at a time: the peers share the processor, and DTLS has timers.
static PLACES: Semaphore = Semaphore::const_new(6);
static COLUMNS: [OnceCell<Column>; stack::COUNT] = [const { OnceCell::const_new() }; stack::COUNT];

/// All that came of one peer.
pub(crate) struct Column {
    name: &'static str,
    version: String,
    cells: Vec<(Role, &'static Mode, Cell)>,
}

enum Cell {
    Works,
    Cannot(&'static str),
    Failed(String),
}

/// Tries a peer, once for all tests of this process.
pub(crate) async fn column(index: usize) -> &'static Column {
    COLUMNS[index].get_or_init(|| fill(stack::all()[index].clone())).await
}

async fn fill(stack: Arc<dyn Stack>) -> Column {
    let mut runs = Vec::new();
    for role in [Role::Client, Role::Server] {
        for mode in MODES.iter().filter(|mode| mode.exists_for(role)) {
            let cell = match stack.cannot(role, mode) {
                Some(reason) => Err(Cell::Cannot(reason)),
                None => Ok(tokio::spawn(cell(stack.clone(), role, mode))),
            };
            runs.push((role, mode, cell));
        }
    }
    let mut cells = Vec::new();
    for (role, mode, run) in runs {
        let cell = match run {
            Err(cell) => cell,
            Ok(run) => match run.await {
                Ok(()) => Cell::Works,
                Err(error) => Cell::Failed(words(error)),
            },
        };
        cells.push((role, mode, cell));
    }
    Column { name: stack.name(), version: stack.version(), cells }
}

async fn cell(stack: Arc<dyn Stack>, role: Role, mode: &'static Mode) {
    let _place = PLACES.acquire().await.expect("it is never closed");
    // Of its own, because some peers leave files there.
    let pki = Pki::new();
    match role {
        Role::Client => run::their_client(&*stack, &pki, mode, None).await,
        Role::Server => run::their_server(&*stack, &pki, mode, None).await,
    }
}

/// What a panic said.
pub(crate) fn words(error: tokio::task::JoinError) -> String {
    let panic = match error.try_into_panic() {
        Ok(panic) => panic,
        Err(error) => return error.to_string(),
    };
    match panic.downcast::<String>() {
        Ok(words) => *words,
        Err(panic) => panic.downcast_ref::<&str>().map_or("a panic", |words| words).to_owned(),
    }
}

impl Column {
    /// What failed, in words.
    pub(crate) fn failures(&self) -> String {
        let mut words = String::new();
        for (role, mode, cell) in &self.cells {
            if let Cell::Failed(why) = cell {
                let _ = writeln!(words, "\n{} as {role:?}, {}: {why}", self.name, mode.name);
            }
        }
        words
    }

    fn cell(&self, role: Role, mode: &Mode) -> &Cell {
        let found = self.cells.iter().find(|cell| cell.0 == role && cell.1.name == mode.name);
        &found.expect("every mode was tried").2
    }
}

const TOP: &str = "# Peers of the DTLS engine

What the engine does with stacks that are not ours, each over a real socket with data both ways. Written by a test from
what it saw: `cargo test --workspace --test peers`. If what it sees is something else, it fails, and says how to put that
here. `yes` was seen to work; a number is a reason below why it was not tried.
";

/// The heading below which the text may differ from machine to machine.
const VERSIONS: &str = "## Versions";

/// The whole text.
pub(crate) fn text(columns: &[&Column]) -> String {
    let mut reasons = Vec::new();
    let mut out = TOP.to_owned();
    for (role, title) in [
        (Role::Client, "## Their client, our server"),
        (Role::Server, "## Our client, their server"),
    ] {
        let _ = writeln!(out, "\n{title}\n");
        table(&mut out, columns, role, &mut reasons);
    }
    out.push_str("\n## Reasons\n\n");
    for (number, reason) in (1..).zip(&reasons) {
        let _ = writeln!(out, "{number}. {reason}");
    }
    let _ = write!(out, "\n{VERSIONS}\n\n| peer | version |\n|---|---|\n");
    for column in columns {
        let _ = writeln!(out, "| {} | {} |", column.name, column.version);
    }
    out
}

fn table(out: &mut String, columns: &[&Column], role: Role, reasons: &mut Vec<&'static str>) {
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    let _ = writeln!(out, "| | {} |\n|---{}|", names.join(" | "), "|---".repeat(names.len()));
    for mode in MODES.iter().filter(|mode| mode.exists_for(role)) {
        let _ = write!(out, "| {} |", mode.name);
        for column in columns {
            let cell = match column.cell(role, mode) {
                Cell::Works => "yes".to_owned(),
                Cell::Failed(_) => "FAILED".to_owned(),
                Cell::Cannot(reason) => number(reason, reasons).to_string(),
            };
            let _ = write!(out, " {cell} |");
        }
        out.push('\n');
    }
}

/// A reason's number, from 1.
fn number(reason: &'static str, reasons: &mut Vec<&'static str>) -> usize {
    let known = reasons.iter().position(|known| *known == reason);
    1 + known.unwrap_or_else(|| {
        reasons.push(reason);
        reasons.len() - 1
    })
}

/// Compares with the file beside the tests: all but the versions.
pub(crate) fn compare(seen: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/PEERS.md");
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let results = |text: &str| text.split(VERSIONS).next().map(str::to_owned);
    if results(&written) == results(seen) {
        return;
    }
    let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("PEERS.md");
    std::fs::write(&new, seen).expect("the target folder takes it");
    panic!("{} is not what was seen. To correct it:\ncp {} {0}", file.display(), new.display());
}
