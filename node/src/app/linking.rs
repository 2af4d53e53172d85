//! How a node of the ledger comes into its cluster, and stays linked with it.

use super::StartError;
use super::founding::World;
use super::leader::Begins;
use crate::cluster::hub::Hub;
use crate::cluster::link::{self, Door, Late};
use crate::cluster::operator::Operator;
use crate::config::Config;
use crate::secret_file;
use claviger_front::Peer;
use claviger_ledger::View;
use claviger_link::{Credential, FreshKey, JoinError, Link, LinkConfig, Member, Registrar, Token};
use claviger_machine::Crypto;
use core::time::Duration;
use std::io;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The longest join token.
const TOKEN: usize = 1024;
/// The file with the id of the token that a node has come back by.
const RETURNED: &str = "returned-by";
/// The pause before a cluster that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// What it takes.
pub(super) struct Linking<'a> {
    pub(super) config: &'a Config,
    pub(super) world: &'a World,
    pub(super) hub: &'a Arc<Hub>,
    pub(super) operator: &'a Arc<dyn Operator>,
    pub(super) registrar: &'a Arc<Registrar>,
    pub(super) late: &'a Late,
    /// The nodes of the ledger, as this one knows them.
    pub(super) nodes: &'a watch::Sender<Vec<Peer>>,
    pub(super) socket: UdpSocket,
    /// True if this node is to found a cluster.
    pub(super) init: bool,
    /// What this node waits for, in words.
    pub(super) waits: watch::Sender<Option<String>>,
    pub(super) tasks: &'a mut JoinSet<()>,
}

impl Linking<'_> {
    /// Founds, joins or goes on, and serves the others from then on.
    pub(super) async fn start(self, begins: Begins) -> Result<(), StartError> {
        let bound = self.socket.local_addr().map_err(StartError::Link)?;
        let address = self.config.cluster.advertise.get();
        let address = address.map_or_else(|| bound.to_string(), ToOwned::to_owned);
        let path = folder(&self.config.node.data)?.join("credential");
        let (credential, renews) = self.credential(&path, &address, begins).await?;
        let World { clock, ledger, .. } = self.world;
        let admits = link::admits(ledger);
        let config = LinkConfig { listen: Some(self.socket), credential, admits };
        let (link, incomings) = Link::new(config).map_err(StartError::Link)?;
        tracing::info!(node = %link.identity(), address, "linked");
        self.late.set(link.clone());
        let door = Door {
            node: ledger.clone(),
            hub: self.hub.clone(),
            registrar: self.registrar.clone(),
            operator: self.operator.clone(),
            nodes: self.nodes.subscribe(),
            clock: clock.clone(),
        };
        self.tasks.spawn(link::follow_members(ledger.clone(), self.nodes.clone()));
        self.tasks.spawn(door.serve(incomings));
        let (registrar, clock) = (self.registrar.clone(), clock.clone());
        self.tasks.spawn(link::follow_authority(
            link.clone(),
            ledger.clone(),
            registrar.clone(),
            self.hub.clone(),
            clock.clone(),
        ));
        let noticing = link::notice_disbelief(link.clone(), ledger.clone(), self.waits.clone());
        self.tasks.spawn(noticing);
        self.tasks.spawn(link::renew_own(link, registrar, path, renews, clock));
        // It ends once the others know.
        let keeping = link::keep_address(ledger.clone(), self.operator.clone(), address);
        drop(tokio::spawn(keeping));
        Ok(())
    }

    /// What this node shows of itself, and when it is to be renewed.
    async fn credential(
        &self,
        path: &Path,
        address: &str,
        begins: Begins,
    ) -> Result<(Credential, Duration), StartError> {
        let World { clock, ledger, .. } = self.world;
        let unusable = |words: String| StartError::Credential { path: path.to_owned(), words };
        let has_group = ledger.is_in_group().await;
        let status = ledger.status();
        let alone = status.members.len() == 1 && status.members[0].id == ledger.id();
        let kept = match Credential::kept(path, clock.now()) {
            Ok(kept) => kept,
            // One whose time is over is replaced, by a token if need be.
            Err(claviger_link::BadFile::BadCredential(why)) => {
                tracing::warn!(%why, "the kept credential is of no use any more");
                None
            }
            Err(error) => return Err(unusable(error.to_string())),
        };
        if self.init && (has_group || kept.is_some()) {
            return Err(StartError::Init("this node is in one: start it without"));
        }
        if has_group
            && !alone
            && let Some(token) = self.returning(path)
        {
            match self.join(path, address, has_group).await {
                Ok(joined) => {
                    tracing::info!("this node has come back by its token");
                    returned(path, &token)?;
                    let renews = joined.renews();
                    return Ok((joined, renews));
                }
                // A token that lay there from another time takes nothing away.
                Err(error) if kept.is_some() => {
                    tracing::warn!(%error, "the token to come back by is of no use");
                }
                Err(error) => return Err(error),
            }
        }
        // One of before a restore or a recovery is another node's, or of an authority that is gone.
        let fits = |kept: &Credential| {
            kept.identity().node == ledger.id() && (!alone || self.has_authority(kept.authority()))
        };
        if let Some(kept) = kept.filter(fits) {
            let renews = kept.renews();
            return Ok((kept, renews));
        }
        if self.init {
            let founded = ledger.found(address).await;
            founded.map_err(|error| StartError::Ledger(error.to_string()))?;
        } else if !alone {
            if has_group && let Some(made) = self.certified_alone().await {
                made.keep(path).map_err(|error| unusable(error.to_string()))?;
                return Ok((made, Duration::ZERO));
            }
            let joined = self.join(path, address, has_group).await?;
            let renews = joined.renews();
            return Ok((joined, renews));
        }
        let words = "this node waits for a leader: more than half of the voters must run";
        self.waits.send_replace(Some(words.to_owned()));
        begins.done().await?;
        let key = fresh()?;
        let made = self.registrar.certify(ledger.id(), &key, clock.now()).await;
        let made = made.map_err(|error| StartError::Certificate(error.to_string()))?;
        made.keep(path).map_err(|error| unusable(error.to_string()))?;
        let renews = made.renews();
        Ok((made, renews))
    }

    /// The token that was made for this node to come back by, if it has one and did not use it yet: what
    /// it shows may be of an authority that nobody believes any more, which it cannot tell by itself.
    fn returning(&self, path: &Path) -> Option<Token> {
        // Whoever has joined needs its file no more.
        let token = token(&self.config.token()?).ok()?;
        let used = std::fs::read(path.with_file_name(RETURNED)).ok();
        let is_used = used.is_some_and(|used| used == token.id);
        let is_mine = token.returns == Some(self.world.ledger.id());
        (is_mine && !is_used).then_some(token)
    }

    /// A certificate of a member whose own is lost or over: it can open the authority's key. So a
    /// cluster that was off for longer than certificates hold comes back.
    async fn certified_alone(&self) -> Option<Credential> {
        let World { clock, ledger, keeper, .. } = self.world;
        if let Err(error) = keeper.open().await {
            tracing::warn!(%error, "sealed: this node cannot certify itself");
            return None;
        }
        let made = self.registrar.certify_alone(ledger.id(), &fresh().ok()?, clock.now()).await;
        made.inspect_err(|error| tracing::warn!(%error, "this node cannot certify itself")).ok()
    }

    /// Whether this is the certificate of the cluster's authority.
    fn has_authority(&self, certificate: &[u8]) -> bool {
        let mut has = false;
        self.world.ledger.read(&mut |rows| {
            let authority = View::new(rows).node_authority();
            has = authority.is_some_and(|authority| authority.certificate == certificate);
        });
        has
    }

    async fn join(
        &self,
        path: &Path,
        address: &str,
        has_group: bool,
    ) -> Result<Credential, StartError> {
        let Some(file) = self.config.token() else {
            let id = self.world.ledger.id();
            let words = format!("it is missing, or its time is over: say {}", link::way_back(id));
            return Err(if has_group {
                StartError::Credential { path: path.to_owned(), words }
            } else {
                StartError::NoBeginning
            });
        };
        let token = token(&file)?;
        let seeds = seeds(self.config);
        let World { clock, ledger, .. } = self.world;
        let key_file = path.with_file_name("joining-key");
        let key = joining_key(&key_file)?;
        loop {
            let now = clock.now();
            let joined =
                claviger_link::join(&token, &seeds, ledger.id(), &key, Some(address), now).await;
            match joined {
                Ok((credential, members)) => {
                    let unusable = |error: io::Error| StartError::Credential {
                        path: path.to_owned(),
                        words: error.to_string(),
                    };
                    credential.keep(path).map_err(unusable)?;
                    std::fs::remove_file(&key_file).map_err(unusable)?;
                    self.nodes.send_replace(peers(members));
                    return Ok(credential);
                }
                Err(JoinError::Unreachable(error)) => {
                    tracing::warn!(%error, "no node of the cluster answers yet");
                    let words = format!("this node joins: no node of the cluster answers: {error}");
                    self.waits.send_replace(Some(words));
                    sleep(AGAIN).await;
                }
                Err(error @ JoinError::Refused(_)) if has_group => {
                    let id = ledger.id();
                    return Err(StartError::Join(format!(
                        "{error}. Its own certificate is missing, over, or not believed: to let it in \
                         again, say `claviger cluster readmit {id:016x}` to a node that runs, put the \
                         token that it prints into cluster.token_file, and start it again"
                    )));
                }
                Err(error) => return Err(StartError::Join(error.to_string())),
            }
        }
    }
}

/// Members of the ledger, as edges are told of them.
pub(super) fn peers(members: Vec<Member>) -> Vec<Peer> {
    members.into_iter().map(|Member { id, address }| Peer { id, address }).collect()
}

/// Where a node joins.
pub(super) fn seeds(config: &Config) -> Vec<String> {
    let seeds = config.cluster.join.iter().filter_map(|seed| seed.get());
    seeds.map(ToOwned::to_owned).collect()
}

/// The token in a file.
pub(super) fn token(path: &Path) -> Result<Token, StartError> {
    let wrong = |words: String| StartError::Token { path: path.to_owned(), words };
    let bytes = secret_file::read(path, TOKEN).map_err(|error| wrong(error.to_string()))?;
    let bytes = bytes.ok_or_else(|| wrong("there is no such file".to_owned()))?;
    let text = core::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
    text.ok_or_else(|| wrong(claviger_link::BadToken.to_string()))
}

/// A new key.
pub(super) fn fresh() -> Result<FreshKey, StartError> {
    let words = |_| StartError::Certificate("the system gives no randomness".to_owned());
    FreshKey::generate().map_err(words)
}

/// The key that a node joins with: the same at each start until it has joined, since the ledger lets
/// in one key under a node's id.
fn joining_key(path: &Path) -> Result<FreshKey, StartError> {
    let unusable = |words: String| StartError::Credential { path: path.to_owned(), words };
    let kept = secret_file::read(path, TOKEN).map_err(|error| unusable(error.to_string()))?;
    if let Some(kept) = kept {
        return FreshKey::of(kept).map_err(|_| unusable("it holds no private key".to_owned()));
    }
    let key = fresh()?;
    let made = secret_file::make(path, key.expose_key());
    made.map_err(|error| unusable(error.to_string()))?;
    Ok(key)
}

/// Notes that the node has come back by a token, whose file may stay.
fn returned(path: &Path, token: &Token) -> Result<(), StartError> {
    let path = path.with_file_name(RETURNED);
    let written = std::fs::write(&path, token.id);
    written.map_err(|error| StartError::Credential { path, words: error.to_string() })
}

/// Where what the node shows of itself lies, for its owner only.
fn folder(data: &Path) -> Result<PathBuf, StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let path = data.join("link");
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
    made.map_err(|source| StartError::Folder { path: path.clone(), source })?;
    Ok(path)
}

/// A random id.
pub(super) fn random_id(crypto: &dyn Crypto) -> u64 {
    u64::from_be_bytes(crypto.random())
}
