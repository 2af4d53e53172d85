//! Who lets nodes in: it keeps the authority in the ledger, makes join tokens, and decides on what
//! nodes ask for.
//!
//! Any ledger node can have one: what must be decided once is decided by the ledger. It needs the
//! key that the authority's private key is sealed with.

use crate::joining::{Answer, Member, Request};
use crate::{
    Authority, BadCredential, Credential, FreshKey, Identity, NotIssued, Peer, Role, Token,
};
use aws_lc_rs::rand;
use claviger_ledger::{
    AdmitNode, Command, CreateJoinToken, Envelope, Ledger, NodeAuthority, NodeRole,
    NoteNodeCertificate, Outcome, PutNodeAuthority, Refusal, RequestId, Unavailable, View,
};
use claviger_seal::{DoesNotOpen, Keyring, Label, Sealed};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long a node waits for a certificate after its last one.
const PAUSE: Duration = Duration::from_secs(60);
/// What the authority's private key is sealed with is a key of the cluster for this.
const PURPOSE: &str = "authority";

/// Who lets nodes in.
pub struct Registrar {
    ledger: Arc<dyn Ledger>,
    keys: Arc<Keyring>,
    authority: OnceLock<Arc<Authority>>,
}

impl fmt::Debug for Registrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registrar")
    }
}

/// Why no certificate is issued, or no token made.
#[derive(Debug, thiserror::Error)]
pub enum RegistrarError {
    /// The ledger does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The ledger refuses.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The cluster is not founded yet.
    #[error("the cluster is not founded yet")]
    NotFounded,
    /// This node has no key of the cluster.
    #[error(transparent)]
    Sealed(#[from] Sealed),
    /// The authority's private key does not open.
    #[error("the private key of the cluster's authority does not open under this node's key")]
    DoesNotOpen(#[from] DoesNotOpen),
    /// The certificate cannot be made.
    #[error(transparent)]
    NotIssued(#[from] NotIssued),
    /// What was issued is of no use.
    #[error(transparent)]
    BadCredential(#[from] BadCredential),
    /// A node asks too often.
    #[error("it was given a certificate a moment ago: ask again in a minute")]
    TooSoon,
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    NoRandomness,
}

impl From<Role> for NodeRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Ledger => Self::Ledger,
            Role::Edge => Self::Edge,
        }
    }
}

fn random<const N: usize>() -> Result<[u8; N], RegistrarError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| RegistrarError::NoRandomness)?;
    Ok(bytes)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Registrar {
    /// One over this ledger; a key of the cluster on this ring seals the authority's private key.
    /// What it proposes must reach the leader, wherever that is.
    pub fn new(ledger: Arc<dyn Ledger>, keys: Arc<Keyring>) -> Self {
        Self { ledger, keys, authority: OnceLock::new() }
    }

    /// Something of the ledger's rows.
    fn look<T: Default>(&self, look: impl Fn(&View<'_>) -> T) -> T {
        let mut found = T::default();
        self.ledger.read(&mut |rows| found = look(&View::new(rows)));
        found
    }

    async fn propose(
        &self,
        command: impl Into<Command>,
        now: Duration,
    ) -> Result<(), RegistrarError> {
        let request = RequestId(random()?);
        let envelope = Envelope::new(milliseconds(now), request, command.into());
        match self.ledger.propose(envelope).await? {
            Outcome::Refused(why) => Err(why.into()),
            _ => Ok(()),
        }
    }

    /// The cluster's authority. Where there is none yet, it is made, and the ledger keeps the
    /// first that anybody made.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub async fn authority(&self, now: Duration) -> Result<Arc<Authority>, RegistrarError> {
        if let Some(authority) = self.authority.get() {
            return Ok(authority.clone());
        }
        let cluster = self.look(|view| view.meta()).ok_or(RegistrarError::NotFounded)?.cluster;
        if self.look(|view| view.node_authority()).is_none() {
            self.make(cluster, now).await?;
            self.ledger.confirm().await?;
        }
        let kept = self.look(|view| view.node_authority()).ok_or(Unavailable::NoLeader)?;
        let key = self.keys.cluster_key(PURPOSE)?;
        let private = key.open(Label::Authority { cluster: &cluster }, &kept.sealed_key)?;
        let authority = Arc::new(Authority::open(cluster, &private, kept.certificate)?);
        Ok(self.authority.get_or_init(|| authority).clone())
    }

    async fn make(&self, cluster: [u8; 16], now: Duration) -> Result<(), RegistrarError> {
        let (private, certificate) = Authority::make(cluster, now)?;
        let label = Label::Authority { cluster: &cluster };
        let sealed_key = self.keys.cluster_key(PURPOSE)?.seal(label, &private, random()?);
        let authority = NodeAuthority { certificate, sealed_key, created_at: 0 };
        match self.propose(PutNodeAuthority { authority }, now).await {
            // Somebody else was first.
            Err(RegistrarError::Refused(Refusal::Taken { .. })) => Ok(()),
            made => made,
        }
    }

    /// A token that lets in `uses` nodes of this role, from `now` on for as long as `valid`.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub async fn token(
        &self,
        role: Role,
        uses: u32,
        valid: Duration,
        now: Duration,
    ) -> Result<Token, RegistrarError> {
        let authority = self.authority(now).await?;
        let token = Token::new(authority.cluster(), authority.pin(), random()?, random()?, role);
        let command = CreateJoinToken {
            token: token.id,
            role: role.into(),
            secret_hash: Token::hash(token.expose_secret()),
            expires_at: milliseconds(now.saturating_add(valid)),
            uses,
        };
        self.propose(command, now).await?;
        Ok(token)
    }

    /// A certificate for this node itself, which is one of the ledger's.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub async fn certify(
        &self,
        node: u64,
        key: &FreshKey,
        now: Duration,
    ) -> Result<Credential, RegistrarError> {
        self.authority(now).await?;
        self.propose(note(node, Role::Ledger, key.public(), now), now).await?;
        self.certify_alone(node, key, now).await
    }

    /// The same by this node's own rows, for one that reaches no leader without it: the ledger
    /// does not know of it before the next [`Registrar::certify`].
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub async fn certify_alone(
        &self,
        node: u64,
        key: &FreshKey,
        now: Duration,
    ) -> Result<Credential, RegistrarError> {
        self.look(|view| view.node_authority()).ok_or(RegistrarError::NotFounded)?;
        let authority = self.authority(now).await?;
        let certificate = authority.issue(Role::Ledger, node, key.public(), random()?, now)?;
        Ok(Credential::new(key, certificate, authority.certificate().to_vec(), now)?)
    }

    /// Decides on what `peer` asks for; `members` are the ledger nodes that it is told of. The
    /// refusal is in words for whoever runs that node.
    pub async fn decide(
        &self,
        peer: Peer,
        request: &Request,
        members: Vec<Member>,
        now: Duration,
    ) -> Answer {
        let granted = match (peer, request.token, request.secret_hash()) {
            (Peer::Node(identity, shown), None, None) => {
                self.renew(identity, shown, request, now).await
            }
            (Peer::Stranger, Some(token), Some(hash)) => {
                self.admit(token, hash, request, now).await
            }
            _ => return Answer::Refused("a join token or a certificate is needed".to_owned()),
        };
        match granted {
            Ok((certificate, authority)) => Answer::Granted { certificate, authority, members },
            Err(error) => Answer::Refused(error.to_string()),
        }
    }

    async fn renew(
        &self,
        identity: Identity,
        shown: [u8; 32],
        request: &Request,
        now: Duration,
    ) -> Result<(Vec<u8>, Vec<u8>), RegistrarError> {
        let Identity { role, node, .. } = identity;
        if request.node != node {
            let what = "certificate of yours for node".to_owned();
            return Err(Refusal::NotFound { what, name: format!("{:016x}", request.node) }.into());
        }
        let until = milliseconds(now + Authority::lifetime(role));
        let kept = self.look(|view| view.node(node)).map_or(0, |node| node.certified_until);
        if kept.saturating_add(milliseconds(PAUSE)) > until {
            return Err(RegistrarError::TooSoon);
        }
        let issued = self.issue(role, request, now).await?;
        let command = note(node, role, &request.public, now);
        self.propose(NoteNodeCertificate { shown: Some(shown), ..command }, now).await?;
        Ok(issued)
    }

    async fn admit(
        &self,
        token: [u8; 16],
        secret_hash: [u8; 32],
        request: &Request,
        now: Duration,
    ) -> Result<(Vec<u8>, Vec<u8>), RegistrarError> {
        // A stranger proposes nothing: one whose token is not here is turned away before.
        let invalid = || Refusal::NotFound {
            what: "join token that is valid".to_owned(),
            name: RequestId(token).to_string(),
        };
        let kept = self.look(|view| view.join_token(&token)).ok_or_else(invalid)?;
        let alike = subtle::ConstantTimeEq::ct_eq(&kept.secret_hash[..], &secret_hash[..]);
        if !bool::from(alike) {
            return Err(invalid().into());
        }
        let role = match kept.role {
            NodeRole::Ledger => Role::Ledger,
            NodeRole::Edge => Role::Edge,
        };
        let issued = self.issue(role, request, now).await?;
        let command = AdmitNode {
            token,
            secret_hash,
            node: request.node,
            role: kept.role,
            key_hash: Sha256::digest(&request.public).into(),
            certified_until: milliseconds(now + Authority::lifetime(role)),
        };
        self.propose(command, now).await?;
        Ok(issued)
    }

    /// A certificate, which nobody has before the ledger noted it, and that of the authority.
    async fn issue(
        &self,
        role: Role,
        request: &Request,
        now: Duration,
    ) -> Result<(Vec<u8>, Vec<u8>), RegistrarError> {
        let authority = self.authority(now).await?;
        let certificate = authority.issue(role, request.node, &request.public, random()?, now)?;
        Ok((certificate, authority.certificate().to_vec()))
    }
}

fn note(node: u64, role: Role, public: &[u8], now: Duration) -> NoteNodeCertificate {
    NoteNodeCertificate {
        node,
        role: role.into(),
        key_hash: Sha256::digest(public).into(),
        certified_until: milliseconds(now + Authority::lifetime(role)),
        shown: None,
    }
}
