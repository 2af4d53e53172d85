//! A device's Security and Server objects, and what a Bootstrap-Server may do to them.

use crate::{Account, DeviceConfig, Version};
use claviger_lwm2m::discover::{Discovery, SecurityInstance, ServerInstance};
use claviger_lwm2m::objects::{SecurityMode, SecurityObject, ServerObject};
use claviger_lwm2m::{Format, ObjectPath, content_format};
use claviger_machine::{Code, Method, Request, Response};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Where the bootstrap account is.
const BOOTSTRAP: u16 = 0;
/// The Short Server ID of the account that the factory left.
const FACTORY: u16 = 101;

/// The objects.
pub(crate) struct Objects {
    version: Version,
    refuse: Option<String>,
    security: BTreeMap<u16, SecurityObject>,
    servers: BTreeMap<u16, ServerObject>,
}

impl Objects {
    pub(crate) fn new(config: &DeviceConfig) -> Self {
        let account = |uri: &str, bootstrap, short_server_id| SecurityObject {
            uri: uri.to_owned(),
            bootstrap,
            mode: SecurityMode::Psk,
            identity: config.identity.clone(),
            server_public_key: Vec::new(),
            secret_key: config.psk.clone(),
            short_server_id,
        };
        let mut security = BTreeMap::from([(BOOTSTRAP, account("coaps://bootstrap", true, None))]);
        let mut servers = BTreeMap::new();
        if config.factory_account {
            security.insert(1, account("coaps://factory.example", false, Some(FACTORY)));
            servers.insert(
                0,
                ServerObject {
                    short_server_id: FACTORY,
                    lifetime: 86_400,
                    notification_storing: true,
                    binding: "U".to_owned(),
                },
            );
        }
        Self { version: config.version, refuse: config.refuse.clone(), security, servers }
    }

    /// Does what the Bootstrap-Server asks.
    pub(crate) fn answer(&mut self, request: &Request) -> Response {
        if self.refuse.as_ref() == Some(&request.path_string()) {
            return Response::diagnostic(Code::BAD_REQUEST, "refused, as it was told to");
        }
        let path: Vec<u16> = request.path.iter().filter_map(|part| part.parse().ok()).collect();
        if path.len() != request.path.len() {
            return Response::new(Code::NOT_FOUND);
        }
        match (request.method, path.as_slice()) {
            (Method::Get, []) => self.discover(),
            (Method::Delete, _) => self.delete(&path),
            (Method::Put, [object, instance]) => self.write(*object, *instance, request),
            _ => Response::new(Code::METHOD_NOT_ALLOWED),
        }
    }

    fn discover(&self) -> Response {
        let security = self.security.iter().map(|(id, object)| SecurityInstance {
            id: *id,
            short_server_id: object.short_server_id,
            uri: (self.version == Version::V1_1).then(|| object.uri.clone()),
        });
        let servers = self.servers.iter().map(|(id, object)| ServerInstance {
            id: *id,
            short_server_id: Some(object.short_server_id),
        });
        let found = Discovery {
            version: Some(match self.version {
                Version::V1_0 => (1, 0),
                Version::V1_1 => (1, 1),
            }),
            security: security.collect(),
            servers: servers.collect(),
            others: vec![ObjectPath::of_instance(3, 0)],
        };
        Response {
            content_format: Some(content_format::LINK_FORMAT),
            payload: found.encode().into_bytes(),
            ..Response::new(Code::CONTENT)
        }
    }

    /// Deletes; the bootstrap account and the device object stay (LwM2M Core §6.1.7.6).
    fn delete(&mut self, path: &[u16]) -> Response {
        let (object, instance) = (path.first().copied(), path.get(1).copied());
        let hit = |wanted: u16, id: u16| {
            object.is_none_or(|object| object == wanted) && instance.is_none_or(|i| i == id)
        };
        self.security.retain(|id, object| object.bootstrap || !hit(0, *id));
        self.servers.retain(|id, _| !hit(1, *id));
        Response::new(Code::DELETED)
    }

    fn write(&mut self, object: u16, instance: u16, request: &Request) -> Response {
        let Some(format) = request.content_format.and_then(Format::from_number) else {
            return Response::new(Code::UNSUPPORTED_CONTENT_FORMAT);
        };
        let written = match object {
            0 => SecurityObject::decode(format, instance, &request.payload)
                .map(|object| drop(self.security.insert(instance, object))),
            1 => ServerObject::decode(format, instance, &request.payload)
                .map(|object| drop(self.servers.insert(instance, object))),
            _ => return Response::new(Code::NOT_FOUND),
        };
        match written {
            Ok(()) => Response::new(Code::CHANGED),
            Err(error) => Response::diagnostic(Code::BAD_REQUEST, &error.to_string()),
        }
    }

    /// The account that was written, if everything fits together; else why not, for 4.06.
    pub(crate) fn check(&self) -> Result<Account, &'static str> {
        let bootstraps = self.security.values().filter(|object| object.bootstrap).count();
        if bootstraps != 1 {
            return Err("there must be one bootstrap account");
        }
        let mut accounts = self.servers.values().map(|server| {
            let id = Some(server.short_server_id);
            let security = self.security.values().find(|object| object.short_server_id == id);
            security.map(|security| account(security, server))
        });
        match (accounts.next(), accounts.next()) {
            (Some(Some(account)), None) => Ok(account),
            (Some(None), _) => Err("a server has no security instance"),
            (None, _) => Err("there is no server"),
            (Some(_), Some(_)) => Err("this device holds one server"),
        }
    }
}

fn account(security: &SecurityObject, server: &ServerObject) -> Account {
    Account {
        server_uri: security.uri.clone(),
        short_server_id: server.short_server_id,
        lifetime: server.lifetime,
        binding: server.binding.clone(),
        identity: security.identity.clone(),
        key: Zeroizing::new(security.secret_key.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> Objects {
        Objects::new(&DeviceConfig::new("urn:dev:1", Zeroizing::new(vec![1; 16])))
    }

    fn put(path: [&str; 2], format: Format, payload: &[u8]) -> Request {
        let content_format = Some(format.number());
        Request { content_format, payload: payload.to_vec(), ..Request::new(Method::Put, &path) }
    }

    fn security(id: u16, format: Format) -> Zeroizing<Vec<u8>> {
        let object = SecurityObject {
            uri: "coaps://server".into(),
            bootstrap: false,
            mode: SecurityMode::Psk,
            identity: b"id".to_vec(),
            server_public_key: Vec::new(),
            secret_key: Zeroizing::new(vec![2; 16]),
            short_server_id: Some(id),
        };
        object.encode(format, 1).unwrap()
    }

    fn server(id: u16, format: Format) -> Zeroizing<Vec<u8>> {
        let binding = "U".to_owned();
        let object =
            ServerObject { short_server_id: id, lifetime: 60, notification_storing: true, binding };
        object.encode(format, 0).unwrap()
    }

    #[test]
    fn delete_spares_the_bootstrap_account() {
        let mut objects = objects();
        let code = objects.answer(&Request::new(Method::Delete, &[])).code;
        assert_eq!(code, Code::DELETED);
        assert_eq!(objects.security.keys().collect::<Vec<_>>(), [&BOOTSTRAP]);
        assert!(objects.servers.is_empty());
    }

    #[test]
    fn an_account_is_whole_when_both_its_objects_are_written() {
        for format in Format::ALL {
            let mut objects = objects();
            objects.answer(&Request::new(Method::Delete, &[]));
            objects.answer(&put(["1", "0"], format, &server(7, format)));
            assert_eq!(objects.check(), Err("a server has no security instance"));

            objects.answer(&put(["0", "1"], format, &security(7, format)));
            assert_eq!(objects.check().map(|account| account.short_server_id), Ok(7));
        }
    }

    #[test]
    fn a_second_bootstrap_account_is_inconsistent() {
        let mut objects = objects();
        let mut second = objects.security[&BOOTSTRAP].clone();
        second.short_server_id = None;
        let payload = second.encode(Format::Tlv, 5).unwrap();
        objects.answer(&put(["0", "5"], Format::Tlv, &payload));
        assert_eq!(objects.check(), Err("there must be one bootstrap account"));
    }
}
