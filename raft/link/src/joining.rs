//! How a node comes by its certificate: the first by a join token, each further one by the one
//! that it has. One question and one answer on a channel.

use crate::credential::{BadCredential, Credential, FreshKey};
use crate::incoming::DONE;
use crate::link::{self, Link};
use crate::stream::{self, Purpose};
use crate::{Counters, Identity, Role, Token, tls};
use claviger_raft::Channel;
use minicbor::{Decode, Encode};
use quinn::{Connection, Endpoint, EndpointConfig};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use zeroize::Zeroize;

/// The version of question and answer.
const VERSION: u8 = 1;

/// How long the cluster may take to decide.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a node asks.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// The id of its join token; none if it has a certificate.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub token: Option<[u8; 16]>,
    /// The secret of that token.
    #[cbor(n(1), with = "minicbor::bytes")]
    secret: Option<[u8; 16]>,
    /// Its id.
    #[n(2)]
    pub node: u64,
    /// Its public key, as SubjectPublicKeyInfo in DER.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub public: Vec<u8>,
    /// Where others reach it (host and port), if they do.
    #[n(4)]
    pub address: Option<String>,
}

impl Request {
    /// What a node with a join token asks.
    pub fn with(token: &Token, node: u64, key: &FreshKey, address: Option<&str>) -> Self {
        let mut request = Self::further(node, key, address);
        request.token = Some(token.id);
        request.secret = Some(*token.expose_secret());
        request
    }

    /// What a node that has a certificate asks.
    pub fn further(node: u64, key: &FreshKey, address: Option<&str>) -> Self {
        let (public, address) = (key.public().to_vec(), address.map(str::to_owned));
        Self { token: None, secret: None, node, public, address }
    }

    /// SHA-256 of the token's secret, as the ledger keeps it; nothing without one.
    pub fn secret_hash(&self) -> Option<[u8; 32]> {
        self.secret.as_ref().map(Token::hash)
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({:016x}, ..)", self.node)
    }
}

/// A ledger node, and where others reach it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Member {
    /// Its id.
    #[n(0)]
    pub id: u64,
    /// Host and port.
    #[n(1)]
    pub address: String,
}

/// What the cluster answers.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Answer {
    /// A certificate.
    #[n(0)]
    Granted {
        /// The node's certificate in DER.
        #[cbor(n(0), with = "minicbor::bytes")]
        certificate: Vec<u8>,
        /// The certificate of the authority in DER.
        #[cbor(n(1), with = "minicbor::bytes")]
        authority: Vec<u8>,
        /// The ledger nodes.
        #[n(2)]
        members: Vec<Member>,
    },
    /// Nothing, and why, in words for whoever runs the node.
    #[n(1)]
    Refused(#[n(0)] String),
}

/// Why a node has no certificate.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No ledger node could be reached, or it ended the channel.
    #[error("no node of the cluster answers: {0}")]
    Unreachable(#[from] io::Error),
    /// Who answered is not the cluster that the token is of.
    #[error("{address} is not of the cluster that the join token is of: {why}")]
    OtherCluster {
        /// Where it was reached.
        address: String,
        /// What it shows.
        why: String,
    },
    /// The cluster refuses.
    #[error("the cluster refuses: {0}")]
    Refused(String),
    /// What it gave is no certificate of this node.
    #[error("the cluster's answer is of no use: {0}")]
    BadAnswer(#[from] BadCredential),
}

fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    minicbor::encode(value, &mut bytes).expect("writing to memory succeeds");
    bytes
}

fn decode<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> io::Result<T> {
    let body = bytes.strip_prefix(&[VERSION]);
    let read = body.and_then(|body| minicbor::decode(body).ok());
    let unread = || io::Error::new(io::ErrorKind::InvalidData, "a frame that cannot be read");
    read.ok_or_else(unread)
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the channel ended without an answer")
}

/// Asks on a channel for joining.
///
/// # Errors
/// If there is no answer.
pub async fn ask(channel: Channel, request: &Request) -> io::Result<Answer> {
    let Channel { mut sender, mut receiver } = channel;
    let answered = timeout(PATIENCE, async {
        sender.send(encode(request)).await?;
        receiver.receive().await?.ok_or_else(silent)
    });
    decode(&answered.await.unwrap_or_else(|late| Err(late.into()))?)
}

/// Answers on a channel for joining with what `decide` says.
///
/// # Errors
/// If there is no question, or the answer cannot be sent.
pub async fn answer(
    channel: Channel,
    decide: impl AsyncFnOnce(Request) -> Answer,
) -> io::Result<()> {
    let Channel { mut sender, mut receiver } = channel;
    let asked = timeout(PATIENCE, receiver.receive()).await;
    let question = asked.unwrap_or_else(|late| Err(late.into()))?.ok_or_else(silent)?;
    let answer = decide(decode(&question)?).await;
    sender.send(encode(&answer)).await
}

/// Joins: as node `node` with this key, by a token, at the first of these addresses that answers.
/// Gives what the node shows from now on, and the ledger nodes.
///
/// # Errors
/// [`JoinError`] of the last address.
pub async fn join(
    token: &Token,
    addresses: &[String],
    node: u64,
    key: &FreshKey,
    address: Option<&str>,
    now: Duration,
) -> Result<(Credential, Vec<Member>), JoinError> {
    let request = Request::with(token, node, key, address);
    let none = io::Error::new(io::ErrorKind::InvalidInput, "no address of a node is given");
    let mut failed = JoinError::Unreachable(none);
    for at in addresses {
        match ask_stranger(token, at, &request).await {
            Ok(answer) => {
                // Its authority may be the successor of the token's: who answers is believed.
                return read(answer, token.cluster, token.role(), node, key, now);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Looks who is at `address`: a ledger node of the token's cluster. The token is not shown.
///
/// # Errors
/// [`JoinError`] if it is somebody else, or nobody.
pub async fn probe(token: &Token, address: &str) -> Result<Identity, JoinError> {
    let (endpoint, connection, identity) = reach(token, address).await?;
    connection.close(DONE, b"");
    endpoint.wait_idle().await;
    Ok(identity)
}

/// Connects to the node at `at`, which must be a ledger node of the token's cluster.
async fn reach(token: &Token, at: &str) -> Result<(Endpoint, Connection, Identity), JoinError> {
    let other = |why: String| JoinError::OtherCluster { address: at.to_owned(), why };
    let config = tls::stranger(token.authority).map_err(|error| other(error.to_string()))?;
    let endpoint = link::endpoint(EndpointConfig::default(), None, None)?;
    let connected = link::connect(&endpoint, &link::client(config), at).await;
    let connection = connected.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::NotFound => JoinError::Unreachable(error),
        _ => other(error.to_string()),
    })?;
    match tls::peer(&connection, token.cluster) {
        Ok(Some(peer)) if peer.identity.role == Role::Ledger => {
            Ok((endpoint, connection, peer.identity))
        }
        _ => Err(other("its certificate is none of a ledger node".to_owned())),
    }
}

/// Asks the node at `at`, which must be a ledger node of the token's cluster.
async fn ask_stranger(token: &Token, at: &str, request: &Request) -> Result<Answer, JoinError> {
    let (endpoint, connection, _) = reach(token, at).await?;
    let (mut send, receive) = connection.open_bi().await.map_err(io::Error::from)?;
    send.write_all(&[Purpose::Join.byte()]).await.map_err(io::Error::from)?;
    let (limit, counters) = (stream::limit(Purpose::Join), Arc::new(Counters::default()));
    let channel = stream::channel(Purpose::Join, (send, receive), limit, &counters, None);
    let answer = ask(channel, request).await?;
    connection.close(DONE, b"");
    endpoint.wait_idle().await;
    Ok(answer)
}

/// What an answer gives to the node that asked.
fn read(
    answer: Answer,
    cluster: [u8; 16],
    role: Role,
    node: u64,
    key: &FreshKey,
    now: Duration,
) -> Result<(Credential, Vec<Member>), JoinError> {
    match answer {
        Answer::Granted { certificate, authority, members } => {
            let credential = Credential::new(key, certificate, authority, now)?;
            if credential.identity() != (Identity { cluster, role, node }) {
                return Err(BadCredential::Certificate.into());
            }
            Ok((credential, members))
        }
        Answer::Refused(why) => Err(JoinError::Refused(why)),
    }
}

impl Link {
    /// Asks the ledger node `to` at `at` for the next certificate of this node, and shows it from
    /// then on. Others reach this node at `address`, if they do.
    ///
    /// # Errors
    /// [`JoinError`].
    pub async fn renew(
        &self,
        to: u64,
        at: &str,
        key: &FreshKey,
        address: Option<&str>,
        now: Duration,
    ) -> Result<(Credential, Vec<Member>), JoinError> {
        let Identity { cluster, role, node } = self.identity();
        let channel = self.open(to, at, Purpose::Join).await?;
        let answer = ask(channel, &Request::further(node, key, address)).await?;
        let (credential, members) = read(answer, cluster, role, node, key, now)?;
        self.show(&credential)?;
        Ok((credential, members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn request() -> Request {
        let (token, secret) = (Some([1; 16]), Some([2; 16]));
        Request { token, secret, node: 3, public: vec![4; 4], address: Some("a:1".to_owned()) }
    }

    fn granted() -> Answer {
        let members = vec![Member { id: 1, address: "b:2".to_owned() }];
        Answer::Granted { certificate: vec![5; 4], authority: vec![6; 4], members }
    }

    #[test]
    fn question_and_answer_stay_the_bytes_that_they_were_at_first() {
        let asked = "018550010101010101010101010101010101015002020202020202020202020202020202034404040404\
                     63613a31";
        let given = "0182008344050505054406060606818201 6362 3a32".replace(' ', "");
        let refused = "018201816 26e6f".replace(' ', "");
        assert_eq!(HEXLOWER.encode(&encode(&request())), asked);
        assert_eq!(HEXLOWER.encode(&encode(&granted())), given);
        assert_eq!(HEXLOWER.encode(&encode(&Answer::Refused("no".to_owned()))), refused);
        assert_eq!(decode::<Request>(&encode(&request())).unwrap(), request());
        assert_eq!(decode::<Answer>(&encode(&granted())).unwrap(), granted());
    }

    #[test]
    fn any_question_with_a_byte_changed_or_cut_short_is_read_or_refused() {
        for frame in [encode(&request()), encode(&granted())] {
            for at in 0..frame.len() {
                assert!(decode::<Request>(&frame[..at]).is_err());
                for value in 0..=u8::MAX {
                    let mut changed = frame.clone();
                    changed[at] = value;
                    drop(decode::<Request>(&changed));
                    drop(decode::<Answer>(&changed));
                }
            }
        }
    }
}
