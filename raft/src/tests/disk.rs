//! One voter on a disk: starts, restarts, torn tails and rot.

use super::{command, config, copy, rows};
use crate::log_store::LogStore;
use crate::node::Pace;
use crate::wal::{Hand, RealDisk, Wal};
use crate::{MemoryTransport, Node, OpenError};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tempfile::{TempDir, tempdir};

async fn open(folder: &Path) -> Result<Node, OpenError> {
    Node::open_single(config(Some(folder), 7, &MemoryTransport::default())).await
}

/// Copies the folder as a crash would leave it: the files as they are, without an orderly close.
fn crash_copy(from: &Path) -> TempDir {
    let to = tempdir().unwrap();
    copy(from, to.path());
    to
}

/// The newest file in `part` of the folder that ends so.
fn newest(folder: &Path, part: &str, ending: &str) -> PathBuf {
    let files = fs::read_dir(folder.join(part)).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == ending)).max().expect("a file")
}

fn log(folder: &Path) -> PathBuf {
    newest(folder, "wal", "wal")
}

/// Length of the file without its zeros.
fn written(path: &Path) -> usize {
    let bytes = fs::read(path).unwrap();
    bytes.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1)
}

/// The rows go, so that all must come from the log.
fn drop_state(folder: &Path) {
    fs::remove_dir_all(folder.join("state")).unwrap();
}

fn flip(path: &Path, place: usize) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, place as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 0x5a], place as u64).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the time to start is for whoever runs this by hand")]
async fn a_single_voter_leads_as_soon_as_it_is_open() {
    let folder = tempdir().unwrap();
    for start in ["first", "second"] {
        let begun = Instant::now();
        let node = open(folder.path()).await.unwrap();
        println!("{start} start: {:?}", begun.elapsed());
        assert_eq!(node.standing().leader, Some(node.id()));
        node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_all_that_was_acknowledged() {
    let folder = tempdir().unwrap();
    let node = open(folder.path()).await.unwrap();
    for number in 0..200 {
        node.propose(command(number, 100)).await.unwrap();
    }
    for stateless in [false, true] {
        let copy = crash_copy(folder.path());
        if stateless {
            drop_state(copy.path());
        }
        let again = open(copy.path()).await.unwrap();
        assert_eq!(rows(&again).len(), 200);
        assert_eq!(rows(&again), rows(&node));
        assert_eq!(again.id(), 7);
    }
}

/// A crash copy of the folder, made after its log was purged.
async fn purged_copy(folder: &Path) -> TempDir {
    let purged = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let copy = crash_copy(folder);
            let log = Wal::open(
                Arc::new(RealDisk),
                &copy.path().join("wal"),
                Hand::Caller,
                &Default::default(),
            )
            .unwrap();
            if log.kept().purged.is_some() {
                return copy;
            }
            tokio::task::yield_now().await;
        }
    });
    purged.await.expect("the log is purged")
}

/// A voter whose log was purged, and a crash copy of its folder.
async fn purged(folder: &Path) -> (Node, TempDir) {
    let config = config(Some(folder), 7, &MemoryTransport::default());
    let node = Node::open_single_at(config, Pace { snapshot: 50, kept: 10 }).await.unwrap();
    for number in 0..120 {
        node.propose(command(number, 100)).await.unwrap();
    }
    let copy = purged_copy(folder).await;
    (node, copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_stand_for_the_log_that_was_purged() {
    let folder = tempdir().unwrap();
    let (node, copy) = purged(folder.path()).await;
    assert!(node.counters().snapshots_built.load(Ordering::Relaxed) > 0);

    let again = open(copy.path()).await.unwrap();

    assert_eq!(rows(&again), rows(&node));
    again.propose(command(500, 100)).await.unwrap();
    assert_eq!(rows(&again).len(), 121);
}

#[tokio::test(flavor = "multi_thread")]
async fn cuts_its_log_also_when_it_is_stopped_before_each_snapshot() {
    let folder = tempdir().unwrap();
    let start = || {
        let config = config(Some(folder.path()), 7, &MemoryTransport::default());
        Node::open_single_at(config, Pace { snapshot: 50, kept: 10 })
    };
    for round in 0..5 {
        let node = start().await.unwrap();
        for number in 0..20 {
            node.propose(command(100 * round + number, 100)).await.unwrap();
        }
        node.shutdown().await;
    }

    let node = start().await.unwrap();

    let copy = purged_copy(folder.path()).await;
    let again = open(copy.path()).await.unwrap();
    assert_eq!((rows(&again).len(), rows(&again)), (100, rows(&node)));
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_a_purged_log_whose_rows_are_gone() {
    let folder = tempdir().unwrap();
    let (_node, copy) = purged(folder.path()).await;
    drop_state(copy.path());
    let old = copy.path().join("snapshot");
    fs::write(&old, b"rows").unwrap();

    let refused = open(copy.path()).await.unwrap_err().to_string();

    assert!(refused.contains("are gone"), "{refused}");
    assert!(old.exists(), "what an older version kept is all that is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_all_rows_that_was_kept_once_is_removed() {
    let folder = tempdir().unwrap();
    open(folder.path()).await.unwrap().shutdown().await;
    fs::write(folder.path().join("snapshot"), b"rows").unwrap();

    let _node = open(folder.path()).await.unwrap();

    assert!(!folder.path().join("snapshot").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_rows_whose_log_is_gone() {
    let folder = tempdir().unwrap();
    let node = open(folder.path()).await.unwrap();
    node.propose(command(1, 8)).await.unwrap();
    let copy = crash_copy(folder.path());
    fs::remove_dir_all(copy.path().join("wal")).unwrap();
    let refused = open(copy.path()).await.unwrap_err().to_string();
    assert!(refused.contains("the log is gone"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_a_folder_that_another_node_has_open() {
    let folder = tempdir().unwrap();
    let _node = open(folder.path()).await.unwrap();
    assert!(open(folder.path()).await.is_err());
}

/// A write that was never acknowledged may be on the disk in part, cut at any byte.
#[tokio::test(flavor = "multi_thread")]
async fn opens_over_a_tail_cut_anywhere() {
    let folder = tempdir().unwrap();
    let node = open(folder.path()).await.unwrap();
    for number in 0..5 {
        node.propose(command(number, 8)).await.unwrap();
    }
    let before = written(&log(folder.path()));
    node.propose(command(5, 8)).await.unwrap();
    let full = crash_copy(folder.path());
    let after = written(&log(full.path()));
    assert!(after > before);
    // Opening a node takes its time; seven is prime to the sizes of its frames.
    for cut in (before..=after).step_by(7) {
        let torn = crash_copy(full.path());
        drop_state(torn.path());
        let file = OpenOptions::new().write(true).open(log(torn.path())).unwrap();
        file.set_len(cut as u64).unwrap();
        let node = open(torn.path()).await;
        let node = node.unwrap_or_else(|error| panic!("refused a tail cut at {cut}: {error}"));
        assert!(rows(&node).len() >= 5, "lost an acknowledged row at {cut}");
        node.shutdown().await;
    }
}

/// A power cut may keep a write's last pages and lose one before: it was never acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn opens_over_a_tail_with_a_lost_page() {
    let folder = tempdir().unwrap();
    let node = open(folder.path()).await.unwrap();
    for number in 0..5 {
        node.propose(command(number, 40)).await.unwrap();
    }
    let before = written(&log(folder.path()));
    let mut big = command(5, 20_000);
    for (place, byte) in big.iter_mut().enumerate().skip(4) {
        *byte = (place.wrapping_mul(2_654_435_761) >> 7) as u8;
    }
    node.propose(big).await.unwrap();
    let torn = crash_copy(folder.path());
    drop_state(torn.path());
    let path = log(torn.path());
    let after = written(&path);
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0; 4096], (before as u64 / 4096 + 1) * 4096).unwrap();
    // It was not synced, hence not sealed either.
    file.write_all_at(&[0; 24], after as u64 - 24).unwrap();
    let node = open(torn.path()).await.expect("a tail nobody was promised is cut off");
    assert_eq!(rows(&node).len(), 5);
    assert_eq!(node.counters().torn_tails.load(Ordering::Relaxed), 1);
}

/// Rot under acknowledged entries: the node refuses to start rather than lose them in silence.
#[tokio::test(flavor = "multi_thread")]
async fn never_loses_acknowledged_entries_in_silence_to_one_flipped_byte() {
    let folder = tempdir().unwrap();
    let node = open(folder.path()).await.unwrap();
    for number in 0..20 {
        node.propose(command(number, 24)).await.unwrap();
    }
    let whole = crash_copy(folder.path());
    drop_state(whole.path());
    let end = written(&log(whole.path()));
    let (mut refused, mut intact) = (0, 0);
    for place in (0..end).step_by(23) {
        let rotten = crash_copy(whole.path());
        flip(&log(rotten.path()), place);
        let Ok(node) = open(rotten.path()).await else {
            refused += 1;
            continue;
        };
        assert_eq!(rows(&node).len(), 20, "lost rows to byte {place}");
        intact += 1;
        node.shutdown().await;
    }
    assert!(refused > intact, "refused {refused}, intact {intact}");
}

/// Rot in the rows' own journal: the log brings back what it took, or the node refuses.
#[tokio::test(flavor = "multi_thread")]
async fn never_loses_rows_to_one_flipped_byte_of_their_journal() {
    let folder = tempdir().unwrap();
    let node = open(folder.path()).await.unwrap();
    for number in 0..20 {
        node.propose(command(number, 24)).await.unwrap();
    }
    let whole = crash_copy(folder.path());
    let end = written(&newest(whole.path(), "state", "jnl"));
    for place in (0..end).step_by(53) {
        let rotten = crash_copy(whole.path());
        flip(&newest(rotten.path(), "state", "jnl"), place);
        let opened = tokio::spawn(async move { open(rotten.path()).await.map(|n| (n, rotten)) });
        if let Ok(Ok((node, _folder))) = opened.await {
            assert_eq!(rows(&node).len(), 20, "lost rows to byte {place}");
            node.shutdown().await;
        }
    }
}

/// A learner with an empty disk gets a snapshot, by a file, while the leader goes on, and has it
/// after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_on_a_disk_gets_what_the_log_has_no_more() {
    // Given a node whose log was purged
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    let transport = MemoryTransport::default();
    let pace = Pace { snapshot: 50, kept: 10 };
    let node = Node::open_at(config(Some(one.path()), 1, &transport), pace, Hand::Thread);
    let node = node.await.unwrap();
    transport.join(&node);
    node.found("").await.unwrap();
    node.leadership().wait_for(|shown| shown.leading.is_some()).await.unwrap();
    for number in 0..300 {
        node.propose(command(number, 3000)).await.unwrap();
    }

    // When another joins, and entries come meanwhile
    let new = Node::open_at(config(Some(two.path()), 2, &transport), pace, Hand::Thread);
    let new = new.await.unwrap();
    transport.join(&new);
    node.join(crate::Member { id: 2, address: String::new() }).await.unwrap();
    let mut last = 0;
    for number in 300..350 {
        let index = node.propose(command(number, 3000)).await.unwrap();
        last = u64::from_be_bytes(index.try_into().unwrap());
    }
    let caught_up = tokio::time::timeout(Duration::from_secs(60), async {
        while new.standing().applied_index < last {
            new.wait_beyond(new.standing().applied_index).await;
        }
    });
    caught_up.await.expect("it catches up");

    // Then it has the same, keeps no file of it, and still has it after a restart
    assert!(new.counters().snapshots_installed.load(Ordering::Relaxed) > 0);
    assert_eq!(rows(&new).len(), 350);
    assert!(rows(&new) == rows(&node));
    assert_eq!(fs::read_dir(two.path().join("incoming")).unwrap().count(), 0);
    transport.leave(2);
    new.shutdown().await;
    drop(new);
    let copy = crash_copy(two.path());
    let again = Node::open_at(config(Some(copy.path()), 2, &transport), pace, Hand::Thread);
    let again = again.await.unwrap();
    transport.join(&again);
    let back = tokio::time::timeout(Duration::from_secs(60), async {
        while again.standing().applied_index < last {
            again.wait_beyond(again.standing().applied_index).await;
        }
    });
    back.await.expect("it is back");
    assert!(rows(&again) == rows(&node));
}
