//! What a node does with what other nodes send it. The calling end is in [`crate::peer`].
//!
//! The transport has authenticated who opened a channel: nobody speaks for another node. What
//! cannot be read, or is another's, ends the channel.

use crate::frame::Ballot;
use crate::node::Node;
use crate::transport::{Channel, Kind, Receiver, Sender};
use crate::types::{Raft, Types};
use crate::wire::{self, Answer, Append, Appended, Call, Part, Question, Refused, Reply};
use futures::StreamExt;
use futures::stream::{self, FuturesUnordered};
use openraft::Snapshot;
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use std::io;

/// How many calls of one channel are answered at a time.
const CALLS: usize = 4096;

fn stopped(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// An error if node `from` says what only node `by` may say.
fn own(from: u64, by: u64) -> io::Result<()> {
    if from == by { Ok(()) } else { Err(strange("a node speaks for another")) }
}

impl Node {
    /// Answers on a channel that node `from` opened, until it ends.
    pub async fn serve(&self, from: u64, kind: Kind, channel: Channel) {
        match &self.home {
            Some(home) => home.lend(serve(self.at_home(), from, kind, channel)).await,
            None => serve(self.clone(), from, kind, channel).await,
        }
    }
}

async fn serve(node: Node, from: u64, kind: Kind, channel: Channel) {
    let served = match kind {
        Kind::Append => append(&node.raft, from, channel).await,
        Kind::Call => calls(&node, from, channel).await,
        Kind::Snapshot => snapshot(&node, from, channel).await,
    };
    if let Err(error) = served {
        tracing::debug!(from, kind = kind.as_str(), %error, "a channel ended");
    }
}

async fn next_append(
    from: u64,
    receiver: &mut dyn Receiver,
) -> io::Result<Option<AppendEntriesRequest<Types>>> {
    let Some(frame) = receiver.receive().await? else { return Ok(None) };
    let request = AppendEntriesRequest::try_from(wire::decode::<Append>(&frame)?)?;
    own(from, request.vote.leader_id.node_id)?;
    Ok(Some(request))
}

async fn append(raft: &Raft, from: u64, channel: Channel) -> io::Result<()> {
    let Channel { mut sender, receiver } = channel;
    let requests = stream::unfold(receiver, move |mut receiver| async move {
        match next_append(from, &mut *receiver).await {
            Ok(request) => request.map(|request| (request, receiver)),
            Err(error) => {
                tracing::debug!(from, %error, "appends end");
                None
            }
        }
    });
    let mut answers = Box::pin(raft.stream_append(requests));
    while let Some(answer) = answers.next().await {
        let answer = Appended::from(answer.map_err(stopped)?);
        sender.send(wire::encode(&answer)).await?;
    }
    Ok(())
}

async fn calls(node: &Node, from: u64, channel: Channel) -> io::Result<()> {
    let Channel { mut sender, mut receiver } = channel;
    let (mut running, mut open) = (FuturesUnordered::new(), true);
    loop {
        tokio::select! {
            biased;
            Some(reply) = running.next() => sender.send(wire::encode::<Reply>(&reply?)).await?,
            frame = receiver.receive(), if open && running.len() < CALLS => match frame? {
                Some(frame) => {
                    let Question { number, call } = wire::decode(&frame)?;
                    running.push(async move {
                        Ok::<_, io::Error>(Reply { number, answer: answer(node, from, call).await? })
                    });
                }
                None => open = false,
            },
            else => return Ok(()),
        }
    }
}

/// The answer to one question.
pub(crate) async fn answer(node: &Node, from: u64, call: Call) -> io::Result<Answer> {
    let refused = |error| Answer::Refused(Refused::from(error));
    Ok(match call {
        Call::Vote(candidacy) => {
            let request = VoteRequest::from(candidacy);
            own(from, request.vote.leader_id.node_id)?;
            Answer::Vote(node.raft.vote(request).await.map_err(stopped)?.into())
        }
        Call::PreVote(candidacy) => {
            let request = VoteRequest::from(candidacy);
            own(from, request.vote.leader_id.node_id)?;
            Answer::Vote(node.raft.pre_vote(request).await.map_err(stopped)?.into())
        }
        Call::Transfer(handover) => {
            let request = TransferLeaderRequest::from(handover);
            own(from, request.from_leader().leader_id.node_id)?;
            if *request.to_node_id() == node.id() && !node.status().stands {
                return Ok(Answer::Refused(Refused::Unavailable));
            }
            node.raft.handle_transfer_leader(request).await.map_err(stopped)?.into()
        }
        Call::Status => Answer::Status(Box::new(node.status())),
        Call::Propose(command) => match node.commit(command.into()).await {
            Ok((index, outcome)) => Answer::Outcome(index, outcome.into()),
            Err(error) => refused(error),
        },
        Call::Shell(question) => match node.ask_shell(question.into()).await {
            Ok(answer) => Answer::Shell(answer.into()),
            Err(error) => refused(error),
        },
        Call::ReadIndex => match node.read_from().await {
            Ok(index) => Answer::ReadIndex(index),
            Err(error) => refused(error),
        },
    })
}

async fn snapshot(node: &Node, from: u64, channel: Channel) -> io::Result<()> {
    let Channel { mut sender, mut receiver } = channel;
    let Part::Begin(beginning) = next_part(&mut *receiver).await? else {
        return Err(strange("a snapshot without its beginning"));
    };
    let (vote, meta) = beginning.read()?;
    own(from, vote.leader_id.node_id)?;
    let (mut received, mut length) = (node.spools.begin()?, 0);
    loop {
        match next_part(&mut *receiver).await? {
            Part::Bytes(bytes) => {
                length += bytes.len() as u64;
                node.space.has_room_for(bytes.len() as u64)?;
                received.push(&bytes)?;
            }
            Part::End => break,
            Part::Begin(_) => return Err(strange("a snapshot that begins twice")),
        }
    }
    // Its rows are written beside those that are there.
    node.space.has_room_for(length)?;
    let snapshot = Snapshot { meta, snapshot: received.end().await? };
    let answer = node.raft.install_full_snapshot(vote, snapshot).await.map_err(stopped)?;
    answer_with(&mut *sender, &Ballot::from(&answer.vote)).await
}

async fn next_part(receiver: &mut dyn Receiver) -> io::Result<Part> {
    let frame = receiver.receive().await?.ok_or_else(|| strange("a snapshot without its end"))?;
    wire::decode(&frame)
}

async fn answer_with(sender: &mut dyn Sender, vote: &Ballot) -> io::Result<()> {
    sender.send(wire::encode(vote)).await
}
