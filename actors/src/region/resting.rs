//! Sleep: which actors have been silent for long enough, what comes while one is drained, and what
//! of a sleeping one is kept.
//!
//! No actor has a timer for it: with a million of them, those would weigh a sixth of all. Each
//! stands in the watch once, under the second in which it may be asked. If it was handed something
//! meanwhile it is put off, and if it has something to do it says so.

use super::Region;
use crate::actor::ToActor;
use crate::conversation::Numbers;
use crate::step::Input;
use actix::prelude::*;
use claviger_ledger::{DeviceRef, SessionId};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many frames wait for an actor that is being put to sleep.
const PARKED: usize = 16;
/// Of how many sleeping sessions the numbers are kept; of the others a generation is spent.
const DORMANT: usize = 100_000;
/// How many actors are looked at in one go, and the pause before the next: a storm's fall asleep
/// together, and the region has other things to do.
const AT_ONCE: usize = 512;
const PAUSE: Duration = Duration::from_millis(20);
/// From how many places on it matters whether they are used.
const ROOMY: usize = 16_384;

/// The actors that are awake, by the second in which each is looked at.
#[derive(Default)]
pub(super) struct Watch {
    due: BTreeMap<u32, Vec<Arc<DeviceRef>>>,
    armed: bool,
}

impl Watch {
    /// Takes some that are due.
    fn take(&mut self, second: u32) -> Vec<Arc<DeviceRef>> {
        let Some(mut first) = self.due.first_entry().filter(|first| *first.key() <= second) else {
            return Vec::new();
        };
        let rest = first.get().len().saturating_sub(AT_ONCE);
        let taken = first.get_mut().split_off(rest);
        if rest == 0 {
            first.remove();
        }
        taken
    }
}

/// What an actor says about its sleep.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum Rest {
    /// It was asked to sleep and does; these are its sessions' numbers.
    Asleep(Arc<DeviceRef>, Vec<(SessionId, Numbers)>),
    /// It was asked to sleep and has something to do.
    Awake(Arc<DeviceRef>),
}

impl Handler<Rest> for Region {
    type Result = ();

    fn handle(&mut self, rest: Rest, ctx: &mut Self::Context) {
        match rest {
            Rest::Asleep(device, sessions) => {
                self.keep_numbers(sessions);
                self.asleep(&device, ctx);
            }
            Rest::Awake(device) => {
                let second = self.second();
                let Some(slot) = self.slots.get_mut(&device).filter(|slot| slot.draining) else {
                    return;
                };
                (slot.handed, slot.beyond, slot.draining) = (second, 0, false);
                for message in self.parked.remove(&device).unwrap_or_default() {
                    slot.actor.do_send(message);
                }
                self.watch_over(device, ctx);
            }
        }
    }
}

impl Region {
    /// The time, as slots have it.
    pub(super) fn second(&self) -> u32 {
        let since = self.ports.clock.now().saturating_sub(self.began);
        u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
    }

    fn sleep_after(&self) -> u32 {
        u32::try_from(self.ports.sleep_after.as_secs()).unwrap_or(u32::MAX)
    }

    /// An actor was handed something just now.
    pub(super) fn watch_over(&mut self, device: Arc<DeviceRef>, ctx: &mut Context<Self>) {
        self.look_at(device, self.second(), ctx);
    }

    /// The device is looked at when it was silent for long enough, counted from this second.
    fn look_at(&mut self, device: Arc<DeviceRef>, since: u32, ctx: &mut Context<Self>) {
        // Seconds are cut off: one more, so that it is never too soon.
        let due = since.saturating_add(self.sleep_after()).saturating_add(1);
        self.watch.due.entry(due).or_default().push(device);
        self.arm(ctx);
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        if self.watch.armed {
            return;
        }
        let Some((first, _)) = self.watch.due.first_key_value() else { return };
        self.watch.armed = true;
        let due = self.began + Duration::from_secs((*first).into());
        let wait = due.saturating_sub(self.ports.clock.now()).max(PAUSE);
        ctx.run_later(wait, |region, ctx| {
            region.watch.armed = false;
            region.look_at_due(ctx);
            region.arm(ctx);
        });
    }

    fn look_at_due(&mut self, ctx: &mut Context<Self>) {
        let second = self.second();
        for device in self.watch.take(second) {
            let Some((known, slot)) = self.slots.get_key_value(&device) else { continue };
            // Of one that broke, another is watched.
            if slot.draining || !Arc::ptr_eq(known, &device) {
                continue;
            }
            let handed = slot.handed;
            if handed.saturating_add(self.sleep_after()) >= second {
                self.look_at(device, handed, ctx);
            } else if let Some(slot) = self.slots.get_mut(&device) {
                slot.draining = true;
                slot.actor.do_send(ToActor::Sleep);
            }
        }
    }

    /// Keeps what comes for an actor that is being drained; false if there is no room.
    pub(super) fn park(&mut self, device: &DeviceRef, message: ToActor, must: bool) -> bool {
        let Some((known, _)) = self.slots.get_key_value(device) else { return false };
        let parked = self.parked.entry(known.clone()).or_default();
        let room = must || parked.len() < PARKED;
        if room {
            parked.push(message);
        }
        room
    }

    fn keep_numbers(&mut self, sessions: Vec<(SessionId, Numbers)>) {
        for (session, numbers) in sessions {
            self.sleeps += 1;
            self.dormant.insert(session, (self.sleeps, numbers));
            self.dormant_order.push_back((self.sleeps, session));
            if self.dormant_order.len() > DORMANT
                && let Some((sleep, oldest)) = self.dormant_order.pop_front()
                && self.dormant.get(&oldest).is_some_and(|(kept, _)| *kept == sleep)
            {
                self.dormant.remove(&oldest);
            }
        }
    }

    pub(super) fn take_numbers(&mut self, session: SessionId) -> Option<Numbers> {
        self.dormant.remove(&session).map(|(_, numbers)| numbers)
    }

    fn asleep(&mut self, device: &DeviceRef, ctx: &mut Context<Self>) {
        if !self.slots.get(device).is_some_and(|slot| slot.draining) {
            return;
        }
        if let Some(slot) = self.slots.remove(device) {
            slot.actor.do_send(ToActor::Stop);
        }
        // After a storm the room is given back, at a moment when there is little to move.
        if self.slots.capacity() > ROOMY && self.slots.len() < self.slots.capacity() / 16 {
            self.slots.shrink_to(2 * self.slots.len());
        }
        for message in self.parked.remove(device).unwrap_or_default() {
            let (edge, session) = match &message {
                ToActor::Step(Input::Opened { edge, session, .. })
                | ToActor::Repeat { edge, session, .. }
                | ToActor::Revive { edge, session, .. } => (*edge, *session),
                ToActor::Deliver { edge, frame, .. } => (*edge, SessionId(frame.session)),
                // Nothing of what has ended is awake.
                ToActor::Step(_) | ToActor::TurnAway { .. } | ToActor::Sleep | ToActor::Stop => {
                    continue;
                }
            };
            if self.wake(edge, device, session, ctx) {
                let message = message.with_numbers(self.take_numbers(session));
                self.hand(device, message, true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: usize) -> Arc<DeviceRef> {
        Arc::new(DeviceRef { tenant: "t".to_owned(), device: number.to_string() })
    }

    #[test]
    fn what_is_due_is_looked_at_in_parts_and_nothing_else() {
        let mut watch = Watch::default();
        watch.due.insert(7, (0..AT_ONCE + 3).map(device).collect());
        watch.due.insert(9, vec![device(0)]);

        assert_eq!(watch.take(6).len(), 0);
        assert_eq!([watch.take(8).len(), watch.take(8).len()], [AT_ONCE, 3]);
        assert_eq!(watch.take(8).len(), 0);
        assert_eq!(watch.due.keys().copied().collect::<Vec<_>>(), [9]);
    }
}
