//! A node's whole folder against power cuts: everything that it asks of the disk is recorded by
//! strace, and played to a disk whose power is cut before each sync, or before some of them where
//! `CLAVIGER_LONG` is not set. What was not synced by then is lost, kept or torn. From each of these disks a node must open, and must have all that the first
//! had acknowledged; a command is there whole or not at all.

#![expect(clippy::print_stdout, reason = "a test with a main of its own says how it went")]

mod disk;
mod live;
mod trace;

use disk::{Disk, Fate};
use live::{COMMANDS, ROWS};
use std::path::{Path, PathBuf};
use std::process::Command;
use trace::{Act, Event};

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut arguments = std::env::args().skip(1);
    if let (Some("live"), Some(folder)) = (arguments.next().as_deref(), arguments.next()) {
        return runtime.block_on(live::live(Path::new(&folder)));
    }
    let place = tempfile::tempdir().expect("a folder");
    let root = place.path().canonicalize().expect("a path").join("disk");
    std::fs::create_dir(&root).expect("a folder");
    let events = record(place.path(), &root);
    let cuts = runtime.block_on(cut_all(&events, &root));
    println!("{cuts} power cuts, and nothing acknowledged was lost");
}

/// Lets another process of this program live in `root`, and gives what it did there.
fn record(place: &Path, root: &Path) -> Vec<Event> {
    let calls = format!("trace={}", trace::CALLS);
    let status = Command::new("strace")
        .args(["-ff", "-ttt", "-T", "-y", "-xx", "-s", "100000000", "-e", &calls, "-o"])
        .arg(place.join("trace"))
        .arg(std::env::current_exe().expect("this program has a path"))
        .arg("live")
        .arg(root.join("node"))
        .stdout(std::process::Stdio::null())
        .status();
    let status = status.expect("strace is there: tests/setup brings it");
    assert!(status.success(), "the node did not live: {status}");
    let files =
        std::fs::read_dir(place).expect("a folder").map(|file| file.expect("a file").path());
    let is_trace = |path: &PathBuf| path.file_stem().is_some_and(|name| name == "trace");
    let traces: Vec<_> = files.filter(is_trace).collect();
    let mut events = trace::read(&traces);
    // A number that is open elsewhere counts as well: what it was before is closed.
    events
        .retain(|event| matches!(event.act, Act::Open { .. }) || trace::concerns(&event.act, root));
    events
}

/// Of so many syncs one is cut before.
fn stride() -> usize {
    if std::env::var_os("CLAVIGER_LONG").is_some() { 1 } else { 5 }
}

/// Cuts the power before syncs and at the end; gives how often.
async fn cut_all(events: &[Event], root: &Path) -> usize {
    let (mut disk, mut acknowledged) = (Disk::default(), Vec::new());
    let (mut syncs, mut cuts) = (0, 0);
    for event in events {
        if let Act::Sync { .. } = event.act {
            if syncs % stride() == 0 {
                cuts += cut(&disk, root, &acknowledged, cuts as u64).await;
            }
            syncs += 1;
        }
        if let Act::Acknowledged(number) = event.act {
            acknowledged.push(number);
        }
        disk.play(event);
    }
    assert_eq!(acknowledged.len(), 2 * usize::from(COMMANDS), "the trace lacks acknowledgements");
    assert!(syncs > 60, "the trace has too few syncs: {syncs}");
    cuts + cut(&disk, root, &acknowledged, cuts as u64).await
}

/// Opens what a cut leaves, three times, and looks.
async fn cut(disk: &Disk, root: &Path, acknowledged: &[u8], seed: u64) -> usize {
    let fates = [Fate::Nothing, Fate::All, Fate::Torn(seed + 1)];
    for fate in fates {
        let left = tempfile::tempdir().expect("a folder");
        disk.cut(root, fate, left.path());
        let what = || format!("{fate:?} of the unsynced, {} acknowledged", acknowledged.len());
        let node = live::open(&left.path().join("node")).await;
        let node = node.unwrap_or_else(|error| panic!("{}: refused: {error}", what()));
        node.read(&mut |rows| {
            for number in 0..=u8::MAX {
                let found = rows.range(&[number], &[number, 0xff], usize::MAX).len() as u32;
                assert!(found == 0 || found == ROWS, "{}: {found} rows of {number}", what());
                let told = acknowledged.contains(&number);
                assert!(!told || found == ROWS, "{}: {number} is lost", what());
            }
        });
        node.shutdown().await;
    }
    fates.len()
}
