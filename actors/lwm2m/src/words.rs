//! Stages, outcomes, reasons and timeline entries: the words that metrics and people see.

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

macro_rules! reasons {
    ($($reason:ident $label:literal: $words:literal,)*) => {
        /// Why an attempt came to nothing: one reason for each, whatever the device does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $words] $reason,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$reason),*];

            /// The metric label.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$reason => $label,)* }
            }
        }
    };
}

reasons! {
    NotConfirmable "not_confirmable": "The Bootstrap-Request was a NON message.",
    BadQuery "bad_query": "Its `ep` is empty or too long, or a parameter stands twice.",
    BadFormat "bad_format": "Its `pct` is no number.",
    UnsupportedFormat "unsupported_format": "Its `pct` is no format that is written here.",
    NoEndpoint "no_endpoint": "It has no `ep`, and the proven identity is no endpoint name.",
    ForeignEndpoint "foreign_endpoint": "Its `ep` is not the name that the proven identity is bound to.",
    NotIssued "not_issued": "The ledger refuses to issue a credential.",
    Unwritable "unwritable": "The credential or the account cannot be written.",
    LedgerSilent "ledger_silent": "The ledger did not answer.",
    NoAnswer "no_answer": "The device did not answer, or not in time.",
    Reset "reset": "The device rejected a message.",
    Garbled "garbled": "The device's answer could not be put together.",
    OperationRefused "operation_refused": "The device refused a Discover, Delete, Write or Finish.",
    Inconsistent "inconsistent": "The device answered Finish with 4.06.",
    UnreadableDiscover "unreadable_discover": "The answer to Discover cannot be read.",
    NoBootstrapAccount "no_bootstrap_account": "The answer to Discover shows no bootstrap account.",
    ServerRefused "server_refused": "The LwM2M server does not take the credential.",
    ServerSilent "server_silent": "The LwM2M server did not confirm the credential.",
    BeganAgain "began_again": "The device began anew in the middle.",
    SessionEnded "session_ended": "The device's session was closed or replaced.",
    Stopped "stopped": "What the session rests on was revoked, withdrawn, or is over.",
    DeliveryRefused "delivery_refused": "The ledger refuses to call the credential delivered.",
    DeliveryUnknown "delivery_unknown": "Whether the ledger has noted the delivery is not known.",
    OutOfSpace "out_of_space": "The ledger's disk is short of space; the device was put off.",
    TooOften "too_often": "The device began too often within a minute; it was put off.",
    NotServed "not_served": "The device asked for what a Bootstrap-Server does not have.",
}

/// An entry for the device's timeline: how an attempt ended, or that a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The stage that was reached.
    pub stage: Stage,
    /// How it ended there.
    pub outcome: Outcome,
    /// Why; none for what was delivered.
    pub reason: Option<Reason>,
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

    #[test]
    fn no_two_reasons_have_one_label() {
        let labels: std::collections::BTreeSet<_> =
            Reason::ALL.into_iter().map(Reason::as_str).collect();

        assert_eq!(labels.len(), Reason::ALL.len());
    }
}
