//! A connection between its requests: how long it is kept without one.
//!
//! actix-http times the first head of a connection, and the silence after a response. Once a byte has come after that silence it times
//! nothing: a later head that trickles would hold its connection for ever, and so would a body that trickles in after its response. So
//! each connection is watched from around it, and dropped when it goes without a request for too long, whatever its client sends.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::Extensions;
use tokio::task::JoinSet;

tokio::task_local! {
    /// The connection that the task at hand serves.
    static SERVED: Rc<Connection>;
}

/// How often a connection is looked at while it runs through its limit, so that it ends within a quarter of it; nothing reads a clock
/// for each request.
const CHECKS: u32 = 4;

/// Bytes of a response that its reader takes in a second, at least: for so long a response is under way after all of it was handed to
/// the connection.
const BYTES_A_SECOND_MIN: u64 = 8_192;

/// What is known of a connection; it stays on the worker that serves it.
#[derive(Debug, Default)]
pub struct Connection {
    under_way: Cell<usize>,
    /// Requests that began and requests that ended.
    changes: Cell<u64>,
    /// Bytes of the last response that its reader may not have taken yet.
    unread: Cell<u64>,
}

/// A request of a connection, under way until this is dropped.
#[derive(Debug)]
pub struct Occupied(Rc<Connection>);

/// Serves a connection until it is done, or was without a request for `limit`: it is dropped then, within a quarter of the limit. Must run
/// where local tasks may be spawned, as all of a worker does.
///
/// # Errors
///
/// Those of `serving`.
pub async fn watch<E>(serving: impl Future<Output = Result<(), E>>, limit: Duration) -> Result<(), E> {
    let connection = Rc::new(Connection::default());
    let looked_after = Rc::clone(&connection);
    let watched = async {
        // A task of its own, which ends with this one: each time that `serving` is polled, actix-http lets the silence after a response
        // begin anew, so it must not wake for a look.
        let mut watch = JoinSet::new();
        watch.spawn_local(async move { looked_after.neglected(limit).await });
        tokio::select! {
            // A request that arrives as the time is over is served.
            biased;
            served = serving => served,
            Some(_neglected) = watch.join_next() => {
                tracing::debug!("closing a connection that goes without a request");
                Ok(())
            }
        }
    };
    SERVED.scope(connection, watched).await
}

/// Lets the requests of the connection that is served find it.
pub fn introduce(extensions: &mut Extensions) {
    // Not there where a connection is served without being watched.
    if let Ok(connection) = SERVED.try_with(Rc::clone) {
        extensions.insert(connection);
    }
}

impl Connection {
    /// Notes that a request began on the connection that it came by; nothing where that is not watched.
    #[must_use]
    pub fn occupy(connection: Option<&Rc<Self>>) -> Option<Occupied> {
        connection.map(Occupied::new)
    }

    fn note_change(&self) {
        self.changes.set(self.changes.get().wrapping_add(1));
    }

    /// Completes when no request was under way for `limit`, within a quarter of it.
    async fn neglected(&self, limit: Duration) {
        let period = limit / CHECKS;
        let taken = BYTES_A_SECOND_MIN.saturating_mul(period.as_secs().max(1));
        let (mut quiet, mut seen) = (0, self.changes.get());
        while quiet < CHECKS {
            tokio::time::sleep(period).await;
            let changes = self.changes.get();
            if self.under_way.get() > 0 || changes != seen {
                (quiet, seen) = (0, changes);
                continue;
            }
            self.unread.set(self.unread.get().saturating_sub(taken));
            quiet = if self.unread.get() == 0 { quiet + 1 } else { 0 };
        }
    }
}

impl Occupied {
    fn new(connection: &Rc<Connection>) -> Self {
        connection.under_way.set(connection.under_way.get() + 1);
        connection.note_change();
        Self(Rc::clone(connection))
    }

    /// Notes that a response of so many bytes is all in the hands of the connection.
    pub fn answered(self, bytes: u64) {
        self.0.unread.set(bytes);
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get().saturating_sub(1));
        self.0.note_change();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{poll_fn, ready};
    use std::task::Poll;

    use tokio::task::LocalSet;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(80);
    const LATE: Duration = Duration::from_secs(100);

    /// When `connection` is found neglected, while `client` is at work.
    async fn neglected_after(connection: &Connection, client: impl Future<Output = ()>) -> Duration {
        let began = Instant::now();
        let ((), neglected) = tokio::join!(client, async {
            connection.neglected(LIMIT).await;
            began.elapsed()
        });
        neglected
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_is_ended_and_woken_for_nothing_else() {
        let polls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&polls);
        let serving = poll_fn(move |_| {
            counted.set(counted.get() + 1);
            Poll::<Result<(), ()>>::Pending
        });
        let began = Instant::now();
        let worker = async {
            let mut connections = JoinSet::new();
            connections.spawn_local(watch(serving, LIMIT));
            connections.join_next().await.unwrap().unwrap()
        };
        let ended = LocalSet::new().run_until(timeout(LATE, worker)).await;
        assert_eq!(ended, Ok(Ok(())));
        assert!(began.elapsed() >= LIMIT, "{:?}", began.elapsed());
        assert_eq!(polls.get(), 2, "at its start and at its end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_done_ends_as_it_says() {
        let served = watch(async { Err("refused") }, LIMIT);
        let ended = LocalSet::new().run_until(served).await;
        assert_eq!(ended, Err("refused"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_counts_from_its_end() {
        let connection = Rc::new(Connection::default());
        let long = Duration::from_secs(1_000);
        let neglected = neglected_after(&connection, async {
            sleep(Duration::from_secs(79)).await;
            let request = Occupied::new(&connection);
            sleep(long).await;
            request.answered(10);
        })
        .await;
        let quiet = neglected.saturating_sub(long + Duration::from_secs(79));
        assert!(quiet >= LIMIT && quiet <= LATE, "{quiet:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_between_two_looks_are_seen() {
        let connection = Rc::new(Connection::default());
        let neglected = neglected_after(&connection, async {
            for _ in 0..10 {
                sleep(Duration::from_secs(79)).await;
                Occupied::new(&connection).answered(10);
            }
        })
        .await;
        let quiet = neglected.saturating_sub(Duration::from_secs(790));
        assert!(quiet >= LIMIT && quiet <= LATE, "{quiet:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_response_is_given_time() {
        let connection = Rc::new(Connection::default());
        let seconds = 1_000;
        Occupied::new(&connection).answered(seconds * BYTES_A_SECOND_MIN);
        let neglected = neglected_after(&connection, ready(())).await;
        let quiet = neglected.saturating_sub(Duration::from_secs(seconds - 20));
        assert!(quiet >= LIMIT && quiet <= LATE, "{quiet:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_requests_of_a_watched_connection_find_it() {
        let mut alone = Extensions::new();
        introduce(&mut alone);
        assert!(!alone.contains::<Rc<Connection>>());
        let mut watched = Extensions::new();
        let introduced = async {
            introduce(&mut watched);
            Ok::<_, ()>(())
        };
        LocalSet::new().run_until(watch(introduced, LIMIT)).await.unwrap();
        assert!(watched.contains::<Rc<Connection>>());
    }
}
