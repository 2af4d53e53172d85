//! Bootstraps that were under way when another node led, or before this one was started.
//!
//! Nothing in the ledger says that a device has asked: that would cost each bootstrap a commit. But
//! the feed tells of each credential that was staged or offered again, and a device whose session was
//! opened a moment ago has most likely asked, and waits for what comes next. So it is asked what it has,
//! which is how a bootstrap begins. One that does not wait for that answers otherwise or not at all,
//! and nothing comes of it. A device that sends again is served in any case; what it sends again when
//! all is done is answered, and begins nothing.

use super::Region;
use crate::actor::ToActor;
use crate::counters::count;
use crate::propose::millis;
use crate::{EdgeId, finding};
use actix::prelude::*;
use claviger_front::ToEdge;
use claviger_ledger::{CredentialId, DeviceRef, Session, SessionId, View};
use core::time::Duration;
use std::collections::VecDeque;

/// How long ago a bootstrap that is still waited for was begun at most.
const SINCE: Duration = Duration::from_secs(90);
/// What devices send again by themselves comes first: a request that was lost with the leader, after
/// 3 s at most (RFC 7252 §4.2). A device that is asked before that goes on, and what it sends again
/// later would be another request here, which brings another credential.
const AFTER: Duration = Duration::from_millis(3_500);
/// How many rows of a feed are looked at in one go, and the pause before the next: the actors have
/// other things to do, and each bootstrap that is found costs a commit.
const ROWS: u64 = 128;
const PAUSE: Duration = Duration::from_millis(50);

/// How many bootstraps wait for an edge that reaches their devices.
const WAITING: usize = 4_096;

/// What was under way before these actors began.
#[derive(Default)]
pub(super) struct Revival {
    /// When they began, in ms.
    began: u64,
    /// Bootstraps that no edge could go on with: one that comes later perhaps can.
    waiting: VecDeque<(DeviceRef, CredentialId)>,
}

/// How far the look back has come.
struct Look {
    /// Tenants whose feeds are still to be read, that of the last one up to `before`.
    tenants: Vec<String>,
    before: Option<u64>,
}

impl Region {
    /// Looks, a moment from now, for what was under way.
    pub(super) fn look_back(&mut self, ctx: &mut Context<Self>) {
        self.revival.began = millis(self.ports.clock.now());
        let mut tenants = Vec::new();
        self.ports.ledger.read(&mut |rows| {
            tenants = View::new(rows).tenants().into_iter().map(|(name, _)| name).collect();
        });
        let look = Look { tenants, before: None };
        ctx.run_later(AFTER, |region, ctx| region.look(look, ctx));
    }

    fn look(&mut self, mut look: Look, ctx: &mut Context<Self>) {
        let Some(tenant) = look.tenants.last() else { return };
        let since = self.revival.began.saturating_sub(millis(SINCE));
        let mut staged = (Vec::new(), None);
        self.ports.ledger.read(&mut |rows| {
            staged = View::new(rows).staged_before(tenant, look.before, since, ROWS);
        });
        let (staged, before) = staged;
        look.before = before;
        if before.is_none() {
            look.tenants.pop();
        }
        for (device, credential) in staged {
            self.revive(device, credential, ctx);
        }
        ctx.run_later(PAUSE, |region, ctx| region.look(look, ctx));
    }

    /// A listener has come: perhaps it reaches those that were waited for.
    pub(super) fn look_again(&mut self, ctx: &mut Context<Self>) {
        let since = millis(self.ports.clock.now()).saturating_sub(self.revival.began);
        if since > millis(SINCE) {
            self.revival.waiting = VecDeque::new();
        }
        let count = self.revival.waiting.len();
        if count > 0 {
            ctx.run_later(PAUSE, move |region, ctx| region.try_again(count, ctx));
        }
    }

    fn try_again(&mut self, count: usize, ctx: &mut Context<Self>) {
        let now = count.min(ROWS as usize);
        for _ in 0..now {
            let Some((device, credential)) = self.revival.waiting.pop_front() else { return };
            self.revive(device, credential, ctx);
        }
        if count > now {
            ctx.run_later(PAUSE, move |region, ctx| region.try_again(count - now, ctx));
        }
    }

    /// Goes on with the bootstrap of a device, if it still lacks the credential, when there is an edge
    /// that reaches it.
    fn revive(&mut self, device: DeviceRef, credential: CredentialId, ctx: &mut Context<Self>) {
        let began = self.revival.began;
        let opened = began.saturating_sub(millis(SINCE))..began;
        let mut newest: Option<(SessionId, Session)> = None;
        self.ports.ledger.read(&mut |rows| {
            let view = View::new(rows);
            if view.device(&device).is_some_and(|it| it.staged == Some(credential)) {
                newest = view.newest_session(&device);
            }
        });
        let Some((session, row)) = newest.filter(|(_, row)| opened.contains(&row.opened_at)) else {
            return;
        };
        let opener = row.edge.map(EdgeId);
        let edge = match opener.filter(|edge| self.roster.has(*edge)) {
            Some(edge) => Some(edge),
            None => self.hold_elsewhere(&device, session, &row, opener),
        };
        let Some(edge) = edge else {
            if self.revival.waiting.len() < WAITING {
                self.revival.waiting.push_back((device, credential));
            }
            return;
        };
        if self.wake(edge, &device, session, ctx) {
            count(&self.ports.counters.bootstraps_revived);
            let numbers = self.take_numbers(session);
            let since = Duration::from_millis(began);
            let revive = ToActor::Revive { edge, numbers, session, credential, since };
            self.hand(&device, revive, true);
        }
    }

    /// Gives a session to an edge that sends from the same address as the one which had it, and is
    /// gone: which edge, if there is one.
    pub(super) fn hold_elsewhere(
        &mut self,
        device: &DeviceRef,
        session: SessionId,
        row: &Session,
        lost: Option<EdgeId>,
    ) -> Option<EdgeId> {
        let draw = u64::from_ne_bytes(self.ports.crypto.random());
        let edge = self.roster.instead(&self.ports, lost, &row.listener, draw)?;
        let mut hold = None;
        self.ports.ledger.read(&mut |rows| {
            hold = Some(finding::hold(rows, &self.ports, device, session, row));
        });
        match hold? {
            Ok(hold) => {
                count(&self.ports.counters.sessions_moved);
                self.send(edge, ToEdge::Hold(hold));
                Some(edge)
            }
            Err(failure) => {
                tracing::error!(%device, ?failure, "a session cannot be held elsewhere");
                None
            }
        }
    }
}
