//! Values of a node's place in a cluster.

use core::net::SocketAddr;
use serde::{Deserialize, Serialize};

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It holds the sockets that devices come to.
    Edge,
    /// It holds a copy of the ledger, and serves the API.
    Ledger,
}

impl Role {
    const ALL: [(&str, Self); 2] = [("edge", Self::Edge), ("ledger", Self::Ledger)];
}

/// The roles of a node; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Roles(Vec<Role>);

impl Roles {
    /// Whether it has this one.
    pub fn have(&self, role: Role) -> bool {
        self.0.contains(&role)
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self(Role::ALL.map(|(_, role)| role).to_vec())
    }
}

impl TryFrom<Vec<String>> for Roles {
    type Error = &'static str;

    fn try_from(names: Vec<String>) -> Result<Self, Self::Error> {
        let role = |name: &String| Role::ALL.iter().find(|(known, _)| known == name);
        if names.is_empty() || names.iter().any(|name| role(name).is_none()) {
            return Err("expected some of edge, ledger");
        }
        let named = Role::ALL.into_iter().filter(|(known, _)| names.iter().any(|it| it == known));
        Ok(Self(named.map(|(_, role)| role).collect()))
    }
}

impl From<Roles> for Vec<String> {
    fn from(roles: Roles) -> Self {
        let all = Role::ALL.into_iter().filter(|(_, role)| roles.have(*role));
        all.map(|(name, _)| name.to_owned()).collect()
    }
}

/// An address to listen at, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddress(Option<SocketAddr>);

impl ListenAddress {
    /// The address.
    pub const fn get(self) -> Option<SocketAddr> {
        self.0
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let address = text.parse().map_err(|_| "expected an address such as 10.0.0.1:5685")?;
        Ok(Self(Some(address)))
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.0.map(|address| address.to_string()).unwrap_or_default()
    }
}

/// Where a node is reached by others: a host and a port; or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeAddress(String);

impl NodeAddress {
    /// The address; none if it is empty.
    pub fn get(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|text| !text.is_empty())
    }
}

impl TryFrom<String> for NodeAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let words = "expected a host and a port such as node-1.example:5685";
        let Some((host, port)) = text.rsplit_once(':') else {
            return if text.is_empty() { Ok(Self(text)) } else { Err(words) };
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]%".contains(c);
        let fits = !host.is_empty() && host.len() <= 255 && host.chars().all(plain);
        let port = port.parse::<u16>().is_ok_and(|port| port > 0);
        if fits && port { Ok(Self(text)) } else { Err(words) }
    }
}

impl From<NodeAddress> for String {
    fn from(address: NodeAddress) -> Self {
        address.0
    }
}

/// A listener's name; none is where it listens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenerName(String);

impl ListenerName {
    /// The name; none if it is empty.
    pub fn get(&self) -> Option<&str> {
        Some(self.0.as_str()).filter(|text| !text.is_empty())
    }
}

impl TryFrom<String> for ListenerName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if name.len() <= 64 && name.chars().all(fits) {
            Ok(Self(name))
        } else {
            Err("a listener's name has at most 64 letters, digits, `-`, `_`, `.` or `:`")
        }
    }
}

impl From<ListenerName> for String {
    fn from(name: ListenerName) -> Self {
        name.0
    }
}
