//! A session that another edge opened, continued here without a handshake.

use core::time::Duration;

use super::endpoint::Endpoint;
use super::session::{FLIGHT_KEPT, LastFlight, Place, Said, Session, SessionName, Watch};
use crate::limit;
use crate::sealed::Sealed;
use crate::stored::StoredSession;
use crate::suite::Suite;

impl Endpoint {
    /// Goes on with a stored session. The last flight can be sent again from here while it is
    /// young enough. Records go to the address of the handshake until one is sealed for another
    /// ([`Endpoint::seal`]).
    ///
    /// False, and nothing has changed, if the session is here already, or its suite is not known,
    /// not taken here or not that of its keys,
    /// or its connection id or address is that of another session here: the newer one goes on.
    ///
    /// The caller numbers the records of all edges that hold a session, upwards. What this edge
    /// has never sealed it cannot know to be used.
    pub fn restore(&mut self, now: Duration, stored: &StoredSession) -> bool {
        let suite = Suite::by_id(stored.suite).filter(|suite| stored.keys.fit(suite.cipher));
        let Some(suite) = suite.filter(|suite| self.config.suites.contains(&suite.id)) else {
            return false;
        };
        let name = stored.cid.map_or(SessionName::Home(stored.peer), SessionName::Cid);
        if self.sessions.holds(stored.session, name) {
            return false;
        }
        let flight = stored.flight.as_ref().filter(|_| now < stored.created + FLIGHT_KEPT);
        let flight = flight.map(|flight| {
            Box::new(LastFlight {
                home: stored.peer,
                said: Some(Said {
                    message: flight.message,
                    ticket: flight.ticket,
                    verify_data: flight.verify_data,
                }),
                // Epoch 0 is numbered by the sequence that is sealed with it; see `LastFlight`.
                first_record: 0,
                hello: flight.hello,
                finished: Box::default(),
                quiet_until: now,
            })
        });
        let session = Session {
            cipher: suite.cipher,
            keys: stored.keys.clone(),
            place: Place::new(stored.cid, stored.peer),
            longest: limit::payload(stored.record_limit, !stored.peer_cid.is_empty()),
            rrc: stored.rrc,
            peer_cid: stored.peer_cid.as_slice().into(),
            sealed: Sealed::ELSEWHERE,
            window: stored.window,
            flight,
            owner: Box::default(),
            watch: Watch::default(),
        };
        self.sessions.add(now, stored.session, session);
        self.counters.restored += 1;
        true
    }
}
