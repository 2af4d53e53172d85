//! Integers as JSON Schema has them: `5.0` is one.

use core::fmt;
use core::marker::PhantomData;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// Above it a floating-point number stands for several integers.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads an integer that is not negative.
pub(crate) fn read<'de, D: Deserializer<'de>, T: TryFrom<u64>>(number: D) -> Result<T, D::Error> {
    number.deserialize_u64(Integer(PhantomData))
}

struct Integer<T>(PhantomData<T>);

impl<T: TryFrom<u64>> Visitor<'_> for Integer<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer from 0 on, of {} bits", 8 * size_of::<T>())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        let bad = |_| E::invalid_value(Unexpected::Unsigned(number), &self);
        T::try_from(number).map_err(bad)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) {
            return self.visit_u64(number as u64);
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
    }
}

#[cfg(test)]
mod tests {
    fn read(text: &str) -> Option<u16> {
        super::read(&mut serde_json::Deserializer::from_str(text)).ok()
    }

    #[test]
    fn takes_what_json_schema_calls_an_integer() {
        assert_eq!(["5", "5.0", "5e2", "65535"].map(read), [5, 5, 500, 65_535].map(Some));
    }

    #[test]
    fn refuses_all_else() {
        for text in ["-1", "0.5", "65536", "1e9", "-5.0", "\"5\"", "null", "1e300"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
