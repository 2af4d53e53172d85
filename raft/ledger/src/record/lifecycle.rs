//! The life of a credential: a table of states and transitions.

use core::fmt;
use minicbor::{Decode, Encode};

/// Where a credential stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum State {
    /// Made and committed; the device does not have it yet.
    #[n(0)]
    Staged,
    /// The device said that it has it.
    #[n(1)]
    Delivered,
    /// Its use was seen.
    #[n(2)]
    Active,
    /// Another one took its place.
    #[n(3)]
    Superseded,
    /// Somebody withdrew it.
    #[n(4)]
    Revoked,
    /// Its time is over.
    #[n(5)]
    Expired,
}

/// What can happen to a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The device acknowledged it.
    Deliver,
    /// Its use was seen, by us or by the service that it is for.
    Use,
    /// Another one became active in its place.
    Supersede,
    /// It was withdrawn.
    Revoke,
    /// Its not-after passed.
    Expire,
}

/// The state after `happened`, or nothing where that cannot happen in `state`.
pub const fn transition(state: State, happened: Transition) -> Option<State> {
    use State as S;
    use Transition as T;
    match (state, happened) {
        (S::Staged | S::Delivered, T::Deliver) => Some(S::Delivered),
        // Use proves delivery: the device's acknowledgement may have been lost.
        (S::Staged | S::Delivered | S::Active, T::Use) => Some(S::Active),
        (S::Active, T::Deliver) => Some(S::Active),
        (S::Staged | S::Delivered | S::Active, T::Supersede) => Some(S::Superseded),
        // What has ended otherwise may still be held by an LwM2M server.
        (S::Revoked, T::Revoke) => None,
        (_, T::Revoke) => Some(S::Revoked),
        (S::Staged | S::Delivered | S::Active, T::Expire) => Some(S::Expired),
        (S::Superseded | S::Revoked | S::Expired, _) => None,
    }
}

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 6] = [
        Self::Staged,
        Self::Delivered,
        Self::Active,
        Self::Superseded,
        Self::Revoked,
        Self::Expired,
    ];

    /// True while the credential may be used.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Staged | Self::Delivered | Self::Active)
    }

    /// The state's name, as the API and the metrics write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Delivered => "delivered",
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_event_is_as_the_table_says() {
        let events = [
            Transition::Deliver,
            Transition::Use,
            Transition::Supersede,
            Transition::Revoke,
            Transition::Expire,
        ];
        let mut table = String::new();
        for state in State::ALL {
            for event in events {
                let next = transition(state, event).map_or("-", State::as_str);
                table += &format!("{state} {event:?} {next}\n");
            }
        }

        assert_eq!(
            table,
            "staged Deliver delivered\nstaged Use active\nstaged Supersede superseded\n\
             staged Revoke revoked\nstaged Expire expired\n\
             delivered Deliver delivered\ndelivered Use active\ndelivered Supersede superseded\n\
             delivered Revoke revoked\ndelivered Expire expired\n\
             active Deliver active\nactive Use active\nactive Supersede superseded\n\
             active Revoke revoked\nactive Expire expired\n\
             superseded Deliver -\nsuperseded Use -\nsuperseded Supersede -\n\
             superseded Revoke revoked\nsuperseded Expire -\n\
             revoked Deliver -\nrevoked Use -\nrevoked Supersede -\nrevoked Revoke -\nrevoked Expire -\n\
             expired Deliver -\nexpired Use -\nexpired Supersede -\nexpired Revoke revoked\nexpired Expire -\n"
        );
    }
}
