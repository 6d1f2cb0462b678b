//! Turns that wait to be committed, in the order of arrival; `place` has those who commit them.

mod place;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hearth_domain::{Append, ConversationKey, RequestKey};
pub(super) use place::Place;
use tokio::time::{Instant, sleep_until};

use super::outcome::Refusal;
use super::turn::{PendingTurn, Ticket};
use crate::error::Fault;

/// Turns of a batch, at most.
const BATCH_TURNS_MAX: usize = 128;

/// Bytes of a batch's contents after which no further turn joins it.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Turns that must wait before another committer takes some while one is at work: a batch has a price of its own, so that the second one
/// is worth it only when it is not small.
const SHARED_TURNS_MIN: usize = 48;

/// Batches that may be set aside at once, so that trouble leaves connections to everybody else.
const ASIDE_MAX: usize = 4;

/// The turns that wait.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    committers_max: usize,
    commit_timeout: Duration,
}

#[derive(Default)]
struct Waiting {
    turns: VecDeque<PendingTurn>,
    /// The sessions of batches under way: later turns of theirs wait until that is over.
    held: HashSet<ConversationKey>,
    /// Batches under way that others wait for; those of them that take long and found no room aside, for which nobody waits either.
    committers: usize,
    slow: usize,
    /// Batches under way that were set aside.
    aside: usize,
    /// All turns here are of sessions that are held, as far as is known.
    fruitless: bool,
}

impl Queue {
    pub(super) fn new(committers_max: usize, commit_timeout: Duration) -> Self {
        Self {
            waiting: Mutex::default(),
            committers_max,
            commit_timeout,
        }
    }

    /// Puts turns in, next to each other. Brings the place of a committer who is to be started for them.
    #[must_use]
    pub(super) fn push(self: &Arc<Self>, turns: Vec<(Append, Ticket)>) -> Option<Place> {
        let mut waiting = self.lock();
        // Taken under the lock: the queue is in the order of the deadlines too.
        let deadline = Instant::now() + self.commit_timeout;
        for (append, ticket) in turns {
            waiting.fruitless &= waiting.held.contains(&append.key);
            waiting
                .turns
                .push_back(PendingTurn::new(append, ticket, deadline));
        }
        self.place(&mut waiting)
    }

    /// A place for one more committer, if one is needed.
    fn place(self: &Arc<Self>, waiting: &mut Waiting) -> Option<Place> {
        let needed = waiting.needs_another(self.committers_max);
        needed.then(|| {
            waiting.committers += 1;
            Place::new(Arc::clone(self))
        })
    }

    /// Tells all turns that wait that the database is not there, unless another committer may have it.
    pub(super) fn refuse_waiting(&self, fault: &Fault) {
        let turns = {
            let mut waiting = self.lock();
            if waiting.committers + waiting.aside > 1 {
                return;
            }
            std::mem::take(&mut waiting.turns)
        };
        refuse(turns, fault);
    }

    /// Tells turns that ran out of time while they waited. Brings the moment at which to look again.
    fn refuse_expired(&self) -> Instant {
        let now = Instant::now();
        let (expired, next) = {
            let mut waiting = self.lock();
            let expired: Vec<_> =
                std::iter::from_fn(|| waiting.turns.pop_front_if(|turn| turn.deadline() <= now)).collect();
            // What comes later is due later.
            let next = waiting.turns.front().map(PendingTurn::deadline);
            (expired, next.unwrap_or(now + self.commit_timeout))
        };
        refuse(expired, &Fault::timed_out());
        next
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells turns that run out of time while they wait, for as long as there is a queue.
pub(super) async fn expire(queue: Weak<Queue>) {
    while let Some(next) = queue.upgrade().map(|queue| queue.refuse_expired()) {
        sleep_until(next).await;
    }
}

/// Turns that were never sent: certainly not committed.
fn refuse(turns: impl IntoIterator<Item = PendingTurn>, fault: &Fault) {
    for turn in turns {
        turn.answer(Err(Refusal::NotCommitted(fault.clone())));
    }
}

impl Waiting {
    /// An idle server begins at once, and so does one whose committers all take long; while one is at work the next batch gathers.
    fn needs_another(&self, committers_max: usize) -> bool {
        let enough = match self.committers - self.slow {
            0 => !self.turns.is_empty(),
            _ => self.turns.len() >= SHARED_TURNS_MIN && !self.fruitless,
        };
        enough && self.committers < committers_max
    }

    /// Takes turns from the front, as many as fit one statement. A turn that names a version must see the turns of its session before
    /// it, and be seen by those after it: it is alone with its session in a statement. So is a turn's request. Nobody overtakes a turn of the
    /// same session.
    fn take(&mut self) -> Vec<PendingTurn> {
        let mut batch: Vec<PendingTurn> = Vec::new();
        let mut requests: HashSet<RequestKey> = HashSet::new();
        let mut blocked: HashSet<ConversationKey> = HashSet::new();
        let mut passed = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH_TURNS_MAX && bytes < BATCH_BYTES_MAX {
            let Some(turn) = self.turns.pop_front() else {
                break;
            };
            let key = &turn.append().key;
            let is_alone = turn.append().if_version.is_some();
            let request = turn
                .append()
                .completes
                .as_ref()
                .map(|completion| &completion.request);
            let is_taken = request.is_some_and(|request| requests.contains(request));
            let is_shared = is_alone && batch.iter().any(|other| other.append().key == *key);
            if self.held.contains(key) || blocked.contains(key) {
                passed.push(turn);
                continue;
            }
            if is_shared || is_taken {
                blocked.insert(key.clone());
                passed.push(turn);
                continue;
            }
            if is_alone {
                blocked.insert(key.clone());
            }
            requests.extend(request.cloned());
            bytes += turn.bytes();
            batch.push(turn);
        }
        for turn in passed.into_iter().rev() {
            self.turns.push_front(turn);
        }
        self.fruitless = batch.is_empty();
        batch
    }

    fn release(&mut self, sessions: &mut Vec<ConversationKey>) {
        self.fruitless &= sessions.is_empty();
        for session in sessions.drain(..) {
            self.held.remove(&session);
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_domain::{
        ClaimOwner, Completion, Department, Endpoint, IdempotencyKey, NewMessage, Role, Turn, UserId, Version,
    };
    use tokio::sync::{Semaphore, oneshot};

    use super::*;

    /// One letter is a session, `!` says that the turn names a version, and a digit is the request that it completes.
    fn waiting(picture: &str) -> Waiting {
        let places = picture.split(' ').count();
        let room = Arc::new(Semaphore::new(places));
        let turn = |(number, word): (usize, &str)| {
            let question = NewMessage::new(Role::User, number.to_string()).unwrap();
            let append = Append {
                key: ConversationKey::parse("d", "u", &word[..1]).unwrap(),
                turn: Turn::new(vec![question]).unwrap(),
                if_version: word.ends_with('!').then_some(Version::ZERO),
                read_version: None,
                completes: word.chars().find(char::is_ascii_digit).map(completion),
            };
            let room = Arc::clone(&room).try_acquire_owned().unwrap();
            let (reply, _) = oneshot::channel();
            PendingTurn::new(append, Ticket { room, reply }, Instant::now())
        };
        Waiting {
            turns: picture.split(' ').enumerate().map(turn).collect(),
            ..Waiting::default()
        }
    }

    fn completion(digit: char) -> Completion {
        let request = RequestKey {
            department: Department::new("d").unwrap(),
            user: UserId::new("u").unwrap(),
            endpoint: Endpoint::Chat,
            key: IdempotencyKey::new(&digit.to_string()).unwrap(),
        };
        Completion {
            request,
            owner: ClaimOwner::generate(),
            answer: serde_json::Value::Null,
        }
    }

    fn numbers<'a>(turns: impl IntoIterator<Item = &'a PendingTurn>) -> Vec<usize> {
        let number = |turn: &PendingTurn| turn.append().turn.messages()[0].content().parse().unwrap();
        turns.into_iter().map(number).collect()
    }

    #[test]
    fn turns_share_a_batch_unless_a_version_or_a_request_forbids_it() {
        let check = |picture: &str, expected: &[&[usize]]| {
            let mut waiting = waiting(picture);
            let batches: Vec<Vec<usize>> = std::iter::from_fn(|| {
                let batch = waiting.take();
                (!batch.is_empty()).then(|| numbers(&batch))
            })
            .collect();
            assert_eq!(batches, expected, "{picture}");
        };
        check("a b a", &[&[0, 1, 2]]);
        check("a a! a a", &[&[0], &[1], &[2, 3]]);
        check("a! b! c", &[&[0, 1, 2]]);
        check("a! a! b a", &[&[0, 2], &[1], &[3]]);
        check("a1 a2 b3 c", &[&[0, 1, 2, 3]]);
        check("a1 a1 b1 a c", &[&[0, 4], &[1, 3], &[2]]);
    }

    #[test]
    fn sessions_that_are_aside_wait_in_their_order() {
        let mut waiting = waiting("a b a c b");
        let aside = ConversationKey::parse("d", "u", "a").unwrap();
        waiting.held.insert(aside);
        assert_eq!(numbers(&waiting.take()), [1, 3, 4]);
        assert_eq!(numbers(&waiting.turns), [0, 2]);
        assert!(waiting.take().is_empty());
        waiting.held.clear();
        assert_eq!(numbers(&waiting.take()), [0, 2]);
    }

    #[test]
    fn a_batch_has_its_limits() {
        let many = ["a"; BATCH_TURNS_MAX + 1].join(" ");
        let mut waiting = waiting(&many);
        assert_eq!(waiting.take().len(), BATCH_TURNS_MAX);
        assert_eq!(waiting.take().len(), 1);
    }
}
