//! The sessions of one device and the ways to its peers, in little room: most devices that are awake
//! are silent.

use crate::conversation::Conversation;
use crate::path::{self, Path};
use crate::propose::millis;
use crate::step::{Effect, World};
use claviger_front::{Content, ToEdge, Transmit};
use claviger_ledger::{CredentialId, SessionId};
use core::net::SocketAddr;
use core::time::Duration;

/// How long a record is worth sending.
const WORTH: Duration = Duration::from_secs(5);

/// A bootstrap that is done, of which another node was asked. The device may still send that request
/// again, or it asks for another one.
pub(crate) struct Unasked {
    /// What it brought.
    pub(crate) credential: CredentialId,
    /// For how long the request may come again.
    pub(crate) until: Duration,
}

/// A session and the way to its peer.
pub(crate) struct Line {
    pub(crate) talk: Conversation,
    pub(crate) path: Path,
    /// Where its last record came from, if that is not the address that is proven.
    heard: Option<Box<SocketAddr>>,
    /// Where it asked for us last (RFC 9853), if it ever did.
    asked_at: Option<Box<SocketAddr>>,
    /// True if what was proven to open it names the endpoint.
    pub(crate) named_by_identity: bool,
    /// What was staged with it and not yet asked for.
    pub(crate) prepared: Option<CredentialId>,
    /// The bootstrap that this node went on with without having seen its request.
    pub(crate) unasked: Option<Box<Unasked>>,
    /// Which refusals are on the timeline already, a bit for each: a device that errs on and on
    /// does not fill the ledger.
    pub(crate) noted: u8,
    /// True if its last record belongs to a trace that is sampled: the session's own.
    pub(crate) sampled: bool,
}

impl Line {
    pub(crate) fn new(
        talk: Conversation,
        peer: SocketAddr,
        named_by_identity: bool,
        prepared: Option<CredentialId>,
    ) -> Self {
        let (path, heard, asked_at) = (Path::proven(peer), None, None);
        Self {
            talk,
            path,
            heard,
            asked_at,
            named_by_identity,
            prepared,
            unasked: None,
            noted: 0,
            sampled: false,
        }
    }

    /// A record came from `from`.
    pub(crate) fn hear(&mut self, from: SocketAddr, newest: bool, length: usize) {
        self.path.received(from, newest, length);
        self.heard = (from != self.path.known()).then(|| Box::new(from));
    }

    /// Where its last record came from.
    pub(crate) fn heard(&self) -> SocketAddr {
        self.heard.as_deref().copied().unwrap_or(self.path.known())
    }

    /// The peer has asked for us, with its last record.
    pub(crate) fn asked(&mut self) {
        self.asked_at = Some(Box::new(self.heard()));
    }

    /// Sends a record under its number, where that may go.
    pub(crate) fn transmit(
        &mut self,
        world: &mut World<'_>,
        session: SessionId,
        sequence: u64,
        content: Content,
    ) {
        let to = match &content {
            Content::Application(bytes) => Some(self.path.target(bytes.len())),
            Content::CloseNotify | Content::Finished => Some(self.path.target(0)),
            Content::PathResponse(_) => {
                let asked_at = self.asked_at.as_deref();
                asked_at.and_then(|address| self.path.back(*address, path::CHECK))
            }
            Content::PathChallenge(cookie) => self.path.checked(cookie),
        };
        let Some(to) = to else { return };
        let frame = ToEdge::Transmit(Transmit {
            session: session.0,
            sequence,
            deadline: millis(world.now + WORTH),
            to: Some(to),
            content,
        });
        world.effects.push(Effect::Send { edge: self.talk.edge, frame });
    }
}

/// The sessions of a device, in the order in which they came. There are few, mostly one for ever: in
/// one piece with the list, whose growth moves the others.
#[derive(Default)]
pub(crate) struct Lines(Vec<(SessionId, Line)>);

impl Lines {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (SessionId, &Line)> {
        self.0.iter().map(|(id, line)| (*id, line))
    }

    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Line> {
        self.0.iter_mut().map(|(_, line)| line)
    }

    pub(crate) fn has(&self, session: SessionId) -> bool {
        self.line(session).is_some()
    }

    pub(crate) fn line(&self, session: SessionId) -> Option<&Line> {
        self.all().find_map(|(id, line)| (id == session).then_some(line))
    }

    pub(crate) fn line_mut(&mut self, session: SessionId) -> Option<&mut Line> {
        self.0.iter_mut().find_map(|(id, line)| (*id == session).then_some(line))
    }

    /// A session that is not there yet.
    pub(crate) fn add(&mut self, session: SessionId, line: Line) {
        self.0.reserve_exact(1);
        self.0.push((session, line));
    }

    pub(crate) fn remove(&mut self, session: SessionId) -> Option<Line> {
        let place = self.0.iter().position(|(id, _)| *id == session)?;
        Some(self.0.remove(place).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EdgeId;

    /// What a million devices that are awake hold of each. Who adds to it, says so here.
    #[test]
    fn a_line_has_at_most_160_bytes() {
        assert!(size_of::<Line>() <= 160, "{}", size_of::<Line>());
    }

    #[test]
    fn where_a_record_came_from_is_known_before_and_after_it_is_proven() {
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let mut line = Line::new(Conversation::opened(EdgeId(1), 1, 0), address(1), true, None);
        assert_eq!(line.heard(), address(1));

        line.hear(address(2), true, 100);
        assert_eq!(line.heard(), address(2));
        let cookie = line.path.check(Duration::ZERO, || [7; 8]).expect("it is another address");
        line.path.checked(&cookie).expect("there is room");
        line.path.answered(address(2), &cookie);
        assert_eq!((line.heard(), line.path.known()), (address(2), address(2)));

        line.hear(address(2), true, 100);
        assert_eq!(line.heard(), address(2));
        line.hear(address(1), false, 100);
        assert_eq!(line.heard(), address(1));
    }

    #[test]
    fn sessions_keep_the_order_in_which_they_came() {
        let mut lines = Lines::default();
        for id in [3, 1, 2] {
            let talk = Conversation::opened(EdgeId(1), 1, 0);
            let peer = SocketAddr::from(([192, 0, 2, 1], 1));
            lines.add(SessionId([id; 16]), Line::new(talk, peer, true, None));
        }
        assert!(lines.remove(SessionId([1; 16])).is_some());
        assert!(lines.remove(SessionId([1; 16])).is_none());

        let ids: Vec<_> = lines.all().map(|(id, _)| id.0[0]).collect();
        assert_eq!(ids, [3, 2]);
        assert!(lines.line_mut(SessionId([2; 16])).is_some() && !lines.has(SessionId([1; 16])));
    }
}
