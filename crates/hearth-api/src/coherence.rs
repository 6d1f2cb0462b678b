//! How this server's memory keeps up with other processes: the change feed is started, followed and looked at here.

use std::sync::Arc;
use std::time::Duration;

use hearth_cache::{Cache, Spawner};
use hearth_domain::ports::{ChangeFeed, Clock, Notice};
use hearth_postgres::feed::{FeedMonitor, FeedStatus};
use hearth_postgres::{ConfigError, PostgresConfig, PostgresFeed};
use tokio::sync::{Mutex, oneshot};

use crate::open_store::postgres_config;
use crate::settings::{Settings, StoreUrl};
use crate::store::Store;

/// How long a start waits for the feed. What is loaded without it is loaded again once it listens, so that nothing depends on it but the
/// worth of a warm start.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(3);

/// How long it counts whether the table has its trigger.
const TRIGGER_VALID: Duration = Duration::from_secs(5);

/// How long that question may take.
const TRIGGER_TIMEOUT: Duration = Duration::from_secs(1);

/// How memory keeps up with other processes.
#[derive(Debug, Default)]
pub struct Coherence(Option<Following>);

#[derive(Debug)]
struct Following {
    monitor: FeedMonitor,
    /// Until the feed was followed up to its first heartbeat.
    caught_up: Mutex<Option<oneshot::Receiver<()>>>,
    trigger: Mutex<Trigger>,
}

/// The last time that the store was asked about the trigger.
#[derive(Debug, Default)]
struct Trigger {
    asked_at: Option<Duration>,
    is_there: bool,
}

impl Coherence {
    /// Lets the cache follow the changes of the store, where the settings and the store say that there are any. To be called once, before
    /// the first read. It does not wait for PostgreSQL.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where the address of the feed makes no sense.
    pub fn start(
        settings: &Settings,
        cache: &Cache<Store>,
        clock: &Arc<dyn Clock>,
        spawner: &Spawner,
    ) -> Result<Self, ConfigError> {
        let (Some(replica), Some(config)) = (cache.store().replica(), feed_config(settings)) else {
            return Ok(Self(None));
        };
        let max_staleness = settings.coherence.max_staleness;
        let feed = PostgresFeed::start(
            &config,
            replica,
            max_staleness,
            Arc::clone(clock),
            spawner.runtime(),
        )?;
        let (tell, caught_up) = oneshot::channel();
        let monitor = feed.monitor();
        cache.follow(Announced::new(feed, tell), max_staleness);
        Ok(Self(Some(Following {
            monitor,
            caught_up: Mutex::new(Some(caught_up)),
            trigger: Mutex::default(),
        })))
    }

    /// Waits until the cache follows a feed that listens, for some seconds at most: a server that cannot listen serves all the same, from
    /// the store, and gets better by itself.
    ///
    /// # Cancel safety
    ///
    /// Nobody waits a second time.
    pub async fn caught_up(&self) {
        let Some(following) = &self.0 else { return };
        let Some(caught_up) = following.caught_up.lock().await.take() else {
            return;
        };
        if tokio::time::timeout(LISTEN_TIMEOUT, caught_up).await.is_err() {
            tracing::warn!(
                "nothing is heard of other servers' commits yet: the store is asked for every read until the change feed listens"
            );
        }
    }

    /// The feed as it is now, where one is followed.
    #[must_use]
    pub fn feed(&self) -> Option<FeedStatus> {
        self.0.as_ref().map(|following| following.monitor.status())
    }

    /// Whether what other programs write to the table is noticed, as of some seconds ago, or as of when the store was last there to be asked.
    pub async fn covers_foreign_writers(&self, store: &Store, clock: &dyn Clock) -> bool {
        let Some(following) = &self.0 else { return false };
        let mut trigger = following.trigger.lock().await;
        let is_old = |at: Duration| clock.now().saturating_sub(at) >= TRIGGER_VALID;
        if trigger.asked_at.is_none_or(is_old) {
            let asking = tokio::time::timeout(TRIGGER_TIMEOUT, store.has_trigger());
            if let Ok(Some(is_there)) = asking.await {
                trigger.is_there = is_there;
            }
            trigger.asked_at = Some(clock.now());
        }
        trigger.is_there
    }
}

/// How the feed reaches PostgreSQL.
fn feed_config(settings: &Settings) -> Option<PostgresConfig> {
    let StoreUrl::Postgres(url) = &settings.store.url else {
        return None;
    };
    let listen = settings.coherence.url.as_ref();
    let url = listen.map_or(url, |listen| listen.secret());
    Some(postgres_config(&settings.store, url))
}

/// A feed that tells when its first heartbeat was heeded: its consumer has come back for more.
struct Announced<F> {
    feed: F,
    tell: Option<oneshot::Sender<()>>,
    has_beaten: bool,
}

impl<F: ChangeFeed> Announced<F> {
    const fn new(feed: F, tell: oneshot::Sender<()>) -> Self {
        Self {
            feed,
            tell: Some(tell),
            has_beaten: false,
        }
    }
}

impl<F: ChangeFeed> ChangeFeed for Announced<F> {
    async fn next(&mut self) -> Notice {
        if self.has_beaten
            && let Some(tell) = self.tell.take()
        {
            // Whoever started the feed may have stopped waiting.
            let _told = tell.send(());
        }
        let notice = self.feed.next().await;
        self.has_beaten |= matches!(notice, Notice::FreshAsOf(_));
        notice
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// Tells what it was told to, the last one first, and then nothing.
    struct Told(Vec<Notice>);

    impl ChangeFeed for Told {
        async fn next(&mut self) -> Notice {
            match self.0.pop() {
                Some(notice) => notice,
                None => std::future::pending().await,
            }
        }
    }

    #[test]
    fn the_first_heartbeat_is_announced_when_it_was_heeded() {
        let notices = [Notice::Gap, Notice::FreshAsOf(Duration::from_secs(1))];
        let told = notices.iter().rev().cloned().collect();
        let (tell, mut caught_up) = oneshot::channel();
        let mut feed = Announced::new(Told(told), tell);
        for notice in notices {
            assert_eq!(feed.next().now_or_never(), Some(notice));
            assert!(caught_up.try_recv().is_err(), "it is not heeded yet");
        }
        assert_eq!(feed.next().now_or_never(), None);
        assert_eq!(caught_up.try_recv(), Ok(()));
    }
}
