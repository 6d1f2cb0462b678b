//! What this process does to the rows of one session right now: the commits, ends and erases that have not come back yet.
//!
//! It brings two orders together. Commits of one session may come back in another order than that of their versions: one that is ahead of
//! memory waits for those that were under way when it came back, since the missing turn is one of theirs, or another replica's. And the change
//! feed may tell of a commit before it comes back by itself: what is under way here is told by itself.

use std::time::Duration;

use hearth_domain::{Append, Committed, Version};
use tokio::sync::oneshot;

use crate::freshness::Epoch;
use crate::residency::{Held, OnCommit, on_commit};

/// Commits of one session that wait for earlier ones, at most; past it the session is read again.
const WAITING_MAX: usize = 256;

/// A call that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// What this process does to one session right now.
#[derive(Debug, Default)]
pub(crate) struct OwnWork {
    /// What has not come back yet.
    under_way: Vec<Ticket>,
    next_ticket: u64,
    /// Commits that came back before an earlier one, the earliest first.
    waiting: Vec<Waiting>,
    heard: Option<(Epoch, Version)>,
    gone: bool,
}

/// A commit that is ahead of memory.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) append: Append,
    pub(crate) committed: Committed,
    /// When it came back.
    pub(crate) at: Duration,
    /// Told when memory has it.
    pub(crate) applied: oneshot::Sender<()>,
    /// What began before this one may bring the turn that is missing.
    before: Ticket,
}

/// What the change feed told of this process's own work, while some of it was under way.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Deferred {
    /// The epoch, and the highest version that was told in it.
    pub(crate) heard: Option<(Epoch, Version)>,
    /// Whether the session was ended or erased.
    pub(crate) gone: bool,
}

impl OwnWork {
    pub(crate) fn begin(&mut self) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.under_way.push(ticket);
        ticket
    }

    /// It came back, one way or another.
    pub(crate) fn came_back(&mut self, ticket: Ticket) {
        self.under_way.retain(|other| *other != ticket);
    }

    /// Whether a commit that just came back may wait for another one.
    pub(crate) const fn may_wait(&self) -> bool {
        !self.under_way.is_empty() && self.waiting.len() < WAITING_MAX
    }

    pub(crate) fn wait(
        &mut self,
        append: Append,
        committed: Committed,
        at: Duration,
    ) -> oneshot::Receiver<()> {
        let (applied, receiver) = oneshot::channel();
        let version = committed.version;
        let place = self
            .waiting
            .partition_point(|other| other.committed.version < version);
        let waiting = Waiting {
            append,
            committed,
            at,
            applied,
            before: Ticket(self.next_ticket),
        };
        self.waiting.insert(place, waiting);
        receiver
    }

    /// The next commit that has waited for long enough: memory lacks only this one, or has it; or none of those it waited for brought what is missing.
    pub(crate) fn next_ready(&mut self, held: Option<Held>) -> Option<Waiting> {
        let first = self.waiting.first()?;
        let ready = match on_commit(held, first.committed.version) {
            OnCommit::Extend | OnCommit::Unload | OnCommit::Nothing => true,
            OnCommit::LeavesGap => self.under_way.iter().all(|ticket| ticket.0 >= first.before.0),
        };
        ready.then(|| self.waiting.remove(0))
    }

    /// The commit of this version, if it still waits.
    pub(crate) fn stop_waiting(&mut self, version: Version) -> Option<Waiting> {
        let place = self
            .waiting
            .iter()
            .position(|waiting| waiting.committed.version == version)?;
        Some(self.waiting.remove(place))
    }

    /// The change feed told of a commit of this process.
    pub(crate) fn defer_commit(&mut self, epoch: Epoch, version: Version) {
        let heard = match self.heard {
            Some((earlier, heard)) if earlier == epoch => heard.max(version),
            Some(_) | None => version,
        };
        self.heard = Some((epoch, heard));
    }

    /// The change feed told of an end or an erase of this process.
    pub(crate) const fn defer_gone(&mut self) {
        self.gone = true;
    }

    /// Whether there is nothing under way any more.
    pub(crate) const fn is_over(&self) -> bool {
        self.under_way.is_empty() && self.waiting.is_empty()
    }

    /// What is still to be heeded now that it is over.
    pub(crate) const fn deferred(&self) -> Deferred {
        Deferred {
            heard: self.heard,
            gone: self.gone,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use hearth_domain::{CommittedMessage, MessageId};
    use hearth_testkit::build::{append, exchange, key};

    use super::*;

    fn version(number: u64) -> Version {
        Version::new(number).unwrap()
    }

    fn held(number: u64) -> Option<Held> {
        Some(Held {
            version: version(number),
            stale: false,
        })
    }

    fn wait(work: &mut OwnWork, number: u64) -> oneshot::Receiver<()> {
        let row = CommittedMessage {
            id: MessageId(1),
            created_at: DateTime::UNIX_EPOCH,
        };
        let committed = Committed {
            version: version(number),
            messages: vec![row, row],
        };
        let append = append(&key("d", "u", "s"), exchange("query", "response"));
        work.wait(append, committed, Duration::ZERO)
    }

    fn next(work: &mut OwnWork, held: Option<Held>) -> Option<u64> {
        Some(work.next_ready(held)?.committed.version.get())
    }

    #[test]
    fn a_commit_waits_for_what_was_under_way_when_it_came_back_and_for_nothing_later() {
        let mut work = OwnWork::default();
        let (first, second) = (work.begin(), work.begin());
        work.came_back(second);
        assert!(work.may_wait());
        let _applied = wait(&mut work, 3);
        let later = work.begin();
        assert_eq!(next(&mut work, held(1)), None);
        work.came_back(first);
        assert_eq!(
            next(&mut work, held(1)),
            Some(3),
            "the missing turn is not one of ours"
        );
        work.came_back(later);
        assert!(!work.may_wait() && work.is_over());
    }

    #[test]
    fn commits_that_wait_follow_each_other_in_the_order_of_their_versions() {
        let mut work = OwnWork::default();
        let last = work.begin();
        let _applied = [4, 3, 5].map(|number| wait(&mut work, number));
        assert_eq!(next(&mut work, held(1)), None);
        assert_eq!(next(&mut work, held(2)), Some(3));
        assert_eq!(next(&mut work, held(3)), Some(4));
        assert!(work.stop_waiting(version(4)).is_none() && work.stop_waiting(version(5)).is_some());
        assert!(!work.is_over());
        work.came_back(last);
        assert!(work.is_over());
    }

    #[test]
    fn nobody_waits_for_a_session_that_is_not_held_or_stale() {
        let mut work = OwnWork::default();
        let _under_way = work.begin();
        let _applied = [3, 4].map(|number| wait(&mut work, number));
        assert_eq!(next(&mut work, None), Some(3));
        let stale = Held {
            version: version(1),
            stale: true,
        };
        assert_eq!(next(&mut work, Some(stale)), Some(4));
    }

    #[test]
    fn the_highest_version_of_the_last_epoch_is_what_was_heard() {
        let mut work = OwnWork::default();
        assert_eq!(work.deferred(), Deferred::default());
        for number in [9, 8] {
            work.defer_commit(Epoch::new(0), version(number));
        }
        assert_eq!(work.deferred().heard, Some((Epoch::new(0), version(9))));
        work.defer_commit(Epoch::new(1), version(2));
        work.defer_gone();
        let deferred = Deferred {
            heard: Some((Epoch::new(1), version(2))),
            gone: true,
        };
        assert_eq!(work.deferred(), deferred);
    }
}
