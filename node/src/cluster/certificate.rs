//! An edge's certificate: how it comes by the first, and sees to it that it has one that holds.
//!
//! It is in memory alone. An edge asks for the next one at half of the time of the one it has, and when
//! the leader names another authority as the newest. One
//! that was cut off until its certificate was over joins once more by its token, under the id and
//! with the key that it had: the ledger knows it by these, and counts no further use of the token.
//! So an edge comes back by itself as long as its token holds; the token's file is read anew each
//! time. If that has a token of another authority by then, the cluster may be another incarnation of
//! itself, which does not know what this edge holds: it ends, and begins anew when it is started.

use super::link::Late;
use claviger_actors::Clock;
use claviger_front::{Believed, Peer};
use claviger_link::{
    Authorities, Credential, FreshKey, JoinError, Link, LinkConfig, Member, Token, join,
};
use core::time::Duration;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::sleep;

/// The pause before a cluster that does not answer is asked again, and one that refuses.
const AGAIN: Duration = Duration::from_secs(1);
const REFUSED: Duration = Duration::from_secs(10);
/// The pause before the next certificate is asked for again, while there is one that holds.
const LATER: Duration = Duration::from_secs(60);

/// Reads a join token; says in words why it cannot.
pub type ReadToken = fn(&std::path::Path) -> Result<Token, String>;

/// What it takes.
pub struct Joining {
    /// The file of the join token, and how it is read.
    pub token: (PathBuf, ReadToken),
    /// Where nodes of the ledger were, when this was configured.
    pub seeds: Vec<String>,
    /// The edge's id, which stays.
    pub node: u64,
    /// The link, once there is one.
    pub link: Late,
    /// The nodes of the ledger, as far as known.
    pub nodes: watch::Sender<Vec<Peer>>,
    /// Whom nodes are to believe, as the leader says it.
    pub believed: watch::Receiver<Option<Believed>>,
    /// Why it has no certificate that holds, in words; none if it has.
    pub waits: watch::Sender<Option<String>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The certificate of an edge that has joined.
struct Held {
    link: Link,
    key: FreshKey,
    /// The key that the next one was asked for with: the ledger may know it by now as the newest.
    next: Option<FreshKey>,
    renews: Duration,
    expires: Duration,
}

/// Why there is no certificate, and how long to wait before the next try.
type Failed = (String, Duration);

fn failed(error: impl core::fmt::Display) -> Failed {
    (error.to_string(), REFUSED)
}

impl Joining {
    /// Joins, and keeps a certificate that holds, until the task is ended, or this edge must not go on.
    pub async fn run(self) {
        let key = loop {
            match FreshKey::generate() {
                Ok(key) => break key,
                Err(error) => self.wait("this edge has no key", failed(error)).await,
            }
        };
        let mut held = loop {
            match self.first(&key).await {
                Ok((link, credential)) => {
                    let (renews, expires) = (credential.renews(), credential.expires());
                    break Held { link, key, next: None, renews, expires };
                }
                Err(error) => self.wait("this edge has not joined yet", error).await,
            }
        };
        self.waits.send_replace(None);
        let (mut turn, mut told) = (0, self.believed.clone());
        loop {
            let wait = held.renews.saturating_sub(self.clock.now());
            tokio::select! {
                () = sleep(wait) => {}
                // One of an authority that was replaced is to be replaced too, so that it can be given up.
                Ok(()) = told.changed() => if self.believe(&held.link) {
                    continue;
                },
            }
            turn += 1;
            if !self.renew(&mut held, turn).await {
                tracing::error!(
                    "the join token is of another authority than this edge's certificate was: the \
                     edge ends, and joins anew when it is started"
                );
                return;
            }
        }
    }

    /// Says why there is no certificate, and waits before the next try.
    async fn wait(&self, what: &str, (error, pause): Failed) {
        tracing::warn!(error, "{what}");
        self.waits.send_replace(Some(format!("{what}: {error}")));
        sleep(pause).await;
    }

    async fn first(&self, key: &FreshKey) -> Result<(Link, Credential), Failed> {
        let (credential, members) = self.join(&self.token()?, key).await?;
        let config =
            LinkConfig { listen: None, credential: credential.clone(), admits: Arc::new(|_| true) };
        let (link, _) = Link::new(config).map_err(failed)?;
        tracing::info!(edge = %link.identity(), "joined");
        self.link.set(link.clone());
        self.hear(members);
        Ok((link, credential))
    }

    fn token(&self) -> Result<Token, Failed> {
        let (file, read) = &self.token;
        read(file).map_err(failed)
    }

    /// Joins by the token, with this key.
    async fn join(
        &self,
        token: &Token,
        key: &FreshKey,
    ) -> Result<(Credential, Vec<Member>), Failed> {
        let known = self.nodes.borrow().clone();
        let known = known.into_iter().map(|node| node.address);
        let seeds: Vec<_> = self.seeds.iter().cloned().chain(known).collect();
        let joined = join(token, &seeds, self.node, key, None, self.clock.now()).await;
        joined.map_err(|error| match error {
            JoinError::Unreachable(_) => (error.to_string(), AGAIN),
            refused => failed(refused),
        })
    }

    fn hear(&self, members: Vec<Member>) {
        let peers = members.into_iter().map(|Member { id, address }| Peer { id, address });
        self.nodes.send_replace(peers.collect());
    }

    /// Asks for the next certificate; once the one at hand is over, joins anew. False if it must not.
    async fn renew(&self, held: &mut Held, turn: usize) -> bool {
        let error = match self.next(held, turn).await {
            Ok(credential) => {
                self.show(held, &credential);
                return true;
            }
            Err(error) => error,
        };
        let now = self.clock.now();
        if now < held.expires {
            tracing::warn!(error, "this edge's certificate is not renewed yet");
            held.renews = (now + LATER).min(held.expires);
            return true;
        }
        let token = self.token();
        if token.as_ref().is_ok_and(|token| !held.link.is_of(token)) {
            return false;
        }
        let joined = async { self.rejoin(&token?, held).await };
        match joined.await {
            Ok(credential) => self.show(held, &credential),
            Err(error) => {
                let what = "this edge's certificate is over, and it has not joined anew yet";
                self.wait(what, error).await;
            }
        }
        true
    }

    async fn next(&self, held: &mut Held, turn: usize) -> Result<Credential, String> {
        let node = {
            let nodes = self.nodes.borrow();
            nodes.get(turn % nodes.len().max(1)).cloned()
        };
        let node = node.ok_or("no node of the ledger is known")?;
        if held.next.is_none() {
            held.next = Some(FreshKey::generate().map_err(|error| error.to_string())?);
        }
        let Some(key) = &held.next else { return Err("there is no key".to_owned()) };
        let now = self.clock.now();
        let asked = held.link.renew(node.id, &node.address, key, None, now).await;
        let (credential, _) = asked.map_err(|error| error.to_string())?;
        if let Some(key) = held.next.take() {
            held.key = key;
        }
        Ok(credential)
    }

    /// Joins under the id and by a key that the ledger knows: that of the certificate which is over,
    /// or that of one which was granted and never came.
    async fn rejoin(&self, token: &Token, held: &mut Held) -> Result<Credential, Failed> {
        let mut joined = self.join(token, &held.key).await;
        if joined.is_err()
            && let Some(key) = &held.next
            && let Ok(found) = self.join(token, key).await
        {
            joined = Ok(found);
            if let Some(key) = held.next.take() {
                held.key = key;
            }
        }
        let (credential, members) = joined?;
        held.next = None;
        held.link.show(&credential).map_err(failed)?;
        tracing::info!(edge = %held.link.identity(), "joined anew");
        self.hear(members);
        Ok(credential)
    }

    /// Believes whom the leader names; false if what is shown is not of the newest of them.
    fn believe(&self, link: &Link) -> bool {
        let Some(Believed { authorities, bridge }) = self.believed.borrow().clone() else {
            return true;
        };
        let plain =
            |all: Vec<claviger_front::Certificate>| all.into_iter().map(|it| it.0).collect();
        let authorities = Authorities { believed: plain(authorities), bridge: plain(bridge) };
        let is_of_newest = link.is_of_newest(&authorities);
        if let Err(error) = link.believe(authorities) {
            tracing::warn!(%error, "the cluster's authorities are not believed yet");
        }
        is_of_newest
    }

    fn show(&self, held: &mut Held, credential: &Credential) {
        tracing::info!("this edge shows a new certificate");
        held.renews = credential.renews();
        held.expires = credential.expires();
        self.waits.send_replace(None);
        self.believe(&held.link);
    }
}

#[cfg(test)]
mod tests;
