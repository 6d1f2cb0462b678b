//! A store that is away: one reader finds out, the others are told at once, and one probe looks whether it is back.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hearth_domain::ports::HistoryStore;

use crate::spawn::{Spawner, guarded};
use crate::sync::{AtomicBool, Ordering};

/// Before the first look, so that a store that fails to load while it answers a ping is not asked by every reader all the same.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// Between two looks, each pause being twice the one before: how much later than the store service may come back.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Whether the store is known to be away.
pub(crate) struct Outage<S> {
    store: Arc<S>,
    spawner: Spawner,
    ping_timeout: Duration,
    known: AtomicBool,
    probing: AtomicBool,
}

impl<S: HistoryStore> Outage<S> {
    pub(crate) const fn new(store: Arc<S>, spawner: Spawner, ping_timeout: Duration) -> Self {
        Self {
            store,
            spawner,
            ping_timeout,
            known: AtomicBool::new(false),
            probing: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_known(&self) -> bool {
        self.known.load(Ordering::SeqCst)
    }

    /// A load found the store away. It is known to be away until it answers, whomever.
    pub(crate) fn begin(outage: &Arc<Self>) {
        if !outage.known.swap(true, Ordering::SeqCst) {
            tracing::warn!("the store is away: memory that is not known to be fresh is served as degraded");
        }
        if !outage.probing.swap(true, Ordering::SeqCst) {
            outage.spawner.spawn_forever(Self::probe(Arc::downgrade(outage)));
        }
    }

    /// The store answered.
    pub(crate) fn end(&self) {
        if self.is_known() && self.known.swap(false, Ordering::SeqCst) {
            tracing::info!("the store answers again");
        }
    }

    async fn probe(outage: Weak<Self>) {
        let mut pause = PAUSE_MIN;
        loop {
            tokio::time::sleep(pause).await;
            let Some(outage) = outage.upgrade() else { return };
            if outage.is_known() && !outage.answers().await {
                pause = (pause * 2).min(PAUSE_MAX);
                continue;
            }
            outage.end();
            outage.probing.store(false, Ordering::SeqCst);
            // Whoever found the store away again in between left the looking to this probe.
            if !outage.is_known() || outage.probing.swap(true, Ordering::SeqCst) {
                return;
            }
            pause = PAUSE_MIN;
        }
    }

    async fn answers(&self) -> bool {
        let ping = guarded(self.ping_timeout, async { self.store.ping().await });
        ping.await.is_ok()
    }
}
