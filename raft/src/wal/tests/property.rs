//! Any changes, any restarts: the log shows what one in memory shows.

use super::*;
use crate::memory::MemoryLog;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Append(u64, usize),
    Vote(u8),
    /// Back by so many entries.
    Truncate(u64),
    /// So far into the entries, or above.
    Purge(u64),
    Restart,
    /// The last change was not acknowledged: this share of it, of 255, is on the disk.
    Crash(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u64..6, 1_usize..9000).prop_map(|(count, length)| Step::Append(count, length)),
        1 => any::<u8>().prop_map(Step::Vote),
        1 => (0_u64..6).prop_map(Step::Truncate),
        1 => (0_u64..20).prop_map(Step::Purge),
        1 => Just(Step::Restart),
        2 => any::<u8>().prop_map(Step::Crash),
    ]
}

/// First and next index of a log in memory.
fn bounds(model: &MemoryLog) -> (u64, u64) {
    let first = model.kept().purged.map_or(0, |(purged, _)| purged + 1);
    (first, first + model.entries(0, u64::MAX).unwrap().len() as u64)
}

fn change(step: &Step, model: &MemoryLog) -> Option<Change> {
    let (first, next) = bounds(model);
    match step {
        Step::Append(count, length) => Some(append(next..next + count, *length)),
        Step::Vote(vote) => Some(Change::Vote(vec![*vote])),
        Step::Truncate(back) => Some(Change::Truncate(next.saturating_sub(*back).max(first))),
        Step::Purge(to) => Some(Change::Purge(first + to, vec![7])),
        Step::Restart | Step::Crash(_) => None,
    }
}

/// What a crash leaves of one more change, if that fits into the file.
fn crash(folder: &Path, wal: &Wal, share: u8, next: u64) -> TempDir {
    let (name, before) = (newest(folder), written(folder));
    make(wal, append(next..next + 2, 700)).unwrap();
    let after = written(folder);
    if newest(folder) != name || share == 255 {
        return crash_copy(folder);
    }
    let cut = before.len() + (after.len() - 24 - before.len()) * usize::from(share) / 255;
    with_newest(folder, &after[..cut])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shows_what_a_log_in_memory_shows(steps in prop::collection::vec(step(), 1..25)) {
        let model = MemoryLog::default();
        let mut folder = tempdir().unwrap();
        let mut wal = open(folder.path()).unwrap();
        for step in steps {
            if let Some(change) = change(&step, &model) {
                make(&wal, change.clone()).unwrap();
                make(&model, change).unwrap();
            } else if let Step::Crash(share) = step {
                let next = bounds(&model).1;
                let copy = crash(folder.path(), &wal, share, next);
                wal = open(copy.path()).unwrap();
                folder = copy;
                if bounds(&model).1 < next + 2 && wal.last_entry().unwrap() != model.last_entry().unwrap() {
                    // It came through whole.
                    make(&model, append(next..next + 2, 700)).unwrap();
                }
            } else {
                wal.close();
                wal = open(folder.path()).unwrap();
            }
            prop_assert_eq!(content(&wal), content(&model));
        }
    }
}
