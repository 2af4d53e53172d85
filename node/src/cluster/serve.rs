//! An edge of another node at the hub of this one.

use super::hub::{About, Hub, Seat};
use claviger_actors::{CameFrom, EdgeId};
use claviger_front::{Believed, EdgeReport, Greeting, Hello, Nodes, Peer};
use claviger_raft::Channel;
use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// How long an edge may take to say who it is.
const HELLO: Duration = Duration::from_secs(5);
/// How often a node that does not lead says so.
const STANDBY: Duration = Duration::from_secs(5);
/// How many frames may wait for one edge.
const FRAMES: usize = 8_192;

impl Hub {
    /// Serves a stream of an edge of `from`, which was authenticated: keeps it while this node does
    /// not lead, and lets frames pass while it does.
    ///
    /// # Errors
    /// If the stream breaks, or the edge says what it must not.
    pub async fn serve(
        self: Arc<Self>,
        from: Peer,
        channel: Channel,
        mut nodes: watch::Receiver<Vec<Peer>>,
    ) -> io::Result<()> {
        let Channel { mut sender, mut receiver } = channel;
        let hello = timeout(HELLO, receiver.receive()).await??;
        let Some(hello) = hello else { return Ok(()) };
        let hello = Hello::decode(&hello).map_err(io::Error::other)?;
        let mut reigns = self.reigns();
        let reign = loop {
            if let Some(reign) = reigns.borrow_and_update().clone() {
                break reign;
            }
            let known = nodes.borrow_and_update().clone();
            sender.send(Greeting::Standby { nodes: known }.encode()).await?;
            tokio::select! {
                changed = reigns.changed() => changed.map_err(io::Error::other)?,
                changed = nodes.changed() => changed.map_err(io::Error::other)?,
                () = sleep(STANDBY) => {}
                // It was not told that it may speak.
                frame = receiver.receive() => if frame?.is_none() {
                    return Ok(());
                },
            }
        };
        let (seat, mut frames) = mpsc::channel(FRAMES);
        let about = About {
            edge: EdgeId(hello.edge),
            node: from.id,
            address: from.address,
            listener: hello.listener,
            realm: hello.realm,
            version: hello.version,
            since: SystemTime::now(),
        };
        let edge = about.edge;
        let seated = match self.sit(&reign, about, Seat::There(seat)) {
            Ok(seated) => seated,
            Err(None) => return Ok(()),
            Err(Some(why)) => return sender.send(Greeting::Refused { why }.encode()).await,
        };
        let known = nodes.borrow_and_update().clone();
        sender.send(Greeting::Welcome { term: reign.term, nodes: known }.encode()).await?;
        let mut believed = self.believed();
        believed.mark_changed();
        let up = async {
            while let Some(frame) = receiver.receive().await? {
                match EdgeReport::decode(&frame) {
                    Some(Ok(report)) => seated.heard.say(report),
                    // One of another version says at least that the edge is there, as an empty one.
                    Some(Err(_)) => seated.heard.now(),
                    None => {
                        seated.heard.now();
                        if !frame.is_empty() {
                            reign.devices.frame(edge, CameFrom::Elsewhere, frame.into());
                        }
                    }
                }
            }
            Ok(())
        };
        let down = async {
            loop {
                tokio::select! {
                    frame = frames.recv() => match frame {
                        Some(mut frame) => sender.send(core::mem::take(&mut *frame)).await?,
                        None => return Ok(()),
                    },
                    Ok(()) = nodes.changed() => {
                        let known = nodes.borrow_and_update().clone();
                        sender.send(Nodes { nodes: known }.encode()).await?;
                    }
                    Ok(()) = believed.changed() => {
                        let told = believed.borrow_and_update().as_ref().map(Believed::encode);
                        if let Some(told) = told {
                            sender.send(told).await?;
                        }
                    }
                }
            }
        };
        // Its seat is taken from it when the reign ends; then `down` ends too.
        tokio::select! {
            ended = up => ended,
            ended = down => ended,
        }
    }
}
