//! Which handshakes are traced.

/// The share of traces of which spans are made. It looks at the trace's id alone, as the sampler
/// `traceidratio` of OpenTelemetry does, so that every node decides alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling(u64);

/// As many as there are values in the bits of an id that decide.
const ALL: u64 = 1 << 63;

impl Sampling {
    /// No trace.
    pub const NONE: Self = Self(0);
    /// Every trace.
    pub const ALL: Self = Self(ALL);

    /// The share `ratio` of all traces, from 0 to 1.
    pub fn ratio(ratio: f64) -> Self {
        Self((ratio.clamp(0.0, 1.0) * ALL as f64) as u64)
    }

    /// Whether the trace with this id is sampled.
    pub fn takes(self, id: &[u8; 16]) -> bool {
        let low = *id.last_chunk().expect("8 is less than 16");
        u64::from_be_bytes(low) >> 1 < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_share_that_was_asked_for() {
        let taken = |sampling: Sampling| {
            let ids = (0..1000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let ids = ids.map(|low| ((1_u128 << 64) | u128::from(low)).to_be_bytes());
            ids.filter(|id| sampling.takes(id)).count()
        };
        assert_eq!(taken(Sampling::NONE), 0);
        assert_eq!(taken(Sampling::ALL), 1000);
        assert_eq!(taken(Sampling::ratio(f64::NAN)), 0);
        let quarter = taken(Sampling::ratio(0.25));
        assert!((230..270).contains(&quarter), "{quarter}");
    }

    #[test]
    fn everything_is_taken_by_all_also_the_highest_id() {
        assert!(Sampling::ALL.takes(&[0xff; 16]));
        assert!(!Sampling::ratio(0.999).takes(&[0xff; 16]));
    }
}
