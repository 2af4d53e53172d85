//! Pages of devices.

use super::*;
use crate::key::Kind;
use std::collections::BTreeSet;

/// Devices 0 to `count` of both tenants.
fn fleet(count: u8) -> Rig {
    let mut rig = Rig::ready();
    for number in 0..count {
        rig.done(enrol(number));
        let elsewhere = DeviceRef { tenant: "other".into(), ..device(number) };
        rig.done(EnrolDevice { device: elsewhere, ..enrol(number) });
    }
    rig
}

/// All pages of `tenant`, `between` being done after each.
fn turn(
    rig: &mut Rig,
    tenant: &str,
    limit: usize,
    mut between: impl FnMut(&mut Rig),
) -> Vec<String> {
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = rig.view().devices(tenant, after.as_deref(), limit);
        assert!(page.items.len() <= limit);
        assert!(page.items.iter().all(|(of, _)| of.tenant == tenant));
        seen.extend(page.items.into_iter().map(|(of, _)| of.device));
        after = page.next;
        if after.is_none() {
            return seen;
        }
        between(rig);
    }
}

#[test]
fn pages_of_any_size_give_each_device_once_in_one_order() {
    let mut rig = fleet(60);
    let slots: BTreeSet<_> =
        (0..60).map(|n| key::of_device(Kind::Device, &device(n))[..2].to_vec()).collect();
    assert!(slots.len() > 30);
    let whole = turn(&mut rig, "default", 1000, |_| ());
    let each: BTreeSet<_> = whole.iter().cloned().collect();
    assert_eq!((whole.len(), each.len()), (60, 60));

    for limit in [1, 2, 7, 59, 60, 61, usize::MAX] {
        assert_eq!(turn(&mut rig, "default", limit, |_| ()), whole, "{limit}");
    }

    assert_eq!(turn(&mut rig, "other", 7, |_| ()).len(), 60);
}

/// Devices of one slot, in ledger order.
fn one_slot() -> (Rig, Vec<DeviceRef>) {
    let mut rig = Rig::ready();
    let slot = |of: &DeviceRef| key::of_device(Kind::Device, of)[..2].to_vec();
    let named = |n: u32| DeviceRef { device: format!("d{n:04}"), ..device(0) };
    let alike: Vec<_> = (0..8000).map(named).filter(|of| slot(of) == slot(&named(0))).collect();
    assert!(alike.len() >= 4);
    for of in &alike {
        let (endpoint, identity) = (of.device.clone(), of.device.clone().into_bytes());
        rig.done(EnrolDevice { device: of.clone(), endpoint, identity, ..enrol(0) });
    }
    (rig, alike)
}

#[test]
fn devices_of_one_slot_are_divided_among_pages() {
    let (mut rig, alike) = one_slot();

    let seen = turn(&mut rig, "default", 1, |_| ());

    assert!(seen.iter().eq(alike.iter().map(|of| &of.device)));
}

#[test]
fn a_row_that_cannot_be_read_takes_no_place_on_a_page() {
    let (mut rig, alike) = one_slot();
    rig.rows.put(key::of_device(Kind::Device, &alike[0]), vec![2]);

    for limit in [1, 2, 1000] {
        let seen = turn(&mut rig, "default", limit, |_| ());
        assert!(seen.iter().eq(alike[1..].iter().map(|of| &of.device)), "{limit}");
    }
}

#[test]
fn devices_added_between_pages_disturb_none_of_the_others() {
    let mut rig = fleet(30);
    let before = turn(&mut rig, "default", 1000, |_| ());
    let mut next = 100;

    let seen = turn(&mut rig, "default", 3, |rig| {
        rig.done(enrol(next));
        next += 1;
    });

    let each: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!(seen.len(), each.len());
    let old: Vec<_> = seen.into_iter().filter(|name| before.contains(name)).collect();
    assert_eq!(old, before);
}

#[test]
fn a_row_that_cannot_be_read_hides_no_other() {
    let mut rig = fleet(40);
    let whole = turn(&mut rig, "default", 1000, |_| ());
    for name in [&whole[0], &whole[20], &whole[39]] {
        let of = DeviceRef { device: name.clone(), ..device(0) };
        rig.rows.put(key::of_device(Kind::Device, &of), vec![2]);
    }

    for limit in [1, 2, 5, 1000] {
        assert_eq!(turn(&mut rig, "default", limit, |_| ()).len(), 37, "{limit}");
    }
}

#[test]
fn a_place_that_was_never_given_panics_nothing() {
    let rig = fleet(3);

    for after in [&[][..], &[0], &[255, 255], &[0, 0, 255, 255, 255]] {
        let page = rig.view().devices("default", Some(after), 5);
        assert!(page.items.len() <= 3);
    }
}
