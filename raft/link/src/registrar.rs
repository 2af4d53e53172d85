//! Who lets nodes in: it keeps the authority in the ledger, makes join tokens, and decides on what
//! nodes ask for.
//!
//! Any ledger node can have one: what must be decided once is decided by the ledger. It needs the
//! key that the authority's private key is sealed with.

use crate::authority::begins;
use crate::joining::{Answer, Member, Request};
use crate::{
    Authority, BadCredential, Credential, FreshKey, Identity, NotIssued, Peer, Role, Token,
};
use aws_lc_rs::rand;
use claviger_ledger::{
    AdmitNode, Command, CreateJoinToken, Envelope, Ledger, NodeAuthority, NodeRecord, NodeRole,
    NoteNodeCertificate, Outcome, PutNodeAuthority, Refusal, ReplaceNodeAuthority, RequestId,
    RetireNodeAuthority, RetiringAuthority, Unavailable, View,
};
use claviger_seal::{DoesNotOpen, Keyring, Label, Sealed};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a node waits for a certificate after its last one.
const PAUSE: Duration = Duration::from_secs(60);
/// The level from which on the ledger keeps who issued a certificate.
const NAMES_ISSUERS: u32 = 5;
/// What the authority's private key is sealed with is a key of the cluster for this.
const PURPOSE: &str = "authority";

/// Who lets nodes in.
pub struct Registrar {
    ledger: Arc<dyn Ledger>,
    keys: Arc<Keyring>,
    /// The one that was opened last.
    authority: Mutex<Option<Arc<Authority>>>,
}

/// The authorities of a cluster, as certificates in DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities {
    /// Those that a node is to believe, the newest first.
    pub believed: Vec<Vec<u8>>,
    /// What it shows behind a certificate of the newest, for those who believe one before.
    pub bridge: Vec<Vec<u8>>,
}

impl Authorities {
    /// Whether this one (a certificate in DER) is the newest of them, or newer.
    pub(crate) fn are_led_by(&self, authority: &[u8]) -> bool {
        let newer = |newest: &Vec<u8>| newest == authority || begins(authority) > begins(newest);
        self.believed.first().is_none_or(newer)
    }
}

/// How far the cluster has gone over from one authority to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handover {
    /// When the newest authority was made, in ms since the Unix epoch.
    pub since: u64,
    /// True while the one before is trusted.
    pub replaces: bool,
    /// How many nodes have a certificate that holds.
    pub nodes: usize,
    /// How many of these are of the authority before.
    pub left: usize,
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

impl From<NodeRole> for Role {
    fn from(role: NodeRole) -> Self {
        match role {
            NodeRole::Ledger => Self::Ledger,
            NodeRole::Edge => Self::Edge,
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
        Self { ledger, keys, authority: Mutex::new(None) }
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
        let known = self.authority.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let kept = self.look(|view| view.node_authority());
        if let (Some(known), Some(kept)) = (known, kept)
            && known.certificate() == kept.certificate
        {
            return Ok(known);
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
        *self.authority.lock().unwrap_or_else(PoisonError::into_inner) = Some(authority.clone());
        Ok(authority)
    }

    /// Puts another authority in the place of the one that there is, which stays trusted until
    /// [`Registrar::retire`].
    ///
    /// # Errors
    /// [`RegistrarError`]; also while another one is being replaced.
    pub async fn replace(&self, now: Duration) -> Result<(), RegistrarError> {
        self.ledger.confirm().await?;
        let old = self.authority(now).await?;
        let mut authority = self.new_authority(old.cluster(), old.succeeded(now))?;
        let cross = old.cross(&authority.certificate, now)?;
        let certificate = old.certificate().to_vec();
        authority.retiring = Some(RetiringAuthority { certificate, cross });
        self.propose(ReplaceNodeAuthority { authority }, now).await
    }

    /// How far nodes have gone over to the newest authority; nothing before there is one.
    pub fn handover(&self, now: Duration) -> Option<Handover> {
        let (authority, nodes) = self.look(|view| Some((view.node_authority()?, view.nodes())))?;
        let now = milliseconds(now);
        let holds = |node: &&NodeRecord| !node.dismissed && node.certified_until > now;
        let nodes: Vec<_> = nodes.iter().map(|(_, node)| node).filter(holds).collect();
        let newest = authority.name();
        let is_of_before = |node: &&&NodeRecord| match node.issuer {
            Some(issuer) => issuer != newest,
            // What was noted before level 5 says it by its time alone.
            None => {
                let lifetime = Authority::lifetime(Role::from(node.role));
                node.certified_until < authority.created_at.saturating_add(milliseconds(lifetime))
            }
        };
        let replaces = authority.retiring.is_some();
        let left = if replaces { nodes.iter().filter(is_of_before).count() } else { 0 };
        Some(Handover { since: authority.created_at, replaces, nodes: nodes.len(), left })
    }

    /// Ends the trust in the authority before, if no certificate of that holds any more.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub async fn retire(&self, now: Duration) -> Result<(), RegistrarError> {
        let retiring = self.look(|view| view.node_authority()?.retiring);
        match (retiring, self.handover(now)) {
            (Some(RetiringAuthority { certificate, .. }), Some(Handover { left: 0, .. })) => {
                self.propose(RetireNodeAuthority { certificate }, now).await
            }
            _ => Ok(()),
        }
    }

    /// The authorities that nodes are to believe; nothing before there is one.
    pub fn believed(&self) -> Option<Authorities> {
        let NodeAuthority { certificate, retiring, .. } =
            self.look(|view| view.node_authority())?;
        let mut authorities = Authorities { believed: vec![certificate], bridge: Vec::new() };
        if let Some(RetiringAuthority { certificate, cross }) = retiring {
            authorities.bridge = vec![cross, certificate.clone()];
            authorities.believed.push(certificate);
        }
        Some(authorities)
    }

    /// A new authority of the cluster, with its private key sealed.
    fn new_authority(
        &self,
        cluster: [u8; 16],
        now: Duration,
    ) -> Result<NodeAuthority, RegistrarError> {
        let (private, certificate) = Authority::make(cluster, now)?;
        let label = Label::Authority { cluster: &cluster };
        let sealed_key = self.keys.cluster_key(PURPOSE)?.seal(label, &private, random()?);
        Ok(NodeAuthority { certificate, sealed_key, created_at: 0, retiring: None })
    }

    async fn make(&self, cluster: [u8; 16], now: Duration) -> Result<(), RegistrarError> {
        let authority = self.new_authority(cluster, now)?;
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
        let token = self.new_token(role, now).await?;
        self.make_token(token, uses, valid, now).await
    }

    /// A token that lets in the ledger node `node` alone, once, under the id that it had, whatever
    /// became of its certificate.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub async fn returning(
        &self,
        node: u64,
        valid: Duration,
        now: Duration,
    ) -> Result<Token, RegistrarError> {
        let token = self.new_token(Role::Ledger, now).await?.for_return(node);
        self.make_token(token, 1, valid, now).await
    }

    async fn new_token(&self, role: Role, now: Duration) -> Result<Token, RegistrarError> {
        let authority = self.authority(now).await?;
        Ok(Token::new(authority.cluster(), authority.pin(), random()?, random()?, role))
    }

    async fn make_token(
        &self,
        token: Token,
        uses: u32,
        valid: Duration,
        now: Duration,
    ) -> Result<Token, RegistrarError> {
        let command = CreateJoinToken {
            token: token.id,
            role: token.role().into(),
            secret_hash: Token::hash(token.expose_secret()),
            expires_at: milliseconds(now.saturating_add(valid)),
            uses,
            returns: token.returns,
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
        let authority = self.authority(now).await?;
        let command = note(node, Role::Ledger, key.public(), now);
        let issuer = self.issuer(authority.certificate());
        self.propose(NoteNodeCertificate { issuer, ..command }, now).await?;
        own(&authority, node, key, now)
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
        own(&authority, node, key, now)
    }

    /// What the ledger notes as the issuer of a certificate, once all nodes know that it does.
    fn issuer(&self, authority: &[u8]) -> Option<[u8; 32]> {
        let level = self.look(|view| view.meta()).map_or(0, |meta| meta.level);
        (level >= NAMES_ISSUERS).then(|| NodeAuthority::name_of(authority))
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
        let (shown, issuer) = (Some(shown), self.issuer(&issued.1));
        self.propose(NoteNodeCertificate { shown, issuer, ..command }, now).await?;
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
        let role = Role::from(kept.role);
        let issued = self.issue(role, request, now).await?;
        let command = AdmitNode {
            token,
            secret_hash,
            node: request.node,
            role: kept.role,
            key_hash: Sha256::digest(&request.public).into(),
            certified_until: milliseconds(now + Authority::lifetime(role)),
            issuer: self.issuer(&issued.1),
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
        issuer: None,
    }
}

/// What a node of the ledger shows that has the authority's key itself.
fn own(
    authority: &Authority,
    node: u64,
    key: &FreshKey,
    now: Duration,
) -> Result<Credential, RegistrarError> {
    let certificate = authority.issue(Role::Ledger, node, key.public(), random()?, now)?;
    Ok(Credential::new(key, certificate, authority.certificate().to_vec(), now)?)
}
