//! One turn at a time in each session, on this replica: the next one's prompt has the answer of the one before.

use std::collections::HashMap;
use std::sync::Arc;

use hearth_domain::ConversationKey;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::config::Concurrent;

/// The sessions that have a turn under way. A session without one takes no memory.
#[derive(Debug)]
pub(crate) struct TurnQueue {
    concurrent: Concurrent,
    waiting_max: usize,
    lines: Mutex<HashMap<ConversationKey, Line>>,
}

/// One session's turns: one that is under way, and those that wait.
#[derive(Debug)]
struct Line {
    turns: usize,
    /// One permit, given in the order of arrival.
    door: Arc<Semaphore>,
}

/// No place in time, or none at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// A turn's place in its session: the next turn begins when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    // Before the seat: the line must outlast the permit that it gave.
    _permit: OwnedSemaphorePermit,
    _seat: Seat,
}

/// A turn that is counted among its session's, whether it waits or is under way.
#[derive(Debug)]
struct Seat {
    queue: Arc<TurnQueue>,
    key: ConversationKey,
}

impl TurnQueue {
    pub(crate) fn new(concurrent: Concurrent, waiting_max: usize) -> Self {
        Self {
            concurrent,
            waiting_max,
            lines: Mutex::default(),
        }
    }

    /// Waits until no other turn of the session is under way.
    ///
    /// # Errors
    ///
    /// [`Busy`] where that is not so by `deadline`, or as many wait as may.
    ///
    /// # Cancel safety
    ///
    /// A caller who goes away leaves its place to the next.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        key: &ConversationKey,
        deadline: Instant,
    ) -> Result<Place, Busy> {
        let (seat, door) = self.sit(key)?;
        match timeout_at(deadline, door.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place {
                _permit: permit,
                _seat: seat,
            }),
            Ok(Err(_closed)) => Err(Busy),
            Err(_elapsed) => Err(Busy),
        }
    }

    fn sit(self: &Arc<Self>, key: &ConversationKey) -> Result<(Seat, Arc<Semaphore>), Busy> {
        let mut lines = self.lines.lock();
        let waiting_max = match self.concurrent {
            Concurrent::Queue => self.waiting_max,
            Concurrent::Reject => 0,
        };
        let door = match lines.get_mut(key) {
            Some(line) if line.turns > waiting_max => return Err(Busy),
            Some(line) => {
                line.turns += 1;
                Arc::clone(&line.door)
            }
            None => {
                let door = Arc::new(Semaphore::new(1));
                let line = Line {
                    turns: 1,
                    door: Arc::clone(&door),
                };
                lines.insert(key.clone(), line);
                door
            }
        };
        drop(lines);
        let seat = Seat {
            queue: Arc::clone(self),
            key: key.clone(),
        };
        Ok((seat, door))
    }

    /// Turns that wait or are under way, by sessions.
    #[cfg(test)]
    fn turns(&self) -> Vec<usize> {
        self.lines.lock().values().map(|line| line.turns).collect()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut lines = self.queue.lines.lock();
        let Some(line) = lines.get_mut(&self.key) else {
            return;
        };
        line.turns -= 1;
        let empty = if line.turns == 0 {
            lines.remove_entry(&self.key)
        } else {
            None
        };
        drop(lines);
        drop(empty);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use hearth_testkit::build::key;

    use super::*;

    fn queue(concurrent: Concurrent, waiting_max: usize) -> Arc<TurnQueue> {
        Arc::new(TurnQueue::new(concurrent, waiting_max))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_the_order_of_arrival_and_leave_nothing_behind() {
        let queue = queue(Concurrent::Queue, 8);
        let (one, order) = (key("d", "u", "1"), Mutex::new(Vec::new()));
        let first = queue.enter(&one, soon()).await.unwrap();
        let turns = (0..8).map(|turn| {
            let (queue, one, order) = (&queue, &one, &order);
            async move {
                let place = queue.enter(one, soon()).await.unwrap();
                order.lock().push(turn);
                tokio::task::yield_now().await;
                drop(place);
            }
        });
        let turns = join_all(turns);
        tokio::pin!(turns);
        assert!(
            turns.as_mut().now_or_never().is_none(),
            "the first turn is under way"
        );
        assert_eq!(queue.turns(), [9]);
        drop(first);
        turns.await;
        assert_eq!(*order.lock(), (0..8).collect::<Vec<_>>());
        assert!(queue.turns().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_is_bounded_and_other_sessions_have_theirs() {
        for (concurrent, waiting) in [(Concurrent::Queue, 2), (Concurrent::Reject, 0)] {
            let queue = queue(concurrent, 2);
            let _first = queue.enter(&key("d", "u", "1"), soon()).await.unwrap();
            let one = key("d", "u", "1");
            let mut waiters: Vec<_> = (0..waiting)
                .map(|_| Box::pin(queue.enter(&one, soon())))
                .collect();
            for waiter in &mut waiters {
                assert!(waiter.as_mut().now_or_never().is_none());
            }
            assert_eq!(
                queue.enter(&one, soon()).now_or_never().unwrap().unwrap_err(),
                Busy
            );
            let _other = queue.enter(&key("d", "u", "2"), soon()).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_or_goes_away_leaves_its_place() {
        let queue = queue(Concurrent::Queue, 2);
        let one = key("d", "u", "1");
        let first = queue.enter(&one, soon()).await.unwrap();
        assert_eq!(queue.enter(&one, soon()).await.unwrap_err(), Busy);
        let mut gone = Box::pin(queue.enter(&one, soon()));
        assert!(gone.as_mut().now_or_never().is_none());
        assert_eq!(queue.turns(), [2]);
        drop(gone);
        assert_eq!(queue.turns(), [1]);
        drop(first);
        assert!(queue.turns().is_empty());
    }
}
