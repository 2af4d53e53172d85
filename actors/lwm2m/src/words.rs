//! Stages, outcomes and timeline entries: the words that metrics and people see.

/// How far a bootstrap session is, named for the step under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The Bootstrap-Request is being judged, or its credential staged.
    Request,
    /// Bootstrap-Discover is under way.
    Discover,
    /// The LwM2M server is being given the credential.
    Server,
    /// Bootstrap-Delete of old instances is under way.
    Delete,
    /// Bootstrap-Write of the Security instance is under way.
    WriteSecurity,
    /// Bootstrap-Write of the Server instance is under way.
    WriteServer,
    /// Bootstrap-Finish is under way, or the delivery is being committed.
    Finish,
}

impl Stage {
    /// Every stage, in the order of a session.
    pub const ALL: [Self; 7] = [
        Self::Request,
        Self::Discover,
        Self::Server,
        Self::Delete,
        Self::WriteSecurity,
        Self::WriteServer,
        Self::Finish,
    ];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "bs_request",
            Self::Discover => "discover",
            Self::Server => "server",
            Self::Delete => "delete",
            Self::WriteSecurity => "write_security",
            Self::WriteServer => "write_server",
            Self::Finish => "finish",
        }
    }
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The device holds the credential, and the ledger knows it.
    Delivered,
    /// Somebody said no: the device, the ledger, the LwM2M server, or this machine.
    Refused,
    /// The device did not answer.
    Unanswered,
    /// The device began again, or its session was closed.
    Superseded,
    /// Something broke that nobody decided.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] =
        [Self::Delivered, Self::Refused, Self::Unanswered, Self::Superseded, Self::Failed];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
        }
    }
}

/// An entry for the device's timeline: how an attempt ended, or that a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The stage that was reached.
    pub stage: Stage,
    /// How it ended there.
    pub outcome: Outcome,
    /// What happened and what to do, for an operator. Never holds a secret, nor a payload of the
    /// device's, which could echo one.
    pub words: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_of_the_metrics() {
        let stages = Stage::ALL.map(Stage::as_str);
        let outcomes = Outcome::ALL.map(Outcome::as_str);

        assert_eq!(
            stages,
            [
                "bs_request",
                "discover",
                "server",
                "delete",
                "write_security",
                "write_server",
                "finish"
            ]
        );
        assert_eq!(outcomes, ["delivered", "refused", "unanswered", "superseded", "failed"]);
    }
}
