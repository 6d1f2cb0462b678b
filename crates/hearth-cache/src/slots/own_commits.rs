//! What this process does to the store, applied to the sessions as it comes back.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::{Append, Committed, ConversationKey, Version};
use tokio::sync::oneshot;

use super::{Slots, UnderWay};
use crate::budget::Put;
use crate::loaded_session::LoadedSession;
use crate::own_work::{Deferred, Ticket, Waiting};
use crate::residency::{OnCommit, on_commit};

/// A call of this process that changes a session's rows; it is over when this is dropped.
#[must_use = "it is over when this is dropped"]
pub(crate) struct Working<'a> {
    slots: &'a Slots,
    key: &'a ConversationKey,
    ticket: Option<Ticket>,
}

/// What is done after the lock is released: counting, telling and dropping.
#[derive(Default)]
struct AfterUnlock {
    puts: Vec<Put>,
    applied: Vec<Waiting>,
    left: Vec<Arc<LoadedSession>>,
}

impl Working<'_> {
    /// The call came back with a commit. Loads that began before it are too old now, and a loaded session gets the turn at its end.
    ///
    /// Where an earlier commit has yet to come back, memory cannot follow at once: what is returned then is told when it has.
    pub(crate) fn committed(
        mut self,
        append: &Append,
        committed: &Committed,
        now: Duration,
    ) -> Option<oneshot::Receiver<()>> {
        let ticket = self.ticket.take()?;
        self.slots.committed(self.key, ticket, append, committed, now)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.slots.came_back(self.key, ticket);
        }
    }
}

impl Slots {
    /// A call begins that changes a session's rows.
    pub(crate) fn begin<'a>(&'a self, key: &'a ConversationKey) -> Working<'a> {
        let mut under_way = self.stripe(key).lock();
        let ticket = under_way.own_work.entry(key.clone()).or_default().begin();
        drop(under_way);
        Working {
            slots: self,
            key,
            ticket: Some(ticket),
        }
    }

    fn committed(
        &self,
        key: &ConversationKey,
        ticket: Ticket,
        append: &Append,
        committed: &Committed,
        now: Duration,
    ) -> Option<oneshot::Receiver<()>> {
        let mut after = AfterUnlock::default();
        let mut under_way = self.stripe(key).lock();
        if let Some(flight) = under_way.loads.get_mut(key) {
            flight.load.raise_floor(committed.version);
        }
        let work = under_way.own_work.get_mut(key)?;
        work.came_back(ticket);
        let waiting = if work.may_wait() && self.is_ahead(key, committed.version, &mut after) {
            Some(work.wait(append.clone(), committed.clone(), now))
        } else {
            self.apply(append, committed, now, &mut after);
            None
        };
        self.go_on(key, &mut under_way, &mut after);
        drop(under_way);
        self.finish(after);
        waiting
    }

    /// A commit has waited for too long for an earlier one: the session is read again.
    pub(crate) fn stop_waiting(&self, key: &ConversationKey, version: Version) {
        let mut after = AfterUnlock::default();
        let mut under_way = self.stripe(key).lock();
        let work = under_way.own_work.get_mut(key);
        if let Some(waiting) = work.and_then(|work| work.stop_waiting(version)) {
            self.apply(&waiting.append, &waiting.committed, waiting.at, &mut after);
            after.applied.push(waiting);
        }
        self.go_on(key, &mut under_way, &mut after);
        drop(under_way);
        self.finish(after);
    }

    /// A call came back that brings no turn; what waited for it may not wait any more.
    fn came_back(&self, key: &ConversationKey, ticket: Ticket) {
        let mut after = AfterUnlock::default();
        let mut under_way = self.stripe(key).lock();
        if let Some(work) = under_way.own_work.get_mut(key) {
            work.came_back(ticket);
        }
        self.go_on(key, &mut under_way, &mut after);
        drop(under_way);
        self.finish(after);
    }

    /// Applies what has waited for long enough, and what the change feed told meanwhile once nothing is under way.
    fn go_on(&self, key: &ConversationKey, under_way: &mut UnderWay, after: &mut AfterUnlock) {
        let Some(work) = under_way.own_work.get_mut(key) else {
            return;
        };
        loop {
            let held = self.memory.peek(key);
            let state = held.as_deref().map(LoadedSession::held);
            after.left.extend(held);
            let Some(waiting) = work.next_ready(state) else {
                break;
            };
            self.apply(&waiting.append, &waiting.committed, waiting.at, after);
            after.applied.push(waiting);
        }
        if !work.is_over() {
            return;
        }
        let Deferred { heard, gone } = work.deferred();
        under_way.own_work.remove(key);
        if gone {
            after.left.extend(self.left(key, under_way));
        }
        // What was heard of in an earlier epoch is suspect with all the rest.
        if let Some((epoch, version)) = heard
            && epoch == self.freshness.epoch()
        {
            after.left.extend(self.reached(key, version, under_way));
        }
    }

    /// Whether a turn between memory and this one is missing.
    fn is_ahead(&self, key: &ConversationKey, version: Version, after: &mut AfterUnlock) -> bool {
        let held = self.memory.peek(key);
        let state = held.as_deref().map(LoadedSession::held);
        after.left.extend(held);
        on_commit(state, version) == OnCommit::LeavesGap
    }

    /// A loaded session gets a committed turn at its end, or leaves memory: whoever is told of the turn is not shown less afterwards, not even
    /// while the store is away.
    fn apply(&self, append: &Append, committed: &Committed, now: Duration, after: &mut AfterUnlock) {
        let key = &append.key;
        let Some(held) = self.memory.peek(key) else { return };
        match on_commit(Some(held.held()), committed.version) {
            OnCommit::Nothing => {}
            OnCommit::LeavesGap | OnCommit::Unload => self.unload(key, &held, after),
            OnCommit::Extend => {
                let turn = committed.views(&append.turn);
                match held.history().extended(turn, committed.version, self.window) {
                    Ok(history) => {
                        let session = Arc::new(LoadedSession::new(history, now, held.epoch()));
                        after.puts.push(self.memory.put(key, &session));
                    }
                    // The ids do not follow what is held: another program wrote in between.
                    Err(_) => self.unload(key, &held, after),
                }
            }
        }
        after.left.push(held);
    }

    /// A session that lacks a turn that was committed here leaves memory. Who reads what it was before keeps it.
    fn unload(&self, key: &ConversationKey, held: &LoadedSession, after: &mut AfterUnlock) {
        self.mark_stale(held);
        after.left.extend(self.memory.remove(key));
    }

    /// No lock is held here.
    fn finish(&self, after: AfterUnlock) {
        for put in after.puts {
            self.count(Some(put));
        }
        for waiting in after.applied {
            // Whoever stopped waiting does not hear it.
            let _gone = waiting.applied.send(());
        }
        drop(after.left);
    }
}
