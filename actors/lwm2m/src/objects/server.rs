//! Object 1, LwM2M Server (registry `1.xml`, Core appendix E.2).

use super::{ObjectError, SHORT_SERVER_IDS, in_range, integer, need, payload_error, typed};
use crate::tlv::{self, Tlv, Value};
use zeroize::Zeroizing;

/// The longest binding that is taken, in letters; the registry has seven of them.
pub const MAX_BINDING: usize = 8;

const SHORT_SERVER_ID: u16 = 0;
const LIFETIME: u16 = 1;
const NOTIFICATION_STORING: u16 = 6;
const BINDING: u16 = 7;

/// One instance of the Server object: its mandatory resources, all of which are always written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerObject {
    /// 0: 1 to 65534; that of the Security instance it belongs to.
    pub short_server_id: u16,
    /// 1: lifetime of the registration, in seconds.
    pub lifetime: u32,
    /// 6: whether notifications are kept while the server cannot be reached.
    pub notification_storing: bool,
    /// 7: transports, as letters: `U`, `UQ`, `T`.
    pub binding: String,
}

impl ServerObject {
    /// Whether the values keep to their definitions; names the first resource that does not.
    pub fn check(&self) -> Result<(), ObjectError> {
        in_range(SHORT_SERVER_ID, SHORT_SERVER_IDS.contains(&self.short_server_id))?;
        in_range(BINDING, (1..=MAX_BINDING).contains(&self.binding.len()))?;
        in_range(BINDING, self.binding.bytes().all(|b| b.is_ascii_uppercase()))
    }

    /// The resources, in the order of their ids.
    pub fn to_resources(&self) -> Vec<Tlv> {
        vec![
            Tlv::Resource(SHORT_SERVER_ID, Value::integer(self.short_server_id.into())),
            Tlv::Resource(LIFETIME, Value::integer(self.lifetime.into())),
            Tlv::Resource(NOTIFICATION_STORING, Value::boolean(self.notification_storing)),
            Tlv::Resource(BINDING, Value::string(&self.binding)),
        ]
    }

    /// Reads the resources of one instance, and checks them as [`check`](Self::check) does.
    pub fn from_resources(row: &[Tlv]) -> Result<Self, ObjectError> {
        let storing = need(row, NOTIFICATION_STORING)?;
        let object = Self {
            short_server_id: integer(SHORT_SERVER_ID, need(row, SHORT_SERVER_ID)?)?,
            lifetime: integer(LIFETIME, need(row, LIFETIME)?)?,
            notification_storing: typed(NOTIFICATION_STORING, storing, Value::as_bool)?,
            binding: typed(BINDING, need(row, BINDING)?, Value::as_str)?.to_owned(),
        };
        object.check()?;
        Ok(object)
    }

    /// The payload of a write to the instance. It holds no secret, but is of one type with the
    /// Security object's.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, ObjectError> {
        self.check()?;
        tlv::encode(&self.to_resources()).map_err(payload_error)
    }

    /// Reads the payload of a write to the instance.
    pub fn decode(payload: &[u8]) -> Result<Self, ObjectError> {
        Self::from_resources(&tlv::decode(payload).map_err(payload_error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn server() -> ServerObject {
        ServerObject {
            short_server_id: 1,
            lifetime: 86_400,
            notification_storing: true,
            binding: "U".into(),
        }
    }

    /// The Server instance of the example in TS 1.0 §6.4.3.3, without the instance around it.
    const SPEC: &[u8] = b"\xc1\x00\x01\xc4\x01\x00\x01\x51\x80\xc1\x06\x01\xc1\x07U";

    #[test]
    fn the_specs_server_instance_goes_both_ways() {
        assert_eq!(server().encode().expect("valid")[..], *SPEC);
        assert_eq!(ServerObject::decode(SPEC), Ok(server()));
    }

    #[test]
    fn writes_every_mandatory_resource() {
        let ids: Vec<_> = server().to_resources().iter().map(Tlv::id).collect();

        assert_eq!(ids, [0, 1, 6, 7]);
    }

    #[test]
    fn refuses_an_instance_without_a_mandatory_resource() {
        for id in [0, 1, 6, 7] {
            let row: Vec<_> =
                server().to_resources().into_iter().filter(|r| r.id() != id).collect();

            assert_eq!(ServerObject::from_resources(&row), Err(ObjectError::Missing(id)));
        }
    }

    #[test]
    fn refuses_values_out_of_range() {
        for (id, value) in [
            (0, Value::integer(0)),
            (0, Value::integer(65_535)),
            (0, Value::integer(65_536)),
            (1, Value::integer(-1)),
            (1, Value::integer(1 << 32)),
            (7, Value::string("")),
            (7, Value::string("u")),
            (7, Value::string("UUUUUUUUU")),
        ] {
            let mut row = server().to_resources();
            row.retain(|resource| resource.id() != id);
            row.push(Tlv::Resource(id, value));

            assert_eq!(ServerObject::from_resources(&row), Err(ObjectError::Range(id)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_again(
            short_server_id in 1u16..=65534, lifetime: u32, notification_storing: bool, binding in "[A-Z]{1,8}"
        ) {
            let object = ServerObject { short_server_id, lifetime, notification_storing, binding };

            let payload = object.encode().expect("valid");

            prop_assert_eq!(ServerObject::decode(&payload), Ok(object));
        }
    }
}
