//! What an endpoint has done and refused, in plain numbers that only grow.

/// Why something that arrived was dropped. Closed, so that each reason can be a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum DropReason {
    /// The bytes do not parse as the record, fragment or message that they claim to be.
    Malformed,
    /// A record type that no peer of ours sends.
    UnknownType,
    /// A protocol version that is not DTLS 1.2.
    Version,
    /// An epoch other than 0 and 1, or a message in an epoch where it cannot be.
    Epoch,
    /// A record or message number outside what a handshake can reach.
    Number,
    /// A ClientHello in fragments: it cannot be checked without keeping state.
    FragmentedHello,
    /// A cookie that we did not make for this address and these parameters, or too long ago.
    BadCookie,
    /// A ClientHello that repeats that of a session already established.
    RepeatedHello,
    /// An answer that was already sent as often as a peer may ask for it.
    RepeatLimit,
    /// No suite, compression or version in common.
    NoCommonSuite,
    /// A message whose number is below the next one.
    OldMessage,
    /// A message whose number is above the next one.
    FutureMessage,
    /// A fragment that contradicts those before it, or exceeds its message.
    InconsistentFragment,
    /// A handshake message above 8 KiB, or a record above 2^14 bytes of plaintext.
    TooLong,
    /// A message that has no place in this state.
    UnexpectedMessage,
    /// A plaintext alert: anybody could have sent it.
    PlaintextAlert,
    /// Plaintext that arrived outside a handshake.
    PlaintextRecord,
    /// More arrived while the credential step is under way, or it was the same again.
    Waiting,
    /// As many credential steps as one handshake may have.
    OpenLimit,
    /// A connection id that no edge of this cluster made.
    ForeignCid,
    /// A connection id or address without a session here.
    NoSession,
    /// A record without a connection id where one was negotiated, or with one where none was.
    WrongForm,
    /// A record that does not verify.
    BadMac,
    /// A record that was read before, or lies below the window.
    Replayed,
    /// A request to renegotiate.
    Renegotiation,
    /// A verified record that means nothing here.
    Meaningless,
    /// A client that was asked for its key and presented none.
    NoKey,
    /// A signature that does not verify under the key that was presented.
    BadSignature,
    /// A share of a key agreement that is no point of its group, or gives a secret of zeros.
    BadShare,
    /// A ClientHello of a prefix that has begun its share of handshakes while the queue is full.
    Crowded,
    /// A record that was not looked at: too many of its session did not verify, and to see that
    /// takes long under its suite.
    Unverified,
    /// Anything, while the endpoint does not have the cluster's present keys.
    NoKeys,
    /// A ClientHello that would begin a handshake at an endpoint that is to end.
    Draining,
}

impl DropReason {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 33] = [
        Self::Malformed,
        Self::UnknownType,
        Self::Version,
        Self::Epoch,
        Self::Number,
        Self::FragmentedHello,
        Self::BadCookie,
        Self::RepeatedHello,
        Self::RepeatLimit,
        Self::NoCommonSuite,
        Self::OldMessage,
        Self::FutureMessage,
        Self::InconsistentFragment,
        Self::TooLong,
        Self::UnexpectedMessage,
        Self::PlaintextAlert,
        Self::PlaintextRecord,
        Self::Waiting,
        Self::OpenLimit,
        Self::ForeignCid,
        Self::NoSession,
        Self::WrongForm,
        Self::BadMac,
        Self::Replayed,
        Self::Renegotiation,
        Self::Meaningless,
        Self::NoKey,
        Self::BadSignature,
        Self::BadShare,
        Self::Crowded,
        Self::Unverified,
        Self::NoKeys,
        Self::Draining,
    ];

    /// The reason as a metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownType => "unknown_type",
            Self::Version => "version",
            Self::Epoch => "epoch",
            Self::Number => "number",
            Self::FragmentedHello => "fragmented_hello",
            Self::BadCookie => "bad_cookie",
            Self::RepeatedHello => "repeated_hello",
            Self::RepeatLimit => "repeat_limit",
            Self::NoCommonSuite => "no_common_suite",
            Self::OldMessage => "old_message",
            Self::FutureMessage => "future_message",
            Self::InconsistentFragment => "inconsistent_fragment",
            Self::TooLong => "too_long",
            Self::UnexpectedMessage => "unexpected_message",
            Self::PlaintextAlert => "plaintext_alert",
            Self::PlaintextRecord => "plaintext_record",
            Self::Waiting => "waiting",
            Self::OpenLimit => "open_limit",
            Self::ForeignCid => "foreign_cid",
            Self::NoSession => "no_session",
            Self::WrongForm => "wrong_form",
            Self::BadMac => "bad_mac",
            Self::Replayed => "replayed",
            Self::Renegotiation => "renegotiation",
            Self::Meaningless => "meaningless",
            Self::NoKey => "no_key",
            Self::BadSignature => "bad_signature",
            Self::BadShare => "bad_share",
            Self::Crowded => "crowded",
            Self::Unverified => "unverified",
            Self::NoKeys => "no_keys",
            Self::Draining => "draining",
        }
    }
}

/// What an endpoint counted since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams received.
    pub datagrams: u64,
    /// HelloVerifyRequests sent.
    pub cookies_sent: u64,
    /// ClientHellos that began a handshake with a valid cookie.
    pub cookies_accepted: u64,
    /// Flights sent again, by timer or because the peer repeated itself.
    pub retransmissions: u64,
    /// Credential steps asked for.
    pub opens: u64,
    /// Answers to credential steps whose handshake no longer existed.
    pub late_answers: u64,
    /// Sessions established.
    pub established: u64,
    /// Of these, those that resume an earlier one.
    pub resumed: u64,
    /// Steps of resumptions asked for.
    pub resumption_calls: u64,
    /// Sessions that another edge had opened, and that go on here.
    pub restored: u64,
    /// Sessions that were let go since nothing came and went in them.
    pub rested: u64,
    /// Handshakes given up by time.
    pub timed_out: u64,
    /// Handshakes that gave way to newer ones.
    pub evicted: u64,
    /// Plaintext alerts sent.
    pub alerts_sent: u64,
    /// Plaintext alerts held back by the limit of their prefix.
    pub alerts_held: u64,
    /// Records opened and handed out.
    pub records_opened: u64,
    /// Records sealed.
    pub records_sealed: u64,
    /// Dropped, by [`DropReason`].
    drops: Drops,
}

/// In the order of [`DropReason::ALL`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Drops([u64; DropReason::ALL.len()]);

impl Default for Drops {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl Counters {
    /// How often something was dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.0[reason as usize]
    }

    pub(crate) fn drop_for(&mut self, reason: DropReason) {
        self.drops.0[reason as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_label() {
        let mut labels = std::collections::BTreeSet::new();

        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert!(labels.insert(reason.label()));
        }
    }
}
