//! One DTLS session of a device: its CoAP, its write sequences, its replay window.

use crate::EdgeId;
use crate::numbering::Numbering;
use crate::pen::{Numbered, Pen};
use claviger_coap::{Association, Params};
use claviger_dtls::ReplayWindow;
use claviger_front::Content;
use std::sync::{Arc, LazyLock};

/// What survives an actor's sleep, in memory: the numbers of a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) numbering: Numbering,
    pub(crate) window: ReplayWindow,
}

/// CoAP's parameters, the same for all.
static PARAMS: LazyLock<Arc<Params>> = LazyLock::new(Arc::default);

/// One session, while its device's actor is awake.
pub(crate) struct Conversation {
    pub(crate) edge: EdgeId,
    pub(crate) association: Association,
    pub(crate) window: ReplayWindow,
    pen: Pen,
}

impl Conversation {
    /// A session whose generation 1 came with its opening.
    pub(crate) fn opened(edge: EdgeId, generation: u32, message_id: u16) -> Self {
        let numbers =
            Numbers { numbering: Numbering::begin(generation), window: ReplayWindow::above(0) };
        Self::resumed(edge, numbers, message_id)
    }

    /// A session whose numbers survived its actor's sleep.
    pub(crate) fn resumed(edge: EdgeId, numbers: Numbers, message_id: u16) -> Self {
        Self {
            edge,
            association: Association::new(PARAMS.clone(), message_id),
            window: numbers.window,
            pen: Pen::Ready(numbers.numbering),
        }
    }

    /// A session whose numbers are lost: a new generation must be committed, and nothing is read
    /// up to the highest sequence that the ledger knows of.
    pub(crate) fn recovered(edge: EdgeId, highest_read: u64, message_id: u16) -> Self {
        Self {
            edge,
            association: Association::new(PARAMS.clone(), message_id),
            window: ReplayWindow::above(highest_read),
            pen: Pen::raising(),
        }
    }

    /// Numbers one record, or keeps it until that may be done.
    pub(crate) fn number(&mut self, content: Content) -> Numbered {
        self.pen.number(content)
    }

    /// A new generation is committed: gives what waited for it.
    pub(crate) fn raised(&mut self, generation: u32) -> Vec<Content> {
        self.pen.raised(generation)
    }

    /// No new generation could be committed. What was read stays read.
    pub(crate) fn not_raised(&mut self) {
        self.pen.not_raised();
    }

    /// The numbers to keep over a sleep; none while a generation is on its way.
    pub(crate) fn numbers(&self) -> Option<Numbers> {
        match self.pen {
            Pen::Ready(numbering) => Some(Numbers { numbering, window: self.window }),
            Pen::Raising(_) | Pen::Down => None,
        }
    }

    /// True if nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.association.is_idle() && !matches!(self.pen, Pen::Raising(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_got_no_generation_asks_again_and_forgets_nothing_that_it_has_read() {
        let mut talk = Conversation::recovered(EdgeId(1), 7, 0);
        assert_eq!(talk.window.accept(9), Some(true));
        assert_eq!(talk.number(Content::CloseNotify), Numbered::Waits);

        talk.not_raised();

        assert_eq!(talk.number(Content::Finished), Numbered::Raise);
        assert_eq!([7, 9].map(|sequence| talk.window.accept(sequence)), [None, None]);
        assert_eq!(talk.raised(3), [Content::Finished]);
        assert_eq!(talk.number(Content::Finished), Numbered::Send(3 << 24, Content::Finished));
    }
}
