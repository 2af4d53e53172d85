//! Object 0, LwM2M Security (registry `0.xml`, Core appendix E.1).

use super::{ObjectError, SECURITY, SHORT_SERVER_IDS, find, in_range, integer, need, typed};
use crate::{Format, ObjectPath, Resource, Value};
use core::fmt;
use zeroize::Zeroizing;

/// The longest LwM2M Server URI, in bytes (resource 0).
pub const MAX_URI: usize = 255;
/// The longest PSK identity, in bytes of UTF-8 (Transport §5.2.8.1).
pub const MAX_IDENTITY: usize = 128;
/// The longest pre-shared key that peers must take, in bytes (Transport §5.2.8.1).
pub const MAX_KEY: usize = 64;

const URI: u16 = 0;
const BOOTSTRAP: u16 = 1;
const MODE: u16 = 2;
const IDENTITY: u16 = 3;
const SERVER_PUBLIC_KEY: u16 = 4;
const SECRET_KEY: u16 = 5;
const SHORT_SERVER_ID: u16 = 10;

/// How the client is to secure its connection (resource 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityMode {
    /// 0: Pre-Shared Key.
    Psk,
    /// 3: none. A simulated device's bootstrap account may have it; no credential is of it.
    NoSec,
}

impl SecurityMode {
    const fn number(self) -> i64 {
        match self {
            Self::Psk => 0,
            Self::NoSec => 3,
        }
    }

    const fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Psk),
            3 => Some(Self::NoSec),
            _ => None,
        }
    }
}

/// One instance of the Security object.
#[derive(Clone, PartialEq, Eq)]
pub struct SecurityObject {
    /// 0: `coaps://host:port`, at most [`MAX_URI`] bytes.
    pub uri: String,
    /// 1: true for the account of the Bootstrap-Server.
    pub bootstrap: bool,
    /// 2
    pub mode: SecurityMode,
    /// 3: with a PSK its identity, UTF-8, 1 to [`MAX_IDENTITY`] bytes; else empty.
    pub identity: Vec<u8>,
    /// 4: empty in both modes. Written nevertheless, since the registry makes it mandatory.
    pub server_public_key: Vec<u8>,
    /// 5: with a PSK the key, 1 to [`MAX_KEY`] bytes; else empty.
    pub secret_key: Zeroizing<Vec<u8>>,
    /// 10: 1 to 65534; must be there unless `bootstrap`.
    pub short_server_id: Option<u16>,
}

impl SecurityObject {
    /// Whether the values keep to their definitions; names the first resource that does not.
    pub fn check(&self) -> Result<(), ObjectError> {
        in_range(URI, (1..=MAX_URI).contains(&self.uri.len()))?;
        let (identity, key) = match self.mode {
            SecurityMode::Psk => (1..=MAX_IDENTITY, 1..=MAX_KEY),
            SecurityMode::NoSec => (0..=0, 0..=0),
        };
        in_range(IDENTITY, identity.contains(&self.identity.len()))?;
        in_range(IDENTITY, core::str::from_utf8(&self.identity).is_ok())?;
        in_range(SERVER_PUBLIC_KEY, self.server_public_key.is_empty())?;
        in_range(SECRET_KEY, key.contains(&self.secret_key.len()))?;
        match self.short_server_id {
            Some(id) => in_range(SHORT_SERVER_ID, SHORT_SERVER_IDS.contains(&id)),
            None if self.bootstrap => Ok(()),
            None => Err(ObjectError::Missing(SHORT_SERVER_ID)),
        }
    }

    /// The resources, in the order of their ids.
    pub fn to_resources(&self, instance: u16) -> Vec<Resource<'_>> {
        let resource = |id, value| Resource::new(instance, id, value);
        let short_server_id = self.short_server_id.map(|id| Value::Integer(id.into()));
        let mut row = Vec::with_capacity(7);
        row.extend([
            resource(URI, Value::string(&self.uri)),
            resource(BOOTSTRAP, Value::Boolean(self.bootstrap)),
            resource(MODE, Value::Integer(self.mode.number())),
            resource(IDENTITY, Value::opaque(&self.identity)),
            resource(SERVER_PUBLIC_KEY, Value::opaque(&self.server_public_key)),
            resource(SECRET_KEY, Value::opaque(&self.secret_key)),
        ]);
        row.extend(short_server_id.map(|id| resource(SHORT_SERVER_ID, id)));
        row
    }

    /// Reads the resources of one instance, and checks them as [`check`](Self::check) does.
    pub fn from_resources(row: &[Resource<'_>]) -> Result<Self, ObjectError> {
        let mode = integer(MODE, need(row, MODE)?)?;
        let opaque = |id| match find(row, id)? {
            Some(value) => typed(id, value.as_opaque()),
            None => Ok(&[][..]),
        };
        let object = Self {
            uri: typed(URI, need(row, URI)?.as_str())?.to_owned(),
            bootstrap: typed(BOOTSTRAP, need(row, BOOTSTRAP)?.as_bool())?,
            mode: SecurityMode::from_number(mode).ok_or(ObjectError::Range(MODE))?,
            identity: opaque(IDENTITY)?.to_vec(),
            server_public_key: opaque(SERVER_PUBLIC_KEY)?.to_vec(),
            secret_key: Zeroizing::new(opaque(SECRET_KEY)?.to_vec()),
            short_server_id: find(row, SHORT_SERVER_ID)?
                .map(|value| integer(SHORT_SERVER_ID, value))
                .transpose()?,
        };
        object.check()?;
        Ok(object)
    }

    /// The payload of a write to `/0/instance`.
    pub fn encode(&self, format: Format, instance: u16) -> Result<Zeroizing<Vec<u8>>, ObjectError> {
        self.check()?;
        let path = ObjectPath::of_instance(SECURITY, instance);
        Ok(format.encode(path, &self.to_resources(instance))?)
    }

    /// Reads the payload of a write to `/0/instance`.
    pub fn decode(format: Format, instance: u16, payload: &[u8]) -> Result<Self, ObjectError> {
        let path = ObjectPath::of_instance(SECURITY, instance);
        Self::from_resources(&format.decode(path, payload)?)
    }
}

impl fmt::Debug for SecurityObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityObject")
            .field("uri", &self.uri)
            .field("bootstrap", &self.bootstrap)
            .field("mode", &self.mode)
            .field("short_server_id", &self.short_server_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::WrongType;
    use proptest::prelude::*;

    fn psk() -> SecurityObject {
        SecurityObject {
            uri: "coaps://127.0.0.1:5784".into(),
            bootstrap: false,
            mode: SecurityMode::Psk,
            identity: b"dm-dev1".to_vec(),
            server_public_key: Vec::new(),
            secret_key: Zeroizing::new((0xf0..=0xff).collect()),
            short_server_id: Some(123),
        }
    }

    fn row(object: &SecurityObject) -> Vec<Resource<'_>> {
        object.to_resources(1)
    }

    /// As Leshan 2.0.0-M18 writes it, in each format.
    const PSK: &[u8] = b"\xc8\x00\x16coaps://127.0.0.1:5784\
        \xc1\x01\x00\xc1\x02\x00\xc7\x03dm-dev1\xc0\x04\
        \xc8\x05\x10\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff\
        \xc1\x0a\x7b";
    const PSK_JSON: &[u8] = br#"[{"bn":"/0/1/","n":"0","vs":"coaps://127.0.0.1:5784"},{"n":"1","vb":false},{"n":"2","v":0},{"n":"3","vd":"ZG0tZGV2MQ"},{"n":"4","vd":""},{"n":"5","vd":"8PHy8_T19vf4-fr7_P3-_w"},{"n":"10","v":123}]"#;
    const PSK_CBOR_REST: &[u8] = b"\xa2\x00\x611\x04\xf4\xa2\x00\x612\x02\x00\
        \xa2\x00\x613\x08\x47dm-dev1\xa2\x00\x614\x08\x40\
        \xa2\x00\x615\x08\x50\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff\
        \xa2\x00\x6210\x02\x18\x7b";

    #[test]
    fn a_psk_instance_goes_both_ways() {
        for (format, payload) in [(Format::Tlv, PSK), (Format::SenmlJson, PSK_JSON)] {
            assert_eq!(psk().encode(format, 1).expect("valid")[..], *payload);
            assert_eq!(SecurityObject::decode(format, 1, payload), Ok(psk()));
        }
    }

    /// In the order of the specification's example: base name, name, value.
    #[test]
    fn is_written_in_cbor_with_the_base_name_first_and_read_in_any_order() {
        let base = b"\x21\x65/0/1/";
        let name = b"\x00\x610\x03\x76coaps://127.0.0.1:5784";
        let ours = [b"\x87\xa3", &base[..], name, PSK_CBOR_REST].concat();
        let leshans = [b"\x87\xa3", &name[..], base, PSK_CBOR_REST].concat();

        assert_eq!(psk().encode(Format::SenmlCbor, 1).expect("valid")[..], ours);
        assert_eq!(SecurityObject::decode(Format::SenmlCbor, 1, &ours), Ok(psk()));
        assert_eq!(SecurityObject::decode(Format::SenmlCbor, 1, &leshans), Ok(psk()));
    }

    #[test]
    fn refuses_a_payload_of_another_instance() {
        let outside = ObjectError::Format(crate::senml::SenmlError::Outside.into());

        assert_eq!(SecurityObject::decode(Format::SenmlJson, 2, PSK_JSON), Err(outside));
    }

    #[test]
    fn reads_an_instance_without_the_server_public_key() {
        let psk = psk();
        let mut row = row(&psk);
        row.retain(|resource| resource.id != 4);

        assert_eq!(SecurityObject::from_resources(&row).as_ref(), Ok(&psk));
    }

    #[test]
    fn ignores_resources_it_does_not_know() {
        let psk = psk();
        let mut row = row(&psk);
        row.push(Resource::new(1, 11, Value::Integer(10)));
        row.push(Resource { item: Some(0), ..Resource::new(1, 16, Value::Integer(49320)) });

        assert_eq!(SecurityObject::from_resources(&row).as_ref(), Ok(&psk));
    }

    #[test]
    fn a_bootstrap_account_has_no_short_server_id() {
        let account = SecurityObject { bootstrap: true, short_server_id: None, ..psk() };

        for format in Format::ALL {
            let payload = account.encode(format, 0).expect("valid");
            assert_eq!(SecurityObject::decode(format, 0, &payload).as_ref(), Ok(&account));
        }
    }

    #[test]
    fn refuses_to_read_an_instance_without_a_mandatory_resource() {
        for id in [0, 1, 2, 10] {
            let psk = psk();
            let mut row = row(&psk);
            row.retain(|resource| resource.id != id);

            assert_eq!(SecurityObject::from_resources(&row), Err(ObjectError::Missing(id)));
        }
    }

    #[test]
    fn refuses_a_resource_that_stands_twice() {
        let psk = psk();
        let mut row = row(&psk);
        row.push(Resource::new(1, 5, Value::opaque(b"other")));

        assert_eq!(SecurityObject::from_resources(&row), Err(ObjectError::Repeated(5)));
    }

    #[test]
    fn refuses_instances_of_a_resource_that_has_one_value() {
        let psk = psk();
        let mut row = row(&psk);
        row[5].item = Some(0);

        assert_eq!(SecurityObject::from_resources(&row), Err(ObjectError::Multiple(5)));
    }

    #[test]
    fn refuses_values_of_another_type() {
        let psk = psk();
        for (id, value, error) in [
            (0, Value::Integer(7), WrongType("string")),
            (1, Value::Untyped(&[7]), WrongType("boolean")),
            (2, Value::string("0"), WrongType("integer")),
            (5, Value::string("key"), WrongType("opaque")),
        ] {
            let mut row = row(&psk);
            row[usize::from(id)].value = value;

            let error = ObjectError::Type { resource: id, error };
            assert_eq!(SecurityObject::from_resources(&row), Err(error));
        }
    }

    type Change = fn(&mut SecurityObject);

    #[test]
    fn refuses_values_out_of_range() {
        let rows: [(u16, Change); 9] = [
            (0, |o| o.uri = "x".repeat(MAX_URI + 1)),
            (0, |o| o.uri.clear()),
            (3, |o| o.identity.clear()),
            (3, |o| o.identity = vec![b'x'; MAX_IDENTITY + 1]),
            (3, |o| o.identity = vec![0xff]),
            (4, |o| o.server_public_key = vec![1]),
            (5, |o| o.secret_key = Zeroizing::new(vec![0; MAX_KEY + 1])),
            (10, |o| o.short_server_id = Some(0)),
            (10, |o| o.short_server_id = Some(65535)),
        ];
        for (id, change) in rows {
            let mut object = psk();
            change(&mut object);

            for format in Format::ALL {
                assert_eq!(object.encode(format, 1).err(), Some(ObjectError::Range(id)));
            }
            assert_eq!(SecurityObject::from_resources(&row(&object)), Err(ObjectError::Range(id)));
        }
    }

    #[test]
    fn refuses_a_mode_that_is_not_spoken_here() {
        for mode in [1, 2, 4, 5, -1] {
            let psk = psk();
            let mut row = row(&psk);
            row[2].value = Value::Integer(mode);

            assert_eq!(SecurityObject::from_resources(&row), Err(ObjectError::Range(2)));
        }
    }

    #[test]
    fn debug_shows_neither_identity_nor_key() {
        let shown = format!("{:?}", psk());

        assert!(
            !shown.contains("240") && !shown.contains("dm-dev1") && !shown.contains("100, 109")
        );
        assert!(shown.contains(".."));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_again(
            uri in "coaps://[a-z]{1,60}:[0-9]{1,4}",
            identity in "[ -~]{1,128}",
            key in prop::collection::vec(any::<u8>(), 1..=MAX_KEY),
            id in 1u16..=65534,
        ) {
            let object = SecurityObject {
                uri,
                identity: identity.into_bytes(),
                secret_key: Zeroizing::new(key),
                short_server_id: Some(id),
                ..psk()
            };

            for format in Format::ALL {
                let payload = object.encode(format, 9).expect("valid");

                prop_assert_eq!(SecurityObject::decode(format, 9, &payload), Ok(object.clone()));
            }
        }
    }
}
