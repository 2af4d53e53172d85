//! Another node as openraft calls it: appends, votes, transfers and snapshots over a transport's
//! channels. The other end is in [`crate::serve`].

use crate::image::Image;
use crate::transport::{Channel, Kind, Sender, Transport};
use crate::types::{Types, Vote};
use crate::wire::{self, Answer, Append, Appended, Beginning, Call, Part, Question, Reply};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use openraft::errors::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption,
    RaftNetworkFactory,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend, RPCTypes};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

type SnapshotOf = openraft::alias::SnapshotOf<Types, Image>;
type Failure = RPCError<Types>;
type Appends<'s> = BoxStream<'s, Result<StreamAppendResult<Types>, Failure>>;

/// How many appends may wait for their answers. While they wait, entries gather for the next.
const UNDER_WAY: usize = 16;

/// How long an answer to an append may take: longer than a heartbeat, for another node may wait
/// for its disk. One that is gone is noticed by the transport.
const STALL: Duration = Duration::from_secs(1);

/// How long one step of a snapshot may take: the next part to be read, or all to be installed.
const SNAPSHOT_STALL: Duration = Duration::from_secs(60);

/// Makes [`Peer`]s of one node.
pub(crate) struct Factory {
    pub(crate) from: u64,
    pub(crate) transport: Arc<dyn Transport>,
}

impl RaftNetworkFactory<Types> for Factory {
    type Network = Peer;

    async fn new_client(&mut self, to: u64, node: &BasicNode) -> Peer {
        let (from, address) = (self.from, node.addr.clone());
        Peer { from, to, address, transport: self.transport.clone(), appends: None }
    }
}

/// Another node.
pub(crate) struct Peer {
    from: u64,
    to: u64,
    address: String,
    transport: Arc<dyn Transport>,
    /// A channel for appends on which no answer is missing.
    appends: Option<Channel>,
}

fn unreachable(error: &io::Error) -> Unreachable<Types> {
    Unreachable::new(error)
}

fn broken(error: &io::Error) -> NetworkError<Types> {
    NetworkError::new(error)
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the other node ended the channel")
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the other node answered what was not asked")
}

/// Asks once.
pub(crate) async fn ask(mut channel: Channel, call: Call) -> io::Result<Answer> {
    channel.sender.send(wire::encode(&Question { number: 0, call })).await?;
    let answer = channel.receiver.receive().await?.ok_or_else(ended)?;
    Ok(wire::decode::<Reply>(&answer)?.answer)
}

impl Peer {
    async fn open(&self, kind: Kind) -> Result<Channel, Unreachable<Types>> {
        let channel = self.transport.open(self.to, &self.address, kind).await;
        channel.map_err(|error| unreachable(&error))
    }

    fn late(&self, action: RPCTypes, timeout: Duration) -> Timeout<Types> {
        Timeout { action, id: self.from, target: self.to, timeout }
    }

    async fn call(
        &self,
        action: RPCTypes,
        call: Call,
        option: &RPCOption,
    ) -> Result<Answer, Failure> {
        let patience = option.soft_ttl();
        let asked = timeout(patience, async {
            let channel = self.open(Kind::Call).await?;
            ask(channel, call).await.map_err(|error| Failure::Network(broken(&error)))
        });
        asked.await.map_err(|_| Failure::Timeout(self.late(action, patience)))?
    }

    async fn vote_by(
        &self,
        call: Call,
        option: &RPCOption,
    ) -> Result<VoteResponse<Types>, Failure> {
        match self.call(RPCTypes::Vote, call, option).await? {
            Answer::Vote(granted) => Ok(granted.into()),
            _ => Err(Failure::Network(broken(&unexpected()))),
        }
    }
}

impl NetBackoff<Types> for Peer {
    fn backoff(&self) -> Option<Backoff> {
        None
    }
}

impl NetVote<Types> for Peer {
    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, Failure> {
        self.vote_by(Call::Vote(request.into()), &option).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, Failure> {
        self.vote_by(Call::PreVote(request.into()), &option).await
    }
}

impl NetTransferLeader<Types> for Peer {
    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, Failure> {
        let call = Call::Transfer(request.into());
        match self.call(RPCTypes::TransferLeader, call, &option).await? {
            Answer::Transfer(hindrance) => Ok(hindrance.map_or(Ok(()), |why| Err(why.into()))),
            _ => Err(Failure::Network(broken(&unexpected()))),
        }
    }
}

/// One run of appends and their answers.
struct Session<'s, S> {
    peer: &'s mut Peer,
    channel: Option<Channel>,
    requests: S,
    /// How long it may take to open a channel.
    patience: Duration,
    exhausted: bool,
    /// Nothing follows: all is asked and answered, or it failed.
    over: bool,
    waiting: usize,
    /// When the next answer must be there.
    deadline: Instant,
}

impl<S: Stream<Item = AppendEntriesRequest<Types>> + Unpin> Session<'_, S> {
    /// The next answer; nothing when all is asked and answered.
    async fn next(&mut self) -> Option<Result<StreamAppendResult<Types>, Failure>> {
        while !self.over {
            if self.exhausted && self.waiting == 0 {
                self.over = true;
                self.peer.appends = self.channel.take();
                return None;
            }
            let Some(channel) = &mut self.channel else {
                // Not before there is a request: openraft makes it wait after a failure.
                let request = self.requests.next().await;
                if let Err(failure) = self.begin(request).await {
                    self.over = true;
                    return Some(Err(failure));
                }
                continue;
            };
            tokio::select! {
                biased;
                answer = timeout_at(self.deadline, channel.receiver.receive()), if self.waiting > 0 => {
                    return Some(self.answered(answer.unwrap_or_else(|_| Err(stalled()))));
                }
                request = self.requests.next(), if !self.exhausted && self.waiting < UNDER_WAY => {
                    if let Err(error) = self.send(request).await {
                        self.over = true;
                        return Some(Err(Failure::Network(broken(&error))));
                    }
                }
            }
        }
        None
    }

    /// Opens a channel for the first request, and sends it.
    async fn begin(&mut self, request: Option<AppendEntriesRequest<Types>>) -> Result<(), Failure> {
        if request.is_some() {
            let opened = timeout(self.patience, self.peer.open(Kind::Append)).await;
            let late = |_| self.peer.late(RPCTypes::AppendEntries, self.patience);
            self.channel = Some(opened.map_err(late)??);
        }
        self.send(request).await.map_err(|error| Failure::Network(broken(&error)))
    }

    async fn send(&mut self, request: Option<AppendEntriesRequest<Types>>) -> io::Result<()> {
        let (Some(request), Some(channel)) = (request, &mut self.channel) else {
            self.exhausted = true;
            return Ok(());
        };
        if self.waiting == 0 {
            self.deadline = Instant::now() + STALL;
        }
        let sent = channel.sender.send(wire::encode(&Append::from(request)));
        timeout_at(self.deadline, sent).await.unwrap_or_else(|_| Err(stalled()))?;
        self.waiting += 1;
        Ok(())
    }

    fn answered(
        &mut self,
        answer: io::Result<Option<Vec<u8>>>,
    ) -> Result<StreamAppendResult<Types>, Failure> {
        let read = |bytes: Vec<u8>| wire::decode::<Appended>(&bytes);
        let answer = answer.and_then(|answer| answer.ok_or_else(ended)).and_then(read);
        let result = answer.map(StreamAppendResult::<Types>::from);
        self.waiting -= 1;
        self.deadline = Instant::now() + STALL;
        self.over = !matches!(result, Ok(Ok(_)));
        result.map_err(|error| Failure::Network(broken(&error)))
    }
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the other node does not answer")
}

impl NetStreamAppend<Types> for Peer {
    fn stream_append<'s, S>(
        &'s mut self,
        requests: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<Appends<'s>, Failure>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let session = Session {
            channel: self.appends.take(),
            peer: self,
            requests,
            patience: option.soft_ttl(),
            exhausted: false,
            over: false,
            waiting: 0,
            deadline: Instant::now(),
        };
        let answers = stream::unfold(session, |mut session| async {
            session.next().await.map(|answer| (answer, session))
        });
        Box::pin(async move { Ok(Box::pin(answers) as Appends<'s>) })
    }
}

impl NetSnapshot<Types> for Peer {
    type SnapshotData = Image;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let patience = option.soft_ttl();
        let opened = timeout(patience, self.open(Kind::Snapshot)).await;
        let channel = opened.map_err(|_| self.late(RPCTypes::InstallSnapshot, patience))??;
        tokio::select! {
            biased;
            closed = cancel => Err(closed.into()),
            answer = send(channel, vote, snapshot) => {
                Ok(answer.map_err(|error| broken(&error))?)
            }
        }
    }
}

async fn send_part(sender: &mut dyn Sender, part: &Part) -> io::Result<()> {
    let sent = timeout(SNAPSHOT_STALL, sender.send(wire::encode(part))).await;
    sent.unwrap_or_else(|_| Err(stalled()))
}

/// Sends a snapshot in parts, and gives the answer to it.
async fn send(
    mut channel: Channel,
    vote: Vote,
    snapshot: SnapshotOf,
) -> io::Result<SnapshotResponse<Types>> {
    let begin = Part::Begin(Beginning::new(&vote, &snapshot.meta));
    send_part(&mut *channel.sender, &begin).await?;
    let mut parts = snapshot.snapshot.parts()?;
    while let Some(part) = parts.next().await {
        send_part(&mut *channel.sender, &Part::Bytes(part?.into())).await?;
    }
    send_part(&mut *channel.sender, &Part::End).await?;
    let answer = timeout(SNAPSHOT_STALL, channel.receiver.receive()).await;
    let answer = answer.unwrap_or_else(|_| Err(stalled()))?.ok_or_else(ended)?;
    let vote: crate::frame::Ballot = wire::decode(&answer)?;
    Ok(SnapshotResponse::new(vote.into()))
}
