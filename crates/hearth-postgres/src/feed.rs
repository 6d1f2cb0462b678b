//! How a replica hears what others commit: one connection that listens.
//!
//! It measures its own freshness by notices that it sends to itself, and replaces a connection on which they do not come back. Nothing of
//! it waits for its consumer: what is not asked for in time is dropped and told as [`Notice::Gap`].

mod link;
mod mailbox;
mod status;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hearth_domain::ports::{Change, ChangeFeed, Clock, Notice};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub use self::status::{FeedMonitor, FeedStatus, LAG_BOUNDS_US, LagCounts};

use self::link::{Hearer, Rhythm, listen};
use self::mailbox::Mailbox;
use crate::config::{ConfigError, PostgresConfig};
use crate::connect::Connector;
use crate::error::FaultKind;
use crate::notice::{ReplicaId, parse};
use crate::pauses::Pauses;

/// Notices that wait for the consumer, at most. One has up to 8,000 bytes where it comes from.
const NOTICES_MAX: usize = 1_024;

/// Heartbeats in the time that freshness may be missing: so many that one may come late.
const BEATS: u32 = 5;

/// A connection whose heartbeats do not come back for so many times the longest staleness, and no less than this, is given up.
const SILENCE_FACTOR: u32 = 3;
const SILENCE_MIN: Duration = Duration::from_secs(1);

/// The pause before it connects again, at first.
const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// The longest one: a server that comes back is noticed within it.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The same where the server refuses, which takes somebody to change something.
const PAUSE_MAX_REFUSED: Duration = Duration::from_secs(5);

/// The change feed of one replica, over PostgreSQL's `LISTEN`.
///
/// A task on a runtime keeps one connection of its own, `hearth-feed` in `pg_stat_activity`, and finds it again when it is lost. It ends
/// with this value.
pub struct PostgresFeed {
    mailbox: Arc<Mailbox>,
    monitor: FeedMonitor,
    task: JoinHandle<()>,
}

impl PostgresFeed {
    /// Starts to listen, in a task of the runtime `handle`. It does not wait for the connection: the first notice is [`Notice::Gap`], when
    /// it listens.
    ///
    /// - `config` says where PostgreSQL is: its address must not lead through a pooler of transactions. Of the rest
    ///   only the load's deadline counts, for connecting.
    /// - `replica` is the name that this process commits under.
    /// - `max_staleness` sets the rhythm: five heartbeats within it, each a small commit on the server. The time that they
    ///   carry is the clock's.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where the address makes no sense.
    pub fn start(
        config: &PostgresConfig,
        replica: ReplicaId,
        max_staleness: Duration,
        clock: Arc<dyn Clock>,
        handle: &Handle,
    ) -> Result<Self, ConfigError> {
        let connector = Connector::for_feed(config)?;
        let mailbox = Arc::new(Mailbox::new(NOTICES_MAX));
        let monitor = FeedMonitor::default();
        let station = Station {
            mailbox: Arc::clone(&mailbox),
            monitor: monitor.clone(),
            clock,
            replica,
            pauses: Pauses::from(PAUSE_FIRST, replica.0),
            is_connected: false,
        };
        let rhythm = Rhythm {
            beat: (max_staleness / BEATS).max(Duration::from_millis(1)),
            silence_max: (max_staleness * SILENCE_FACTOR).max(SILENCE_MIN),
        };
        let task = handle.spawn(station.run(connector, rhythm));
        Ok(Self {
            mailbox,
            monitor,
            task,
        })
    }

    /// What health and metrics look at, for as long as they like.
    #[must_use]
    pub fn monitor(&self) -> FeedMonitor {
        self.monitor.clone()
    }
}

impl ChangeFeed for PostgresFeed {
    async fn next(&mut self) -> Notice {
        self.mailbox.take().await
    }
}

impl fmt::Debug for PostgresFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresFeed")
            .field("status", &self.monitor.status())
            .finish_non_exhaustive()
    }
}

impl Drop for PostgresFeed {
    fn drop(&mut self) {
        self.task.abort();
        self.monitor.lost();
    }
}

/// What outlives the connections.
struct Station {
    mailbox: Arc<Mailbox>,
    monitor: FeedMonitor,
    clock: Arc<dyn Clock>,
    replica: ReplicaId,
    pauses: Pauses,
    is_connected: bool,
}

impl Station {
    async fn run(mut self, connector: Connector, rhythm: Rhythm) {
        let mut is_first = true;
        loop {
            let fault = listen(&connector, rhythm, &mut self).await;
            if self.is_connected || is_first {
                tracing::warn!(%fault, "the change feed does not listen, memory is not trusted until it does");
            } else {
                tracing::debug!(%fault, "the change feed does not listen yet");
            }
            is_first = false;
            if self.is_connected {
                self.is_connected = false;
                self.monitor.lost();
                self.put(Notice::Lost);
            }
            let longest = match fault.kind() {
                FaultKind::Unavailable | FaultKind::TimedOut => PAUSE_MAX,
                FaultKind::Failed => PAUSE_MAX_REFUSED,
            };
            tokio::time::sleep(self.pauses.next(longest)).await;
        }
    }

    fn put(&self, notice: Notice) {
        if !self.mailbox.put(notice) {
            self.monitor.overflowed();
            tracing::warn!("notices of changes were not taken in time, and are told as a gap");
        }
    }
}

impl Hearer for Station {
    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn listens(&mut self) {
        self.is_connected = true;
        self.monitor.connected();
        self.put(Notice::Gap);
        tracing::info!("the change feed listens");
    }

    /// What is not understood comes from a newer version, or from somebody else: it is taken for the most that it can mean.
    fn changes(&mut self, payload: &str) {
        let changes = parse(payload, self.replica.0).unwrap_or_else(|| {
            tracing::debug!(bytes = payload.len(), "a notice was not understood");
            vec![Change::Everything]
        });
        if !changes.is_empty() {
            self.put(Notice::Changes(changes));
        }
    }

    fn heartbeat(&mut self, sent: Duration) {
        // Only now: a server that takes connections and loses them at once is not asked without a pause.
        self.pauses.reset();
        self.monitor.heartbeat(sent, self.clock.now());
        self.put(Notice::FreshAsOf(sent));
    }
}
