//! Readers who wait for one word of a quorum together.
//!
//! Each must hear of a question that was asked after it came. So one question is under way at a time,
//! and whoever comes meanwhile waits for the next: a thousand readers cost what one does.

use crate::node::ProposeError;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The index from which on a read shows all that was committed, or why nobody knows.
pub(crate) type Confirmed = Result<u64, ProposeError>;

/// Who waits for the next question; nothing while none is under way.
#[derive(Default)]
pub(crate) struct Readers(Mutex<Option<Vec<oneshot::Sender<Confirmed>>>>);

impl Readers {
    fn waiting(&self) -> MutexGuard<'_, Option<Vec<oneshot::Sender<Confirmed>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the answer to a question that is asked after this. Where none is under way, `begin`
    /// lets somebody ask, until [`Asking::next`] gives nobody.
    pub(crate) async fn confirmed(self: &Arc<Self>, begin: impl FnOnce(Asking)) -> Confirmed {
        let (told, confirmed) = oneshot::channel();
        let idle = {
            let mut waiting = self.waiting();
            let idle = waiting.is_none();
            waiting.get_or_insert_default().push(told);
            idle
        };
        if idle {
            begin(Asking(Some(self.clone())));
        }
        // Who asked is gone only with the node.
        confirmed.await.unwrap_or(Err(ProposeError::Stopped))
    }
}

/// Held by who asks; when it is dropped, whoever still waits is told that the node has stopped.
pub(crate) struct Asking(Option<Arc<Readers>>);

impl Asking {
    /// Who waits for the question that is asked now; when nobody does, none is under way any more.
    pub(crate) fn next(&mut self) -> Option<Vec<oneshot::Sender<Confirmed>>> {
        let readers = self.0.take()?;
        let asked = {
            let mut waiting = readers.waiting();
            let asked = waiting.as_mut().map(mem::take).filter(|asked| !asked.is_empty());
            if asked.is_none() {
                *waiting = None;
            }
            asked?
        };
        self.0 = Some(readers);
        Some(asked)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(readers) = &self.0 {
            *readers.waiting() = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::future::join_all;
    use std::cell::RefCell;

    #[tokio::test]
    async fn who_comes_while_a_question_is_under_way_waits_for_the_next() {
        let readers = Arc::<Readers>::default();
        let begun = RefCell::new(None);
        let mut first = Box::pin(readers.confirmed(|asking| drop(begun.replace(Some(asking)))));
        assert!(first.as_mut().now_or_never().is_none());
        let mut asking = begun.take().expect("the first lets somebody ask");
        let asked = asking.next().expect("it waits");

        let again = |_| unreachable!("somebody asks already");
        let mut later = Box::pin(join_all((0..3).map(|_| readers.confirmed(again))));
        assert!(later.as_mut().now_or_never().is_none());
        asked.into_iter().for_each(|told| drop(told.send(Ok(7))));

        assert_eq!(first.await, Ok(7));
        assert!(later.as_mut().now_or_never().is_none(), "theirs is not asked yet");
        let asked = asking.next().expect("three wait");
        assert_eq!(asked.len(), 3);
        asked.into_iter().for_each(|told| drop(told.send(Ok(8))));
        assert_eq!(later.await, [Ok(8), Ok(8), Ok(8)]);
        assert!(asking.next().is_none());
    }

    #[tokio::test]
    async fn where_nobody_asks_any_more_readers_are_told_and_the_next_begins_anew() {
        let readers = Arc::<Readers>::default();

        // Dropped before it asks, as where the node has stopped.
        assert_eq!(readers.confirmed(drop).await, Err(ProposeError::Stopped));

        let answer = |mut asking: Asking| {
            let asked = asking.next().expect("one waits");
            asked.into_iter().for_each(|told| drop(told.send(Ok(1))));
        };
        assert_eq!(readers.confirmed(answer).await, Ok(1));
    }
}
