//! Object 1, LwM2M Server (registry `1.xml`, Core appendix E.2).

use super::{ObjectError, SERVER, SHORT_SERVER_IDS, in_range, integer, need, typed};
use crate::{Format, ObjectPath, Resource, Value};
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
    pub fn to_resources(&self, instance: u16) -> [Resource<'_>; 4] {
        let resource = |id, value| Resource::new(instance, id, value);
        [
            resource(SHORT_SERVER_ID, Value::Integer(self.short_server_id.into())),
            resource(LIFETIME, Value::Integer(self.lifetime.into())),
            resource(NOTIFICATION_STORING, Value::Boolean(self.notification_storing)),
            resource(BINDING, Value::string(&self.binding)),
        ]
    }

    /// Reads the resources of one instance, and checks them as [`check`](Self::check) does.
    pub fn from_resources(row: &[Resource<'_>]) -> Result<Self, ObjectError> {
        let storing = need(row, NOTIFICATION_STORING)?;
        let object = Self {
            short_server_id: integer(SHORT_SERVER_ID, need(row, SHORT_SERVER_ID)?)?,
            lifetime: integer(LIFETIME, need(row, LIFETIME)?)?,
            notification_storing: typed(NOTIFICATION_STORING, storing.as_bool())?,
            binding: typed(BINDING, need(row, BINDING)?.as_str())?.to_owned(),
        };
        object.check()?;
        Ok(object)
    }

    /// The payload of a write to `/1/instance`. It holds no secret, but is of one type with the
    /// Security object's.
    pub fn encode(&self, format: Format, instance: u16) -> Result<Zeroizing<Vec<u8>>, ObjectError> {
        self.check()?;
        let path = ObjectPath::of_instance(SERVER, instance);
        Ok(format.encode(path, &self.to_resources(instance))?)
    }

    /// Reads the payload of a write to `/1/instance`.
    pub fn decode(format: Format, instance: u16, payload: &[u8]) -> Result<Self, ObjectError> {
        let path = ObjectPath::of_instance(SERVER, instance);
        Self::from_resources(&format.decode(path, payload)?)
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
        assert_eq!(server().encode(Format::Tlv, 0).expect("valid")[..], *SPEC);
        assert_eq!(ServerObject::decode(Format::Tlv, 0, SPEC), Ok(server()));
    }

    #[test]
    fn is_written_in_senml_as_leshan_2_0_0_m18_does() {
        let json = br#"[{"bn":"/1/0/","n":"0","v":1},{"n":"1","v":86400},{"n":"6","vb":true},{"n":"7","vs":"U"}]"#;
        // Leshan has the base name last; as the specification's example has it:
        let cbor = b"\x84\xa3\x21\x65/1/0/\x00\x610\x02\x01\xa2\x00\x611\x02\x1a\x00\x01\x51\x80\
            \xa2\x00\x616\x04\xf5\xa2\x00\x617\x03\x61U";

        assert_eq!(server().encode(Format::SenmlJson, 0).expect("valid")[..], json[..]);
        assert_eq!(server().encode(Format::SenmlCbor, 0).expect("valid")[..], cbor[..]);
    }

    #[test]
    fn reads_the_cbor_of_leshan_2_0_0_m18() {
        let cbor = b"\x84\xa3\x00\x610\x02\x01\x21\x65/1/0/\xa2\x00\x611\x02\x1a\x00\x01\x51\x80\
            \xa2\x00\x616\x04\xf5\xa2\x00\x617\x03\x61U";

        assert_eq!(ServerObject::decode(Format::SenmlCbor, 0, cbor), Ok(server()));
    }

    #[test]
    fn writes_every_mandatory_resource() {
        let ids = server().to_resources(0).map(|resource| resource.id);

        assert_eq!(ids, [0, 1, 6, 7]);
    }

    #[test]
    fn refuses_an_instance_without_a_mandatory_resource() {
        for id in [0, 1, 6, 7] {
            let server = server();
            let mut row = server.to_resources(0).to_vec();
            row.retain(|resource| resource.id != id);

            assert_eq!(ServerObject::from_resources(&row), Err(ObjectError::Missing(id)));
        }
    }

    #[test]
    fn refuses_values_out_of_range() {
        for (id, value) in [
            (0, Value::Integer(0)),
            (0, Value::Integer(65_535)),
            (0, Value::Integer(65_536)),
            (1, Value::Integer(-1)),
            (1, Value::Integer(1 << 32)),
            (7, Value::string("")),
            (7, Value::string("u")),
            (7, Value::string("UUUUUUUUU")),
        ] {
            let server = server();
            let mut row = server.to_resources(0).to_vec();
            row.retain(|resource| resource.id != id);
            row.push(Resource::new(0, id, value));

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

            for format in Format::ALL {
                let payload = object.encode(format, 3).expect("valid");

                prop_assert_eq!(ServerObject::decode(format, 3, &payload), Ok(object.clone()));
            }
        }
    }
}
