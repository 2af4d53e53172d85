//! The channel to the leader, on which everything at this node asks that only the leader does.

use crate::counters::Counters;
use crate::node::Node;
use crate::transport::{Channel, Kind, Receiver, Sender};
use crate::wire::{self, Answer, Call, Question, Reply};
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How many questions wait to be sent before those who ask more wait themselves.
const QUESTIONS: usize = 1024;

/// How often one who waits for an answer looks whether another leads by now.
const LOOK: Duration = Duration::from_millis(100);

type Asked = (Call, oneshot::Sender<Answer>);
type Waiting = Mutex<BTreeMap<u64, oneshot::Sender<Answer>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The channel to the leader, once one was asked.
#[derive(Default)]
pub(crate) struct Line(Mutex<Option<Held>>);

struct Held {
    leader: u64,
    questions: mpsc::Sender<Asked>,
}

impl Line {
    /// Asks the leader; nothing if there is none, or it was lost before it answered.
    pub(crate) async fn ask(&self, node: &Node, call: Call) -> Option<Answer> {
        let (leader, address) = node.leader()?;
        let (answer, mut answered) = oneshot::channel();
        Counters::one(&node.counters().calls_forwarded);
        self.to(node, leader, &address).send((call, answer)).await.ok()?;
        loop {
            match timeout(LOOK, &mut answered).await {
                Ok(answer) => return answer.ok(),
                // One that is cut off may answer never.
                Err(_) if node.leader().is_none_or(|(now, _)| now == leader) => {}
                Err(_) => return None,
            }
        }
    }

    /// Where questions to `leader` go; a new channel if there is none that works.
    fn to(&self, node: &Node, leader: u64, address: &str) -> mpsc::Sender<Asked> {
        let mut line = lock(&self.0);
        if let Some(line) = &*line
            && line.leader == leader
            && !line.questions.is_closed()
        {
            return line.questions.clone();
        }
        let opening = node.transport.open(leader, address, Kind::Call);
        let (questions, asked) = mpsc::channel(QUESTIONS);
        tokio::spawn(async move {
            if let Err(error) = hold(opening, asked).await {
                tracing::debug!(leader, %error, "the channel to the leader ended");
            }
        });
        *line = Some(Held { leader, questions: questions.clone() });
        questions
    }
}

/// Sends what is asked and gives each its answer, until the channel or those who ask are gone.
async fn hold(
    opening: BoxFuture<'static, io::Result<Channel>>,
    asked: mpsc::Receiver<Asked>,
) -> io::Result<()> {
    let Channel { sender, receiver } = opening.await?;
    let waiting = Mutex::new(BTreeMap::new());
    tokio::select! {
        biased;
        received = receive(receiver, &waiting) => received,
        sent = send(sender, asked, &waiting) => sent,
    }
}

async fn send(
    mut sender: Box<dyn Sender>,
    mut asked: mpsc::Receiver<Asked>,
    waiting: &Waiting,
) -> io::Result<()> {
    let mut number = 0;
    while let Some((call, answer)) = asked.recv().await {
        number += 1;
        lock(waiting).insert(number, answer);
        sender.send(wire::encode(&Question { number, call })).await?;
    }
    Ok(())
}

async fn receive(mut receiver: Box<dyn Receiver>, waiting: &Waiting) -> io::Result<()> {
    while let Some(frame) = receiver.receive().await? {
        let Reply { number, answer } = wire::decode(&frame)?;
        if let Some(asked) = lock(waiting).remove(&number) {
            // Who asked may have gone.
            drop(asked.send(answer));
        }
    }
    Ok(())
}
