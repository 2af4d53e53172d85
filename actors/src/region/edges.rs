//! What edges need besides sessions: keys, what to present, signatures, sessions to go on with.

use super::opens::Call;
use super::{Beat, EdgeGone, IdentityChanged, Region};
use crate::counters::count;
use crate::identity::{self, NoSignature};
use crate::opening::Failure;
use crate::propose::millis;
use crate::{EdgeId, finding, resuming};
use actix::prelude::*;
use claviger_dtls::CookieKeys;
use claviger_front::{
    Find, Listen, NotResumed, Resume, Sign, Signed, Step, ToEdge, Unknown, WhyNotResumed,
};
use claviger_ledger::View;

impl Region {
    pub(super) fn sign(&mut self, edge: EdgeId, sign: &Sign) {
        let now = self.ports.clock.now();
        let signed = match self.roster.may_sign(edge, now) {
            true => self.identities.sign(&self.ports, &self.roster, edge, sign),
            false => Err(NoSignature::Unasked),
        };
        match &signed {
            Ok(_) => count(&self.ports.counters.signatures),
            Err(NoSignature::Unasked) => count(&self.ports.counters.frames_rejected),
            Err(NoSignature::Changed) => self.present(&[edge], &sign.realm),
            Err(NoSignature::Broken) => {}
        }
        let signature = signed.ok().map(Into::into);
        self.send(edge, ToEdge::Signed(Signed { call: sign.call, signature }));
    }

    /// Tells edges what their listeners for `realm` may present.
    fn present(&self, edges: &[EdgeId], realm: &str) {
        self.ports.ledger.read(&mut |rows| {
            let present = identity::present(&View::new(rows), realm);
            for edge in edges {
                self.send(*edge, ToEdge::Present(present.clone()));
            }
        });
    }

    pub(super) fn resume(&mut self, edge: EdgeId, resume: Resume, ctx: &mut Context<Self>) {
        if let Step::Open { .. } = resume.step {
            return self.call(edge, Call::Resume(resume), ctx);
        }
        let mut answer = Err(WhyNotResumed::Unavailable);
        let (ports, now) = (&self.ports, self.ports.clock.now());
        ports.ledger.read(&mut |rows| {
            answer = resuming::accept(rows, ports, &resume, &mut self.begun, now);
        });
        let frame = match answer {
            Ok(accepted) => {
                count(&self.ports.counters.resumptions);
                ToEdge::Accepted(accepted)
            }
            Err(why) => ToEdge::NotResumed(NotResumed { call: resume.call, why }),
        };
        self.send(edge, frame);
    }

    /// A listener is there: it is told what it needs before it can answer anybody.
    pub(super) fn listen(&mut self, edge: EdgeId, listen: Listen, ctx: &mut Context<Self>) {
        let (now, realm) = (self.ports.clock.now(), listen.realm.clone());
        let generation = self.generation();
        let keys_of = (CookieKeys::bucket(now), generation);
        if !self.roster.listen(&self.ports, edge, listen, keys_of) {
            count(&self.ports.counters.frames_rejected);
        }
        self.send(edge, ToEdge::Keys(self.keys.at(now, generation)));
        self.send(edge, ToEdge::Beat(millis(now)));
        self.present(&[edge], &realm);
        self.look_again(ctx);
    }

    /// The generation of the keys of edges.
    fn generation(&self) -> u32 {
        let mut generation = 0;
        self.ports.ledger.read(&mut |rows| {
            generation = View::new(rows).edge_keys().generation;
        });
        generation
    }

    fn beat(&mut self) {
        let now = self.ports.clock.now();
        self.begun.turn(now);
        let beat = ToEdge::Beat(millis(now)).encode();
        let generation = self.generation();
        let keys = ToEdge::Keys(self.keys.at(now, generation)).encode();
        for (edge, keys_too) in self.roster.beat((CookieKeys::bucket(now), generation)) {
            let frames = keys_too.then_some(&keys).into_iter().chain([&beat]);
            if !frames.into_iter().all(|frame| self.ports.edges.send(edge, frame.clone())) {
                self.roster.gone(edge);
            }
        }
    }

    pub(super) fn find(&mut self, edge: EdgeId, find: &Find) {
        if !self.roster.may_find(edge, self.ports.clock.now()) {
            count(&self.ports.counters.finds[2]);
            return self.send(edge, ToEdge::Unknown(Unknown { call: find.call, nobody: false }));
        }
        let mut answer = Err(Failure::Broken("the ledger shows no rows"));
        self.ports.ledger.read(&mut |rows| answer = finding::answer(rows, &self.ports, find));
        let frame = answer.unwrap_or_else(|failure| {
            tracing::error!(?failure, "a session cannot be continued");
            ToEdge::Unknown(Unknown { call: find.call, nobody: false })
        });
        let counted = usize::from(matches!(frame, ToEdge::Continue(_)));
        count(&self.ports.counters.finds[counted]);
        self.send(edge, frame);
    }
}

impl Handler<Beat> for Region {
    type Result = ();

    fn handle(&mut self, _: Beat, _: &mut Self::Context) {
        self.beat();
    }
}

impl Handler<EdgeGone> for Region {
    type Result = ();

    fn handle(&mut self, EdgeGone(edge): EdgeGone, _: &mut Self::Context) {
        self.roster.gone(edge);
    }
}

impl Handler<IdentityChanged> for Region {
    type Result = ();

    fn handle(&mut self, IdentityChanged(realm): IdentityChanged, _: &mut Self::Context) {
        self.identities.forget(&realm);
        self.present(&self.roster.edges(&realm), &realm);
    }
}
