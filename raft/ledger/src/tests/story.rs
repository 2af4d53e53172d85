//! What one command tells stands in one row a place, and is read as if each entry stood alone.

use super::invariants::of_kind;
use super::*;
use crate::key::Kind;

/// Device 1 with sessions that were opened by fresh credentials: three entries and more a command.
fn told() -> Rig {
    let mut rig = Rig::ready();
    rig.done(enrol(1));
    for number in 1..=30 {
        rig.run(open_with(1, number, 100 + number));
        rig.done(deliver(100 + number));
    }
    rig
}

/// The same rows as they were when each entry had one.
fn alone(rig: &Rig) -> Rig {
    let mut apart = rig.clone();
    for kind in [Kind::Timeline, Kind::Audit] {
        let rows: Vec<_> =
            of_kind(&rig.rows.0, kind).map(|(k, v)| (k.clone(), v.clone())).collect();
        for (row, bytes) in rows {
            apart.rows.remove(&row);
            let (place, number) = row.split_last_chunk().unwrap();
            let number = u64::from_be_bytes(*number);
            let row = |n: u64| [place, &(number + n).to_be_bytes()].concat();
            if kind as u8 == Kind::Timeline as u8 {
                let entries: Vec<TimelineEntry> = frame::decode_all(&bytes).unwrap();
                for (entry, n) in entries.iter().zip(0..) {
                    apart.rows.put(row(n), frame::encode(entry));
                }
            } else {
                let entries: Vec<AuditEntry> = frame::decode_all(&bytes).unwrap();
                for (entry, n) in entries.iter().zip(0..) {
                    apart.rows.put(row(n), frame::encode(entry));
                }
            }
        }
    }
    apart
}

/// All pages, `limit` entries each.
fn paged<T>(limit: usize, page: impl Fn(Option<&[u8]>) -> Page<T>) -> Vec<T> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let Page { items, next } = page(after.as_deref());
        assert!(items.len() <= limit);
        all.extend(items);
        after = next;
        if after.is_none() {
            return all;
        }
    }
}

#[test]
fn a_command_puts_one_row_into_each_place() {
    let mut rig = Rig::ready();
    rig.done(enrol(1));
    let count = |rig: &Rig| {
        [Kind::Timeline, Kind::Audit, Kind::Feed].map(|kind| of_kind(&rig.rows.0, kind).count())
    };
    let before = count(&rig);

    rig.run(open_with(1, 1, 10));

    assert_eq!(count(&rig), before.map(|rows| rows + 1));
    assert_eq!(rig.view().timeline(&device(1)).len(), 4);
}

#[test]
fn rows_of_several_entries_are_read_as_rows_of_one_were() {
    let rig = told();
    let of = device(1);

    let apart = alone(&rig);

    assert!(apart.rows.0.len() > rig.rows.0.len());
    assert_eq!(rig.view().timeline(&of), apart.view().timeline(&of));
    assert_eq!(rig.view().audit(&of), apart.view().audit(&of));
}

#[test]
fn pages_of_any_size_give_each_entry_once_in_one_order() {
    let rig = told();
    let (of, view) = (device(1), rig.view());
    assert_eq!(view.timeline(&of).len(), 64);
    assert!(view.audit(&of).len() > 64);

    for limit in [1, 2, 3, 7, 63, 64, 1000] {
        let timeline = paged(limit, |after| view.timeline_page(&of, after, limit));
        assert_eq!(timeline, view.timeline(&of), "{limit}");
        let audit = paged(limit, |after| view.audit_page(&of, after, limit));
        assert_eq!(audit, view.audit(&of), "{limit}");
    }
}

#[test]
fn a_place_that_was_never_given_panics_nothing() {
    let rig = told();
    let of = device(1);
    for after in [&[][..], &[0], &[255; 8], &[255; 16], &[0; 40]] {
        assert!(rig.view().timeline_page(&of, Some(after), 5).items.len() <= 5);
        assert!(rig.view().audit_page(&of, Some(after), 5).items.len() <= 5);
    }
}

#[test]
fn a_page_of_the_feed_begins_within_a_row() {
    let rig = told();
    let all = rig.view().events("default", None, usize::MAX).items;
    assert!(all.is_sorted_by(|a, b| a.place() < b.place()));

    for (read, entry) in all.iter().enumerate() {
        let rest = rig.view().events("default", Some(entry.place()), 3).items;
        assert!(rest.iter().eq(all[read + 1..].iter().take(3)));
    }
}

/// Bytes of rows that hold several entries; they stay what they were at first.
#[test]
fn rows_of_several_are_written_and_read_as_at_first() {
    let mut rig = Rig::ready();
    rig.done(enrol(1));
    rig.run(open_with(1, 1, 10));
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);

    let mut lines = String::new();
    for kind in [Kind::Timeline, Kind::Audit, Kind::Feed] {
        let (key, value) = of_kind(&rig.rows.0, kind).find(|(_, value)| value[0] == 2).unwrap();
        lines += &format!("{} {}\n", hex(key), hex(value));
    }

    assert_eq!(lines, include_str!("golden/several.txt"));
}
