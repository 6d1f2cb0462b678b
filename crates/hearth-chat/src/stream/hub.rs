//! The streams that run here or have just ended, by their turns: where a client that lost its connection finds its place again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use hearth_domain::{ConversationKey, Department, TurnId, UserId};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::transcript::Transcript;
use crate::answer::Answered;

/// The streams that run here or have just ended.
#[derive(Debug)]
pub(crate) struct Hub {
    age_max: Duration,
    bytes_max: usize,
    streams: Mutex<Streams>,
}

#[derive(Debug, Default)]
struct Streams {
    by_turn: HashMap<TurnId, Listed>,
    /// Those that have ended, the first one first.
    ended: VecDeque<Ended>,
    ended_bytes: usize,
}

#[derive(Debug)]
struct Listed {
    key: ConversationKey,
    transcript: watch::Receiver<Transcript>,
}

#[derive(Debug)]
struct Ended {
    turn_id: TurnId,
    at: Instant,
    bytes: usize,
}

/// A stream that was found.
pub(crate) struct Found {
    pub(crate) key: ConversationKey,
    pub(crate) transcript: watch::Receiver<Transcript>,
}

impl Found {
    /// The answer, where the turn has come to its end.
    pub(crate) fn answered(&self) -> Option<Arc<Answered>> {
        self.transcript.borrow().answered()
    }

    /// Whether the turn ended because its session was erased.
    pub(crate) fn was_erased(&self) -> bool {
        self.transcript.borrow().was_erased()
    }
}

impl Hub {
    /// A hub that keeps what has ended for so long, and so much of it.
    pub(crate) fn new(age_max: Duration, bytes_max: usize) -> Self {
        Self {
            age_max,
            bytes_max,
            streams: Mutex::default(),
        }
    }

    /// Lists a stream that runs, until the listing is dropped; from then on it has ended.
    pub(super) fn list(
        self: &Arc<Self>,
        key: &ConversationKey,
        turn_id: TurnId,
        transcript: watch::Receiver<Transcript>,
    ) -> Listing {
        let listed = Listed {
            key: key.clone(),
            transcript,
        };
        self.streams.lock().by_turn.insert(turn_id, listed);
        Listing {
            hub: Arc::downgrade(self),
            turn_id,
        }
    }

    /// The stream of a turn, for its own user alone.
    pub(crate) fn find(&self, turn_id: TurnId, department: &Department, user: &UserId) -> Option<Found> {
        self.forget_old();
        let streams = self.streams.lock();
        let listed = streams.by_turn.get(&turn_id)?;
        (listed.key.department == *department && listed.key.user == *user).then(|| Found {
            key: listed.key.clone(),
            transcript: listed.transcript.clone(),
        })
    }

    /// Forgets what has ended too long ago.
    pub(crate) fn forget_old(&self) {
        let old = self.streams.lock().pop_beyond(self.age_max, self.bytes_max);
        drop(old);
    }

    /// Forgets the streams of these sessions that have ended.
    pub(crate) fn forget_ended(&self, is_gone: impl Fn(&ConversationKey) -> bool) {
        let mut gone = Vec::new();
        let mut streams = self.streams.lock();
        let Streams {
            by_turn,
            ended,
            ended_bytes,
        } = &mut *streams;
        ended.retain(|stream| {
            let goes = by_turn
                .get(&stream.turn_id)
                .is_some_and(|listed| is_gone(&listed.key));
            if goes {
                *ended_bytes = ended_bytes.saturating_sub(stream.bytes);
                gone.extend(by_turn.remove(&stream.turn_id));
            }
            !goes
        });
        drop(streams);
    }

    fn end(&self, turn_id: TurnId) {
        let mut streams = self.streams.lock();
        let Some(listed) = streams.by_turn.get(&turn_id) else {
            return;
        };
        let bytes = listed.transcript.borrow().bytes() + size_of::<Listed>() + size_of::<Ended>();
        streams.ended_bytes += bytes;
        streams.ended.push_back(Ended {
            turn_id,
            at: Instant::now(),
            bytes,
        });
        let old = streams.pop_beyond(self.age_max, self.bytes_max);
        drop(streams);
        drop(old);
    }

    /// Streams that run or have ended, and the bytes of the latter.
    #[cfg(test)]
    pub(crate) fn occupancy(&self) -> (usize, usize) {
        let streams = self.streams.lock();
        (streams.by_turn.len(), streams.ended_bytes)
    }
}

impl Streams {
    /// Takes out what has ended too long ago, and the oldest of what is too much: to be dropped once the lock is free.
    fn pop_beyond(&mut self, age_max: Duration, bytes_max: usize) -> Vec<Listed> {
        let mut gone = Vec::new();
        while let Some(oldest) = self.ended.front() {
            if oldest.at.elapsed() < age_max && self.ended_bytes <= bytes_max {
                break;
            }
            self.ended_bytes = self.ended_bytes.saturating_sub(oldest.bytes);
            gone.extend(self.by_turn.remove(&oldest.turn_id));
            self.ended.pop_front();
        }
        gone
    }
}

/// A stream's place in the hub while it runs.
#[derive(Debug)]
pub(crate) struct Listing {
    hub: Weak<Hub>,
    turn_id: TurnId,
}

impl Drop for Listing {
    fn drop(&mut self) {
        if let Some(hub) = self.hub.upgrade() {
            hub.end(self.turn_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_testkit::build;

    use super::super::Teller;
    use super::*;
    use crate::error::ChatError;

    const AGE_MAX: Duration = Duration::from_secs(60);

    fn stream(hub: &Arc<Hub>, session: &str) -> (TurnId, Teller) {
        let (mut teller, _reader) = Teller::told();
        let turn_id = TurnId::generate();
        teller.started(hub, &build::key("d", "u", session), turn_id);
        (turn_id, teller)
    }

    #[tokio::test(start_paused = true)]
    async fn what_runs_stays_and_what_ended_goes() {
        let hub = Arc::new(Hub::new(AGE_MAX, 1 << 20));
        let running: Vec<_> = (0..200).map(|_| stream(&hub, "1")).collect();
        tokio::time::advance(AGE_MAX * 2).await;
        hub.forget_old();
        assert_eq!(hub.occupancy(), (200, 0));
        for (_, teller) in running {
            teller.delta("text");
            teller.ended(Err(ChatError::Stopped));
        }
        let (streams, bytes) = hub.occupancy();
        assert!(
            streams == 200 && bytes > 200 * 4,
            "{streams} streams, {bytes} bytes"
        );
        tokio::time::advance(AGE_MAX).await;
        hub.forget_old();
        assert_eq!(hub.occupancy(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn what_ended_is_bounded_and_the_oldest_goes_first() {
        let hub = Arc::new(Hub::new(AGE_MAX, 50_000));
        let key = build::key("d", "u", "1");
        let mut turns = Vec::new();
        for _ in 0..20 {
            let (turn_id, teller) = stream(&hub, "1");
            teller.delta(&"a".repeat(8_000));
            drop(teller);
            assert!(hub.occupancy().1 <= 50_000);
            turns.push(turn_id);
        }
        let found = |turn: &TurnId| hub.find(*turn, &key.department, &key.user).is_some();
        let found: Vec<_> = turns.iter().map(found).collect();
        assert!(found.is_sorted() && !found[0] && found[19], "{found:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_streams_of_a_session_are_forgotten_once_they_have_ended() {
        let hub = Arc::new(Hub::new(AGE_MAX, 1 << 20));
        let (_, ended) = stream(&hub, "1");
        let (_, other) = stream(&hub, "2");
        let (_, running) = stream(&hub, "1");
        drop((ended, other));
        hub.forget_ended(|key| key.session.as_str() == "1");
        assert_eq!(hub.occupancy().0, 2);
        drop(running);
        hub.forget_ended(|_| true);
        assert_eq!(hub.occupancy(), (0, 0));
    }
}
