//! Times as the API writes them.

use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A time in ms since the Unix epoch; RFC 3339 in UTC where it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub u64);

/// A text that is no time of RFC 3339 from 1970 on; the words do not quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as 2026-11-24T18:00:00Z (RFC 3339)")]
pub struct NotRfc3339;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What lies behind the year 9999 has no form in RFC 3339: the last time that has one.
        let ms = i64::try_from(self.0).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{time}")
    }
}

impl FromStr for Timestamp {
    type Err = NotRfc3339;

    fn from_str(text: &str) -> Result<Self, NotRfc3339> {
        let time: jiff::Timestamp = text.parse().map_err(|_| NotRfc3339)?;
        u64::try_from(time.as_millisecond()).map(Self).map_err(|_| NotRfc3339)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(Type::String);
        let object = object.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        let words = "A time from 1970 on, as RFC 3339 writes it; answers are in UTC.";
        object.description(Some(words)).examples(["2026-11-24T18:00:00Z"]).into()
    }
}

impl ToSchema for Timestamp {}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn writes_and_reads_rfc_3339() {
        let whole = Timestamp(1_795_543_200_000);
        assert_eq!(whole.to_string(), "2026-11-24T18:00:00Z");
        assert_eq!("2026-11-24T19:00:00+01:00".parse(), Ok(whole));
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(1).to_string(), "1970-01-01T00:00:00.001Z");
    }

    #[test]
    fn refuses_what_is_no_time_since_1970() {
        for text in ["", "yesterday", "2026-11-24", "2026-11-24T18:00:00", "1969-12-31T23:59:59Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotRfc3339), "{text}");
        }
    }

    #[test]
    fn the_end_of_time_is_written_as_the_last_time_there_is() {
        assert!(Timestamp(u64::MAX).to_string().starts_with("9999-12-30T22:00:00"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn reads_back_as_written(ms in 0..253_402_200_000_000_u64) {
            prop_assert_eq!(Timestamp(ms).to_string().parse(), Ok(Timestamp(ms)));
        }
    }
}
