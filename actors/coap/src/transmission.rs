//! A confirmable message on its way (RFC 7252 §4.2).

use crate::Params;
use core::time::Duration;
use zeroize::Zeroizing;

/// What a confirmable message of ours carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cargo {
    Request,
    Response,
}

/// Bytes that are sent again until they are acknowledged.
pub(crate) struct Transmission {
    pub(crate) message_id: u16,
    pub(crate) cargo: Cargo,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    pub(crate) due: Duration,
    timeout: Duration,
    sent_again: u8,
}

impl Transmission {
    /// A message that has just been sent; `random` spreads the first time-out.
    pub(crate) fn new(
        now: Duration,
        params: &Params,
        message_id: u16,
        cargo: Cargo,
        bytes: Zeroizing<Vec<u8>>,
        random: u32,
    ) -> Self {
        let percent = params.ack_random_percent.saturating_sub(100);
        let spread = params.ack_timeout.saturating_mul(percent) / 100;
        let timeout = params.ack_timeout + spread.mul_f64(f64::from(random) / f64::from(u32::MAX));
        Self { message_id, cargo, bytes, due: now.saturating_add(timeout), timeout, sent_again: 0 }
    }

    /// The time-out fired: true if the message is to be sent again, false if it is lost.
    pub(crate) fn back_off(&mut self, now: Duration, params: &Params) -> bool {
        if self.sent_again >= params.max_retransmit {
            return false;
        }
        self.sent_again += 1;
        self.timeout = self.timeout.saturating_mul(2);
        self.due = now.saturating_add(self.timeout);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(random: u32) -> (Vec<u64>, u64) {
        let params = Params::default();
        let mut message = Transmission::new(
            Duration::ZERO,
            &params,
            1,
            Cargo::Request,
            Zeroizing::default(),
            random,
        );
        let mut again = Vec::new();
        loop {
            let now = message.due;
            if !message.back_off(now, &params) {
                return (again, now.as_secs());
            }
            again.push(now.as_secs());
        }
    }

    #[test]
    fn backs_off_from_ack_timeout_to_max_transmit_wait() {
        // RFC 7252 §4.8.2: MAX_TRANSMIT_SPAN 45 s and MAX_TRANSMIT_WAIT 93 s, at factor 1.5.
        assert_eq!(life(0), (vec![2, 6, 14, 30], 62));
        assert_eq!(life(u32::MAX), (vec![3, 9, 21, 45], 93));
    }
}
