//! Torn tails are cut; rot is refused.

use super::*;
use crate::wal::frame::put;

/// A log with twelve acknowledged batches.
fn small() -> (TempDir, Wal) {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    make(&wal, Change::Node(7)).unwrap();
    make(&wal, Change::Vote(vec![3, 1, 4])).unwrap();
    for index in 0..10 {
        make(&wal, append(index..index + 1, 20)).unwrap();
    }
    (folder, wal)
}

/// The newest file before and after a batch that was written but never reported, hence not sealed.
fn unsealed(folder: &Path, wal: &Wal, change: Change) -> (usize, Vec<u8>) {
    let before = written(folder).len();
    make(wal, change).unwrap();
    let mut after = written(folder);
    after.truncate(after.len() - FRAME);
    (before, after)
}

#[test]
fn one_flipped_byte_is_refused_or_costs_nothing() {
    let (folder, wal) = small();
    let (all, bytes) = (content(&wal), written(folder.path()));
    let (mut refused, mut intact) = (0, 0);
    for place in 0..bytes.len() + 100 {
        let mut rotten = bytes.clone();
        rotten.resize(bytes.len() + 100, 0);
        rotten[place] ^= 0x5a;
        match open(with_newest(folder.path(), &rotten).path()) {
            Ok(again) => {
                assert_eq!(content(&again), all, "lost something to byte {place}");
                intact += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                refused += 1;
            }
        }
    }
    // The header and each batch are refused; seals and what is behind them cost nothing.
    assert_eq!(intact, 12 * FRAME + 100);
    assert_eq!(refused, bytes.len() - 12 * FRAME);
}

/// One file in 256 ends so: a search that stops at the last byte that is not zero misses the seal.
#[test]
fn a_seal_that_ends_in_a_zero_still_says_that_its_batch_was_acknowledged() {
    let (folder, wal) = (tempdir().unwrap(), tempdir().unwrap());
    drop(open(wal.path()).unwrap());
    let mut body = Vec::new();
    put(&append(0..1, 20), &mut body, &mut Vec::new());
    let salt = (1..).find(|salt| frame::batch(*salt, 1, &[]).ends_with(&[0])).unwrap();
    let header = Header { number: 1, first: 1, salt }.encode();
    let file = [&header[..], &frame::batch(salt, 1, &body), &frame::batch(salt, 1, &[])].concat();
    fs::write(folder.path().join(newest(wal.path()).file_name().unwrap()), &file).unwrap();
    assert_eq!(content(&open(folder.path()).unwrap()).1.len(), 1);
    for place in HEADER..HEADER + FRAME + body.len() {
        let mut rotten = file.clone();
        rotten[place] ^= 1;
        assert!(open(with_newest(folder.path(), &rotten).path()).is_err(), "byte {place}");
    }
}

#[test]
fn a_refusal_says_which_file_and_byte_and_what_to_do() {
    let (folder, _wal) = small();
    let mut bytes = written(folder.path());
    bytes[70] ^= 1;
    let rotten = with_newest(folder.path(), &bytes);
    let error = open(rotten.path()).unwrap_err().to_string();
    let path = newest(rotten.path());
    assert!(error.contains(&format!("{} is damaged at byte 64", path.display())), "{error}");
    assert!(error.contains("from a copy") && error.contains("join anew"), "{error}");
}

#[test]
fn a_last_batch_cut_anywhere_costs_nothing_acknowledged() {
    let (folder, wal) = small();
    let all = content(&wal);
    let (before, after) = unsealed(folder.path(), &wal, append(10..14, 60));
    let whole = content(&wal);
    for cut in before..=after.len() {
        // The file may be as long as before, or end there.
        let (zeroed, short) =
            (with_newest(folder.path(), &after[..cut]), crash_copy(folder.path()));
        fs::write(newest(short.path()), &after[..cut]).unwrap();
        for torn in [zeroed, short] {
            let (again, was_torn) = open_torn(torn.path()).unwrap();
            let expected = if cut == after.len() { &whole } else { &all };
            assert_eq!(&content(&again), expected, "cut at {cut}");
            assert_eq!(was_torn, cut > before && cut < after.len());
            make(&again, Change::Vote(vec![8])).unwrap();
            drop(again);
            let (again, was_torn) = open_torn(torn.path()).unwrap();
            assert_eq!((content(&again).1.len(), was_torn), (expected.1.len(), false));
        }
    }
}

#[test]
fn a_last_batch_that_lost_any_page_costs_nothing_acknowledged() {
    let (folder, wal) = small();
    let all = content(&wal);
    let (before, after) = unsealed(folder.path(), &wal, append(10..14, 3000));
    for page in before / 512..=after.len() / 512 {
        let mut torn = after.clone();
        let from = (page * 512).max(before);
        let to = (page * 512 + 512).min(torn.len());
        torn[from..to].fill(0);
        let (again, was_torn) = open_torn(with_newest(folder.path(), &torn).path()).unwrap();
        assert_eq!(content(&again), all, "lost page {page}");
        assert!(was_torn);
    }
}

#[test]
fn a_lost_page_of_what_was_acknowledged_is_refused() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    make(&wal, append(0..1, 100)).unwrap();
    make(&wal, append(1..9, 1000)).unwrap();
    let bytes = written(folder.path());
    for page in 0..bytes.len() / 512 {
        let mut rotten = bytes.clone();
        rotten[page * 512..(page + 1) * 512].fill(0);
        assert!(open(with_newest(folder.path(), &rotten).path()).is_err(), "page {page}");
    }
}

/// The seal of a batch and the batch after it are unsynced together: either may be lost alone.
#[test]
fn a_lost_seal_costs_nothing() {
    let (folder, wal) = small();
    let all = content(&wal);
    let before = written(folder.path()).len();
    let (_, mut after) = unsealed(folder.path(), &wal, append(10..11, 20));
    after[before - FRAME..before].fill(0);
    let whole = content(&wal);
    assert_eq!(content(&open(with_newest(folder.path(), &after).path()).unwrap()), whole);
    after.truncate(before + 30);
    assert_eq!(content(&open(with_newest(folder.path(), &after).path()).unwrap()), all);
}

#[test]
fn stale_bytes_behind_the_end_never_pass() {
    let (folder, wal) = small();
    let (other, _wal) = small();
    let all = content(&wal);
    let bytes = written(folder.path());
    let foreign = written(other.path());
    for stale in [&bytes[64..], &bytes[64..200], &foreign[64..], &foreign[..]] {
        let behind = [&bytes[..], stale].concat();
        let (again, was_torn) = open_torn(with_newest(folder.path(), &behind).path()).unwrap();
        assert_eq!(content(&again), all);
        assert!(was_torn);
    }
}

#[test]
fn a_batch_in_the_place_of_another_is_refused() {
    let (folder, _wal) = small();
    let bytes = written(folder.path());
    let length = FRAME + 5 + 8 + 20 + FRAME;
    let (end, mut mixed) = (bytes.len(), bytes.clone());
    mixed.copy_within(end - 3 * length..end - 2 * length, end - 2 * length);
    assert!(open(with_newest(folder.path(), &mixed).path()).is_err());
}

#[test]
fn older_files_are_refused_with_any_batch_bad_or_any_of_them_gone() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    for index in 0..40 {
        make(&wal, append(index..index + 1, 9000)).unwrap();
    }
    let count = files(folder.path()).len();
    assert!(count > 4);
    for number in 0..count - 1 {
        let rotten = crash_copy(folder.path());
        let path = &files(rotten.path())[number];
        let mut bytes = fs::read(path).unwrap();
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        // The end of its last batch, before the seal.
        bytes[last - FRAME] ^= 1;
        fs::write(path, bytes).unwrap();
        assert!(open(rotten.path()).is_err(), "rot at the end of file {number}");
        let gone = crash_copy(folder.path());
        fs::remove_file(&files(gone.path())[number]).unwrap();
        assert!(open(gone.path()).is_err(), "file {number} is gone");
    }
}

/// Rot that comes while the node runs is not read as an entry.
#[test]
fn a_cold_entry_that_rotted_is_an_error() {
    let folder = tempdir().unwrap();
    let wal = open(folder.path()).unwrap();
    for index in 0..20 {
        make(&wal, append(index..index + 1, 1000)).unwrap();
    }
    let path = newest(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[200] ^= 1;
    fs::write(path, bytes).unwrap();
    assert!(wal.entries(0, 1).is_err());
    assert_eq!(wal.entries(1, 20).unwrap().len(), 19);
}
