//! The log on a disk whose power is lost at every operation.

use super::*;
use crate::counters::Counters;
use crate::log_store::{Change, Kept, LogStore};
use crate::memory::MemoryLog;
use crate::wal::{Hand, Wal};
use std::path::Path;
use std::sync::mpsc::channel;

const ROOM: u64 = 1 << 30;

fn open(disk: &SimulatedDisk) -> io::Result<Wal> {
    Wal::open(disk.files(), Path::new("wal"), Hand::Caller, &Arc::<Counters>::default())
}

fn make(log: &dyn LogStore, change: Change) -> io::Result<()> {
    let (sender, done) = channel();
    log.change(change, Box::new(move |result| sender.send(result).expect("somebody waits")));
    done.recv().expect("a change is reported")
}

fn append(indexes: std::ops::Range<u64>, length: usize) -> Change {
    let entry = |index: u64| (index, Arc::from(vec![index as u8 | 1; length]));
    Change::Append(indexes.map(entry).collect())
}

/// Everything that a log goes through: records, small and large entries, several files, cuts of
/// both ends.
fn life() -> Vec<Change> {
    let mut life = vec![Change::Node(7), Change::Vote(vec![1]), append(0..4, 40)];
    life.extend((4..12).map(|index| append(index..index + 1, 15_000)));
    life.extend([Change::Vote(vec![2]), Change::Truncate(10), append(10..13, 600)]);
    life.push(Change::Purge(8, vec![8]));
    life.extend((13..20).map(|index| append(index..index + 1, 20_000)));
    life.extend([Change::Purge(18, vec![18]), append(20..22, 10), Change::Vote(vec![3])]);
    life
}

type Content = (Kept, Vec<Vec<u8>>);

fn content(log: &dyn LogStore) -> Content {
    let entries = log.entries(0, u64::MAX).expect("entries can be read");
    (log.kept(), entries.iter().map(|entry| entry.to_vec()).collect())
}

/// What a log in memory shows after the first changes of [`life`].
fn expected(changes: usize) -> Content {
    let model = MemoryLog::default();
    life().into_iter().take(changes).for_each(|change| make(&model, change).unwrap());
    content(&model)
}

/// Runs [`life`] until a change fails, and gives how many were acknowledged.
fn live(disk: &SimulatedDisk) -> usize {
    let Ok(wal) = open(disk) else { return 0 };
    life().into_iter().take_while(|change| make(&wal, change.clone()).is_ok()).count()
}

/// Opens again and sees what was acknowledged, and perhaps the change that was under way.
fn holds(disk: &SimulatedDisk, acknowledged: usize, what: &str) -> Wal {
    let wal = open(disk).unwrap_or_else(|error| panic!("{what}: refused: {error}"));
    let found = content(&wal);
    let either = [expected(acknowledged), expected(acknowledged + 1)];
    assert!(either.contains(&found), "{what}: {acknowledged} were acknowledged: {:?}", found.0);
    wal
}

fn operations() -> u64 {
    let disk = SimulatedDisk::new(0, ROOM);
    assert_eq!(live(&disk), life().len());
    disk.operations()
}

fn seeds() -> u64 {
    if std::env::var_os("CLAVIGER_LONG").is_some() { 200 } else { 6 }
}

/// Each write, sync and change of a name is the one at which the power goes; what was not synced
/// is lost, kept or torn. While the log is opened over that, the power goes again, anywhere.
#[test]
fn whatever_operation_the_power_is_lost_in_nothing_acknowledged_is() {
    for at in 0..operations() {
        for seed in 0..seeds() {
            let disk = SimulatedDisk::new(seed * 1_000_003 + at, ROOM);
            disk.fail_after(at, Fault::PowerLoss);
            let acknowledged = live(&disk);
            assert!(!disk.is_on());
            disk.cut_power();
            disk.fail_after(seed, Fault::PowerLoss);
            drop(open(&disk));
            disk.cut_power();

            let wal = holds(&disk, acknowledged, &format!("operation {at}, seed {seed}"));

            // And what comes now is durable as well.
            let found = content(&wal);
            make(&wal, Change::Vote(vec![99])).unwrap();
            disk.cut_power();
            let again = content(&open(&disk).unwrap());
            assert_eq!((again.0.vote, again.1), (Some(vec![99]), found.1));
        }
    }
}

/// A failed operation is the log's last: nobody knows what a failed sync left.
#[test]
fn after_a_failed_operation_the_log_takes_nothing_and_has_lost_nothing() {
    for at in 0..operations() {
        let disk = SimulatedDisk::new(at, ROOM);
        disk.fail_after(at, Fault::Error);
        if let Ok(wal) = open(&disk) {
            let mut life = life().into_iter();
            let acknowledged =
                life.by_ref().take_while(|change| make(&wal, change.clone()).is_ok());
            let acknowledged = acknowledged.count();
            assert!(make(&wal, Change::Vote(vec![7])).is_err(), "operation {at}");
            drop(wal);
            disk.cut_power();
            holds(&disk, acknowledged, &format!("operation {at}"));
        }
    }
}

#[test]
fn a_full_disk_stops_the_log_and_it_opens_when_there_is_room() {
    for room in (20 << 10..300 << 10).step_by(7000) {
        let disk = SimulatedDisk::new(room, room);
        let acknowledged = live(&disk);
        assert!(acknowledged < life().len() || room > 200 << 10, "{room}");
        disk.resize(ROOM);
        holds(&disk, acknowledged, &format!("{room} bytes"));
    }
}

/// The log forgets nothing that a disk may not: this disk would show if it did.
#[test]
fn what_was_not_synced_is_lost_sooner_or_later() {
    let (mut kept, mut lost, mut torn) = (0, 0, 0);
    for seed in 0..64 {
        let disk = SimulatedDisk::new(seed, ROOM);
        let files = disk.files();
        let file = files.create(Path::new("a/file")).unwrap();
        file.write(0, &[1; 2048]).unwrap();
        file.sync().unwrap();
        files.sync_folder(Path::new("a")).unwrap();
        file.write(0, &[2; 2048]).unwrap();
        disk.cut_power();
        assert!(file.read(0, &mut [0]).is_err(), "opened before the power was lost");
        let mut bytes = [0; 2048];
        disk.files().open(Path::new("a/file")).unwrap().read(0, &mut bytes).unwrap();
        match bytes.iter().filter(|byte| **byte == 2).count() {
            0 => lost += 1,
            2048 => kept += 1,
            some => {
                assert_eq!(some % 512, 0);
                torn += 1;
            }
        }
    }
    assert!(kept > 5 && lost > 5 && torn > 5, "{kept} kept, {lost} lost, {torn} torn");
}
