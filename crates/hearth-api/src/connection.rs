//! A connection between its requests: how long it is kept without one.
//!
//! actix-http times the first head of a connection, and the silence after a response. Once a byte has come after that silence it times
//! nothing: a later head that trickles would hold its connection for ever, and so would a body that trickles in after its response. So
//! each connection is watched from around it, and dropped when it goes without a request for too long, whatever its client sends. A response
//! whose reader takes nothing of it for so long is no request either: over HTTP/2 its reader could else hold as many as it likes for ever.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::Extensions;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::watched_body::Watch;

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

/// Requests of one connection that are under way at once, at most: HTTP/2 itself has no limit. What comes beyond is refused, and so many more end the
/// connection of a client that does not read its refusals.
const UNDER_WAY_MAX: usize = 512;
const UNREAD_REFUSALS_MAX: usize = 3 * UNDER_WAY_MAX;

/// What is known of a connection; it stays on the worker that serves it.
#[derive(Debug, Default)]
pub struct Connection {
    under_way: Cell<usize>,
    /// Those of them whose reader has yet to come for more.
    behind: Cell<usize>,
    /// Told when there are far too many.
    overrun: Notify,
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
    let overrun = Rc::clone(&connection);
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
            () = overrun.overrun.notified() => {
                tracing::debug!("closing a connection with too many requests at once");
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

    /// Whether it has more requests than one connection may have at once.
    #[must_use]
    pub const fn is_crowded(&self) -> bool {
        self.under_way.get() > UNDER_WAY_MAX
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
            if self.under_way.get() > self.behind.get() || changes != seen {
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
        let under_way = connection.under_way.get() + 1;
        connection.under_way.set(under_way);
        connection.note_change();
        if under_way > UNDER_WAY_MAX + UNREAD_REFUSALS_MAX {
            connection.overrun.notify_one();
        }
        Self(Rc::clone(connection))
    }

    /// Notes that a response of so many bytes is all in the hands of the connection.
    pub fn answered(self, bytes: u64) {
        self.0.unread.set(bytes);
    }

    /// Notes that the response is read piece by piece.
    pub(crate) const fn being_read(self) -> BeingRead {
        BeingRead {
            request: self,
            is_behind: false,
        }
    }
}

/// A request whose response is read piece by piece.
pub(crate) struct BeingRead {
    request: Occupied,
    /// Whether its reader has a piece, and has not come for the next one yet.
    is_behind: bool,
}

impl Watch for BeingRead {
    fn asked(&mut self) {
        if std::mem::take(&mut self.is_behind) {
            let connection = &self.request.0;
            connection.behind.set(connection.behind.get().saturating_sub(1));
            connection.note_change();
        }
    }

    fn taken(&mut self, bytes: u64) {
        self.is_behind = true;
        let connection = &self.request.0;
        connection.behind.set(connection.behind.get() + 1);
        connection.unread.set(connection.unread.get().max(bytes));
        connection.note_change();
    }

    fn done(self, _bytes: u64) {}
}

impl Drop for BeingRead {
    fn drop(&mut self) {
        self.asked();
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
    async fn a_reader_that_does_not_come_for_more_is_not_waited_for() {
        let connection = Rc::new(Connection::default());
        let waited = Duration::from_secs(1_000);
        let neglected = neglected_after(&connection, async {
            let mut response = Occupied::new(&connection).being_read();
            response.asked();
            sleep(waited).await;
            response.taken(10);
            sleep(LATE * 2).await;
        })
        .await;
        let quiet = neglected.saturating_sub(waited);
        assert!(quiet >= LIMIT && quiet <= LATE, "{quiet:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_far_too_many_requests_is_ended() {
        let requests = Rc::new(Cell::new(0));
        let begun = Rc::clone(&requests);
        let serving = async move {
            let mut occupied = Vec::new();
            loop {
                occupied.push(Occupied::new(&SERVED.with(Rc::clone)));
                begun.set(occupied.len());
                tokio::task::yield_now().await;
            }
        };
        let watched = watch::<()>(serving, LIMIT);
        LocalSet::new().run_until(watched).await.unwrap();
        assert_eq!(requests.get(), UNDER_WAY_MAX + UNREAD_REFUSALS_MAX + 1);
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
