//! What is there after a restart.

use super::*;
use crate::wal::frame::Header;
use crate::wal::segment::Segment;

#[test]
fn a_restart_shows_what_was_there() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    for change in [Change::Node(7), append(0..9, 50), Change::Vote(vec![1, 2]), append(9..40, 900)]
    {
        make(&wal, change).unwrap();
    }
    let before = content(&wal);
    let copy = crash_copy(folder.path());
    assert_eq!(content(&open(copy.path()).unwrap()), before);
    assert_eq!(before.1.len(), 40);
    assert_eq!(wal.last_entry().unwrap().unwrap().to_vec(), before.1[39]);
    drop(wal);
    assert_eq!(content(&open(folder.path()).unwrap()), before);
}

#[test]
fn what_was_truncated_and_written_again_is_there_once() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    make(&wal, append(0..10, 20)).unwrap();
    make(&wal, Change::Truncate(4)).unwrap();
    make(&wal, append(4..6, 33)).unwrap();
    let again = open(crash_copy(folder.path()).path()).unwrap();
    assert_eq!(content(&again), content(&wal));
    let lengths: Vec<_> = content(&again).1.iter().map(Vec::len).collect();
    assert_eq!(lengths, [20, 20, 20, 20, 33, 33]);
}

#[test]
fn changes_asked_for_at_once_keep_their_order() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    let (sender, done) = channel();
    for round in 0..200_u64 {
        for change in [append(round..round + 3, 8), Change::Truncate(round + 1)] {
            let sender = sender.clone();
            wal.change(change, Box::new(move |result| sender.send((round, result)).unwrap()));
        }
        assert_eq!(wal.entries(0, u64::MAX).unwrap().len() as u64, round + 1);
    }
    drop(sender);
    let told: Vec<_> =
        done.iter().map(|(round, result)| (round, result.unwrap())).map(|t| t.0).collect();
    assert!(told.is_sorted() && told.len() == 400);
    assert_eq!(content(&open(crash_copy(folder.path()).path()).unwrap()).1.len(), 200);
}

#[test]
fn a_purge_removes_files_and_keeps_the_records() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    make(&wal, Change::Node(7)).unwrap();
    make(&wal, Change::Vote(vec![5])).unwrap();
    for index in 0..200 {
        make(&wal, append(index..index + 1, 4000)).unwrap();
    }
    assert!(files(folder.path()).len() > 10);
    make(&wal, Change::Purge(189, vec![9])).unwrap();
    assert!(files(folder.path()).len() <= 2);
    let again = open(crash_copy(folder.path()).path()).unwrap();
    assert_eq!(content(&again), content(&wal));
    assert_eq!(again.entries(0, 1000).unwrap().len(), 10);
    let purged = Some((189, vec![9]));
    assert_eq!(again.kept(), Kept { node: Some(7), vote: Some(vec![5]), purged });
}

/// A snapshot brought a node further than its log ever was.
#[test]
fn a_purge_above_the_last_entry_lets_the_log_go_on_there() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    make(&wal, append(0..5, 10)).unwrap();
    make(&wal, Change::Purge(99, vec![1])).unwrap();
    make(&wal, append(100..103, 10)).unwrap();
    let again = open(crash_copy(folder.path()).path()).unwrap();
    assert_eq!(content(&again), content(&wal));
    assert_eq!(again.entries(0, 1000).unwrap().len(), 3);
}

#[test]
fn a_crash_after_a_new_file_was_made_loses_no_record() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    make(&wal, Change::Vote(vec![5])).unwrap();
    make(&wal, append(0..3, 10)).unwrap();
    // Two batches are written: the next has the sequence three.
    let copy = crash_copy(folder.path());
    Segment::create(&RealDisk, copy.path(), Header { number: 2, first: 3, salt: 77 }).unwrap();
    let again = open(copy.path()).unwrap();
    assert_eq!(content(&again), content(&wal));
    make(&again, Change::Purge(2, vec![1])).unwrap();
    assert_eq!(files(copy.path()).len(), 1);
    assert_eq!(open(crash_copy(copy.path()).path()).unwrap().kept().vote, Some(vec![5]));
}

#[test]
fn a_file_half_made_is_no_file() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    make(&wal, append(0..3, 10)).unwrap();
    let copy = crash_copy(folder.path());
    let draft = copy.path().join("0000000000000002.new");
    fs::write(&draft, b"half").unwrap();
    assert_eq!(content(&open(copy.path()).unwrap()), content(&wal));
    assert!(!draft.exists());
}

#[test]
fn after_a_write_that_failed_all_fail() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    make(&wal, append(0..3, 10)).unwrap();
    // The next file cannot be made.
    fs::remove_dir_all(folder.path()).unwrap();
    assert!(make(&wal, append(3..4, 70_000)).is_err());
    assert!(make(&wal, append(4..5, 10)).is_err());
    assert!(make(&wal, Change::Vote(vec![1])).is_err());
}

#[test]
fn a_log_that_is_closed_refuses_and_can_be_opened_again() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    assert!(open(folder.path()).is_err());
    wal.close();
    assert!(make(&wal, append(0..1, 10)).is_err());
    assert_eq!(content(&open(folder.path()).unwrap()).1.len(), 0);
}
