//! Object 0, LwM2M Security (registry `0.xml`, Core appendix E.1).

use super::{ObjectError, SHORT_SERVER_IDS, find, in_range, integer, need, payload_error, typed};
use crate::tlv::{self, Tlv, Value};
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
    pub fn to_resources(&self) -> Vec<Tlv> {
        let mut row = vec![
            Tlv::Resource(URI, Value::string(&self.uri)),
            Tlv::Resource(BOOTSTRAP, Value::boolean(self.bootstrap)),
            Tlv::Resource(MODE, Value::integer(self.mode.number())),
            Tlv::Resource(IDENTITY, Value::opaque(&self.identity)),
            Tlv::Resource(SERVER_PUBLIC_KEY, Value::opaque(&self.server_public_key)),
            Tlv::Resource(SECRET_KEY, Value::opaque(&self.secret_key)),
        ];
        row.extend(
            self.short_server_id
                .map(|id| Tlv::Resource(SHORT_SERVER_ID, Value::integer(id.into()))),
        );
        row
    }

    /// Reads the resources of one instance, and checks them as [`check`](Self::check) does.
    pub fn from_resources(row: &[Tlv]) -> Result<Self, ObjectError> {
        let mode = typed(MODE, need(row, MODE)?, Value::as_integer)?;
        let opaque = |id| Ok(find(row, id)?.map_or(&[][..], Value::bytes));
        let object = Self {
            uri: typed(URI, need(row, URI)?, Value::as_str)?.to_owned(),
            bootstrap: typed(BOOTSTRAP, need(row, BOOTSTRAP)?, Value::as_bool)?,
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

    /// The payload of a write to the instance.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, ObjectError> {
        self.check()?;
        tlv::encode(&self.to_resources()).map_err(payload_error)
    }

    /// Reads the payload of a write to the instance.
    pub fn decode(payload: &[u8]) -> Result<Self, ObjectError> {
        Self::from_resources(&tlv::decode(payload).map_err(payload_error)?)
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
    use crate::tlv::TlvError;
    use proptest::prelude::*;

    fn psk() -> SecurityObject {
        SecurityObject {
            uri: "coaps://127.0.0.1:5784".into(),
            bootstrap: false,
            mode: SecurityMode::Psk,
            identity: b"dm-dev1".to_vec(),
            server_public_key: Vec::new(),
            secret_key: Zeroizing::new(vec![0xa5; 16]),
            short_server_id: Some(123),
        }
    }

    /// Built by hand from the registry's definition of object 0.
    const PSK: &[u8] = b"\xc8\x00\x16coaps://127.0.0.1:5784\
        \xc1\x01\x00\xc1\x02\x00\xc7\x03dm-dev1\xc0\x04\
        \xc8\x05\x10\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\xa5\
        \xc1\x0a\x7b";

    #[test]
    fn a_psk_instance_goes_both_ways() {
        assert_eq!(psk().encode().expect("valid")[..], *PSK);
        assert_eq!(SecurityObject::decode(PSK), Ok(psk()));
    }

    #[test]
    fn reads_an_instance_without_the_server_public_key() {
        let row: Vec<_> = psk().to_resources().into_iter().filter(|r| r.id() != 4).collect();

        assert_eq!(SecurityObject::from_resources(&row), Ok(psk()));
    }

    #[test]
    fn ignores_resources_it_does_not_know() {
        let mut row = psk().to_resources();
        row.push(Tlv::Resource(11, Value::integer(10)));
        row.push(Tlv::MultipleResource(16, vec![Tlv::ResourceInstance(0, Value::integer(49320))]));

        assert_eq!(SecurityObject::from_resources(&row), Ok(psk()));
    }

    #[test]
    fn a_bootstrap_account_has_no_short_server_id() {
        let account = SecurityObject { bootstrap: true, short_server_id: None, ..psk() };

        assert_eq!(SecurityObject::decode(&account.encode().expect("valid")), Ok(account));
    }

    #[test]
    fn refuses_to_read_an_instance_without_a_mandatory_resource() {
        for id in [0, 1, 2, 10] {
            let row: Vec<_> = psk().to_resources().into_iter().filter(|r| r.id() != id).collect();

            assert_eq!(SecurityObject::from_resources(&row), Err(ObjectError::Missing(id)));
        }
    }

    #[test]
    fn refuses_a_resource_that_stands_twice() {
        let mut row = psk().to_resources();
        row.push(Tlv::Resource(5, Value::opaque(b"other")));

        assert_eq!(SecurityObject::from_resources(&row), Err(ObjectError::Repeated(5)));
    }

    #[test]
    fn refuses_an_object_instance_where_resources_belong() {
        let row = [Tlv::ObjectInstance(0, psk().to_resources())];

        assert_eq!(SecurityObject::from_resources(&row), Err(ObjectError::NotResources));
    }

    #[test]
    fn refuses_values_of_another_type() {
        let mut row = psk().to_resources();
        row[1] = Tlv::Resource(1, Value::integer(7));

        let error = TlvError::Value("boolean");
        assert_eq!(
            SecurityObject::from_resources(&row),
            Err(ObjectError::Tlv { resource: Some(1), error })
        );
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

            assert_eq!(object.encode().err(), Some(ObjectError::Range(id)));
            assert_eq!(
                SecurityObject::from_resources(&object.to_resources()),
                Err(ObjectError::Range(id))
            );
        }
    }

    #[test]
    fn refuses_a_mode_that_is_not_spoken_here() {
        for mode in [1, 2, 4, 5, -1] {
            let mut row = psk().to_resources();
            row[2] = Tlv::Resource(2, Value::integer(mode));

            assert_eq!(SecurityObject::from_resources(&row), Err(ObjectError::Range(2)));
        }
    }

    #[test]
    fn debug_shows_neither_identity_nor_key() {
        let shown = format!("{:?}", psk());

        assert!(
            !shown.contains("165") && !shown.contains("dm-dev1") && !shown.contains("100, 109")
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

            let payload = object.encode().expect("valid");

            prop_assert_eq!(SecurityObject::decode(&payload), Ok(object));
        }
    }
}
