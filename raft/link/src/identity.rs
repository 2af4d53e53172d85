//! Who a node is: its cluster, its role and its id, as its certificate's URI says it.

use data_encoding::HEXLOWER;
use std::fmt;
use std::str::FromStr;

/// What a node is to its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// It has a replica of the ledger.
    Ledger,
    /// It has sockets for devices and nothing of the ledger.
    Edge,
}

impl Role {
    /// Its name in certificates, metrics and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Edge => "edge",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no role or no node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a node of a cluster")]
pub struct Malformed;

impl FromStr for Role {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        [Self::Ledger, Self::Edge].into_iter().find(|role| role.as_str() == text).ok_or(Malformed)
    }
}

/// Who a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The cluster's id.
    pub cluster: [u8; 16],
    /// The node's role.
    pub role: Role,
    /// The node's id.
    pub node: u64,
}

/// `spiffe://<cluster>/<role>/<node>`, with both ids in lower-case hexadecimal.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cluster = HEXLOWER.encode(&self.cluster);
        write!(f, "spiffe://{cluster}/{}/{:016x}", self.role, self.node)
    }
}

impl FromStr for Identity {
    type Err = Malformed;

    /// Reads exactly what is written: there is one text for an identity.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut parts = text.strip_prefix("spiffe://").ok_or(Malformed)?.split('/');
        let mut part = || parts.next().ok_or(Malformed);
        let (cluster, role, node) = (part()?, part()?.parse()?, part()?);
        let cluster = HEXLOWER.decode(cluster.as_bytes()).map_err(|_| Malformed)?;
        let cluster = cluster.try_into().map_err(|_| Malformed)?;
        let node = u64::from_str_radix(node, 16).map_err(|_| Malformed)?;
        let identity = Self { cluster, role, node };
        if identity.to_string() == text { Ok(identity) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGE: Identity = Identity { cluster: [0xab; 16], role: Role::Edge, node: 0xbeef };

    #[test]
    fn an_identity_reads_back_as_written() {
        let text = "spiffe://abababababababababababababababab/edge/000000000000beef";
        assert_eq!(EDGE.to_string(), text);
        assert_eq!(text.parse(), Ok(EDGE));
    }

    #[test]
    fn no_other_text_is_an_identity() {
        let cluster = "abababababababababababababababab";
        for text in [
            "".to_owned(),
            format!("https://{cluster}/edge/000000000000beef"),
            format!("spiffe://{cluster}/edge/beef"),
            format!("spiffe://{cluster}/edge/+00000000000beef"),
            format!("spiffe://{cluster}/edge/000000000000BEEF"),
            format!("spiffe://{cluster}/edge/000000000000beef/"),
            format!("spiffe://{cluster}/king/000000000000beef"),
            "spiffe://ab/edge/000000000000beef".to_owned(),
        ] {
            assert_eq!(text.parse::<Identity>(), Err(Malformed), "{text}");
        }
    }
}
