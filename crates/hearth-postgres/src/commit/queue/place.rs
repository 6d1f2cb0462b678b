//! The place of a committer: one batch under way at a time, whose sessions nobody else touches meanwhile.

use std::sync::Arc;

use hearth_domain::ConversationKey;

use super::{ASIDE_MAX, Queue, Waiting, refuse};
use crate::commit::turn::PendingTurn;
use crate::error::Fault;

/// The place of a committer. Dropping it in the middle refuses what waits: the runtime ends.
pub(in crate::commit) struct Place {
    queue: Arc<Queue>,
    /// The sessions of the batch under way.
    sessions: Vec<ConversationKey>,
    standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// At work; others wait for it.
    Committing,
    /// Its batch takes long, there is no room aside, and nobody waits for it.
    Slow,
    /// Its batch takes long, and nobody waits for it.
    Aside,
    /// Done, and given back.
    Left,
}

impl Place {
    pub(super) const fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            sessions: Vec::new(),
            standing: Standing::Committing,
        }
    }

    /// Ends the batch that was under way, and takes the next one: turns that fit one statement. None when there is nothing to do, and
    /// the place is given back.
    pub(in crate::commit) fn next(&mut self) -> Option<Vec<PendingTurn>> {
        let mut waiting = self.queue.lock();
        waiting.release(&mut self.sessions);
        match self.standing {
            Standing::Slow => {
                waiting.slow -= 1;
                self.standing = Standing::Committing;
            }
            Standing::Aside if waiting.needs_another(self.queue.committers_max) => {
                waiting.aside -= 1;
                waiting.committers += 1;
                self.standing = Standing::Committing;
            }
            Standing::Committing | Standing::Aside | Standing::Left => {}
        }
        let batch = match self.standing {
            Standing::Committing => waiting.take(),
            Standing::Slow | Standing::Aside | Standing::Left => Vec::new(),
        };
        if batch.is_empty() {
            waiting.leave(&mut self.standing);
            return None;
        }
        let mut sessions: Vec<_> = batch.iter().map(|turn| turn.append().key.clone()).collect();
        sessions.retain(|session| waiting.held.insert(session.clone()));
        self.sessions = sessions;
        Some(batch)
    }

    /// A place beside this one for a committer who is to be started, where more waits than this one took.
    #[must_use]
    pub(in crate::commit) fn another(&self) -> Option<Self> {
        let mut waiting = self.queue.lock();
        self.queue.place(&mut waiting)
    }

    /// Lets others go on while the batch takes its time: aside where there is room, else in its place.
    pub(in crate::commit) fn let_others_pass(&mut self) {
        let mut waiting = self.queue.lock();
        let standing = match self.standing {
            Standing::Committing | Standing::Slow if waiting.aside < ASIDE_MAX => Standing::Aside,
            Standing::Committing => Standing::Slow,
            Standing::Slow | Standing::Aside | Standing::Left => return,
        };
        waiting.leave(&mut self.standing);
        match standing {
            Standing::Aside => waiting.aside += 1,
            Standing::Slow => {
                waiting.committers += 1;
                waiting.slow += 1;
            }
            Standing::Committing | Standing::Left => {}
        }
        self.standing = standing;
    }
}

impl Waiting {
    fn leave(&mut self, standing: &mut Standing) {
        match std::mem::replace(standing, Standing::Left) {
            Standing::Committing => self.committers -= 1,
            Standing::Slow => {
                self.committers -= 1;
                self.slow -= 1;
            }
            Standing::Aside => self.aside -= 1,
            Standing::Left => {}
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.standing == Standing::Left {
            return;
        }
        let turns = {
            let mut waiting = self.queue.lock();
            waiting.release(&mut self.sessions);
            waiting.leave(&mut self.standing);
            std::mem::take(&mut waiting.turns)
        };
        refuse(turns, &Fault::task_ended());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hearth_domain::{Append, NewMessage, Role, Turn};
    use tokio::sync::oneshot::error::TryRecvError;
    use tokio::sync::{Semaphore, oneshot};

    use super::super::SHARED_TURNS_MIN;
    use super::*;
    use crate::commit::outcome::{Outcome, Refusal};
    use crate::commit::turn::Ticket;

    type Answer = oneshot::Receiver<Outcome>;

    fn queue() -> Arc<Queue> {
        Arc::new(Queue::new(2, Duration::from_secs(60)))
    }

    /// Puts a turn into the queue for each session.
    fn push(queue: &Arc<Queue>, sessions: &[impl AsRef<str>]) -> (Option<Place>, Vec<Answer>) {
        let room = Arc::new(Semaphore::new(sessions.len()));
        let turn = |session: &dyn AsRef<str>| {
            let question = NewMessage::new(Role::User, "?".to_owned()).unwrap();
            let append = Append {
                key: ConversationKey::parse("d", "u", session.as_ref()).unwrap(),
                turn: Turn::new(vec![question]).unwrap(),
                if_version: None,
                read_version: None,
                completes: None,
            };
            let room = Arc::clone(&room).try_acquire_owned().unwrap();
            let (reply, answer) = oneshot::channel();
            ((append, Ticket { room, reply }), answer)
        };
        let (turns, answers) = sessions.iter().map(|session| turn(session)).unzip();
        (queue.push(turns), answers)
    }

    /// Sessions, one fewer than it takes for a second committer.
    fn one_too_few(prefix: &str) -> Vec<String> {
        (1..SHARED_TURNS_MIN)
            .map(|number| format!("{prefix}{number}"))
            .collect()
    }

    fn taken(place: &mut Place) -> Option<usize> {
        place.next().map(|batch| batch.len())
    }

    #[tokio::test]
    async fn a_second_committer_comes_for_a_batch_that_is_not_small() {
        let queue = queue();
        let (first, _answers) = push(&queue, &["a"]);
        let mut first = first.unwrap();
        assert_eq!(
            taken(&mut first),
            Some(1),
            "with nothing under way it begins at once"
        );

        let (too_few, _answers) = push(&queue, &one_too_few("x"));
        assert!(too_few.is_none());
        let (second, _answers) = push(&queue, &["b"]);
        let mut second = second.unwrap();
        assert_eq!(taken(&mut second), Some(SHARED_TURNS_MIN));
        let (third, _answers) = push(&queue, &one_too_few("y"));
        assert!(third.is_none(), "there are two at most");

        assert_eq!(
            taken(&mut first),
            Some(SHARED_TURNS_MIN - 1),
            "they wait for whoever is done first"
        );
        assert_eq!(taken(&mut second), None);
        assert!(push(&queue, &["c"]).0.is_none(), "the first one is still at work");
        assert_eq!(taken(&mut first), Some(1));
        assert_eq!(taken(&mut first), None);
        assert!(push(&queue, &["c"]).0.is_some(), "nobody is at work");
    }

    #[tokio::test]
    async fn a_batch_that_is_aside_holds_its_sessions_alone() {
        let queue = queue();
        let mut slow = push(&queue, &["a", "b"]).0.unwrap();
        assert_eq!(taken(&mut slow), Some(2));
        assert!(push(&queue, &["a", "c"]).0.is_none());
        slow.let_others_pass();
        let mut other = slow.another().unwrap();
        assert_eq!(taken(&mut other), Some(1), "a waits for its batch");
        assert_eq!(taken(&mut other), None);

        assert_eq!(
            taken(&mut slow),
            Some(1),
            "with nobody else at work it is no longer aside"
        );
        assert_eq!(taken(&mut slow), None);
        let waiting = queue.lock();
        assert_eq!((waiting.committers, waiting.aside, waiting.held.len()), (0, 0, 0));
    }

    #[tokio::test]
    async fn batches_that_take_long_hold_up_nobody_else_however_many_they_are() {
        let queue = queue();
        let mut slow = Vec::new();
        let (mut place, _answers) = push(&queue, &["0"]);
        for number in 1..=ASIDE_MAX + 1 {
            let mut taking = place.unwrap();
            assert_eq!(taken(&mut taking), Some(1));
            taking.let_others_pass();
            slow.push(taking);
            place = push(&queue, &[number.to_string()]).0;
        }
        let mut last = place.unwrap();
        assert_eq!(
            taken(&mut last),
            Some(1),
            "one is in its place, the others are aside"
        );
        assert!(push(&queue, &["0"]).0.is_none());
        assert_eq!(taken(&mut last), None, "it is held");
        for mut place in slow {
            while taken(&mut place).is_some() {}
        }
        let waiting = queue.lock();
        assert_eq!((waiting.committers, waiting.slow, waiting.aside), (0, 0, 0));
        assert!(waiting.turns.is_empty() && waiting.held.is_empty());
    }

    #[tokio::test]
    async fn turns_of_one_busy_session_start_nobody_in_vain() {
        let queue = queue();
        let mut place = push(&queue, &["a"]).0.unwrap();
        assert_eq!(taken(&mut place), Some(1));
        let mut vain = push(&queue, &["a"; SHARED_TURNS_MIN]).0.unwrap();
        assert_eq!(taken(&mut vain), None);
        assert!(push(&queue, &["a"]).0.is_none(), "it is known that all are held");
        let mut other = push(&queue, &["b"]).0.unwrap();
        assert_eq!(taken(&mut other), Some(1));
        assert_eq!(taken(&mut place), Some(SHARED_TURNS_MIN + 1));
    }

    #[tokio::test]
    async fn a_committer_that_ends_in_the_middle_leaves_nobody_waiting() {
        let queue = queue();
        let mut place = push(&queue, &["a"]).0.unwrap();
        assert_eq!(taken(&mut place), Some(1));
        let (_, mut waiting) = push(&queue, &["a", "b"]);
        assert!(matches!(waiting[0].try_recv(), Err(TryRecvError::Empty)));
        drop(place);
        for answer in &mut waiting {
            assert!(matches!(answer.try_recv(), Ok(Err(Refusal::NotCommitted(_)))));
        }
        assert!(
            push(&queue, &["a"]).0.is_some(),
            "its place is free, and so are its sessions"
        );
    }
}
