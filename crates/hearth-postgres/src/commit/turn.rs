//! A turn on its way to the database. Whatever happens to it, whoever handed it in is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use hearth_domain::Append;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::outcome::{Outcome, Refusal};
use crate::error::Fault;

/// A turn that was accepted. Dropping one that was not answered answers it.
pub(super) struct PendingTurn {
    append: Append,
    deadline: Instant,
    /// Whether it may be at the database.
    sent: AtomicBool,
    ticket: Mutex<Option<Ticket>>,
}

/// A turn's place in the queue and the way back to its caller: both end with its outcome.
pub(super) struct Ticket {
    pub(super) room: OwnedSemaphorePermit,
    pub(super) reply: oneshot::Sender<Outcome>,
}

impl PendingTurn {
    pub(super) fn new(append: Append, ticket: Ticket, deadline: Instant) -> Self {
        Self {
            append,
            deadline,
            sent: AtomicBool::new(false),
            ticket: Mutex::new(Some(ticket)),
        }
    }

    pub(super) const fn append(&self) -> &Append {
        &self.append
    }

    /// The moment at which its caller is told at the latest.
    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// About what it takes on the wire.
    pub(super) fn bytes(&self) -> usize {
        const OF_A_MESSAGE: usize = 64;
        let messages = self.append.turn.messages().iter();
        messages
            .map(|message| message.content().len() + OF_A_MESSAGE)
            .sum()
    }

    /// Tells the outcome, if none was told before.
    pub(super) fn answer(&self, outcome: Outcome) {
        if let Some(Ticket { room, reply }) = self.take_ticket() {
            // First, so that a caller who comes straight back finds the place free.
            drop(room);
            // A caller who went away does not mind.
            drop(reply.send(outcome));
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        let ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        ticket.is_none()
    }

    /// Notes that it goes to the database now. One that is too late stays, and is told so.
    pub(super) fn set_sent(&self, now: Instant) -> bool {
        if self.deadline <= now {
            self.answer(Err(Refusal::NotCommitted(Fault::timed_out())));
        }
        let goes = !self.is_answered();
        self.sent.store(goes, Ordering::Relaxed);
        goes
    }

    /// Notes that the database certainly has nothing of it.
    pub(super) fn set_not_sent(&self) {
        self.sent.store(false, Ordering::Relaxed);
    }

    /// Tells the most that can be said while there is no outcome.
    pub(super) fn give_up(&self, fault: Fault) {
        let refusal = if self.sent.load(Ordering::Relaxed) {
            Refusal::Unknown
        } else {
            Refusal::NotCommitted
        };
        self.answer(Err(refusal(fault)));
    }

    fn take_ticket(&self) -> Option<Ticket> {
        let mut ticket = self.ticket.lock().unwrap_or_else(PoisonError::into_inner);
        ticket.take()
    }
}

impl Drop for PendingTurn {
    fn drop(&mut self) {
        self.give_up(Fault::task_ended());
    }
}
