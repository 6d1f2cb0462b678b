//! Loads sessions: what gathered while the last call to the store was under way travels in the next one. No timer holds anybody back.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::ConversationKey;
use hearth_domain::ports::{Clock, HistoryStore, Lookup, StoreError};
use tokio::sync::{Mutex, mpsc};

use crate::config::CacheConfig;
use crate::error::ReadError;
use crate::outage::Outage;
use crate::slots::{Landed, Slots};
use crate::spawn::{Spawner, guarded};
use crate::statistics::Count;

/// The bounded queue of sessions that wait for a load.
#[derive(Debug, Clone)]
pub(crate) struct LoadQueue(mpsc::Sender<ConversationKey>);

impl LoadQueue {
    /// Puts a session into the queue, or says at once that it is full.
    pub(crate) fn push(&self, key: ConversationKey) -> Result<(), ReadError> {
        self.0.try_send(key).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => ReadError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => ReadError::ShuttingDown,
        })
    }

    /// Sessions that wait.
    pub(crate) fn len(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }
}

/// Takes sessions from the queue and loads them, for as long as anybody can put one in.
pub(crate) struct Loader<S> {
    pub(crate) store: Arc<S>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) outage: Arc<Outage<S>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: CacheConfig,
}

impl<S: HistoryStore> Loader<S> {
    /// Starts as many workers as there may be calls under way, on the storage runtime.
    pub(crate) fn start(self, spawner: &Spawner) -> LoadQueue {
        let (sender, receiver) = mpsc::channel(self.config.load_queue_max.max(1));
        let receiver = Arc::new(Mutex::new(receiver));
        let loader = Arc::new(self);
        for _ in 0..loader.config.loads_in_flight_max.max(1) {
            spawner.spawn_forever(Arc::clone(&loader).work(Arc::clone(&receiver)));
        }
        LoadQueue(sender)
    }

    async fn work(self: Arc<Self>, queue: Arc<Mutex<mpsc::Receiver<ConversationKey>>>) {
        let mut taken = Taken {
            slots: &self.slots,
            keys: Vec::new(),
            again: 0,
        };
        while self.gather(&queue, &mut taken).await {
            let asked = taken.keys.len().min(self.batch_max());
            let (keys, _) = taken.keys.split_at(asked);
            self.slots.asking(keys);
            let results = self.ask(keys).await;
            self.note_outage(&results);
            taken.land(results, self.clock.now());
        }
    }

    fn batch_max(&self) -> usize {
        self.config.load_batch_max.max(1)
    }

    /// Where a change feed says what may be served meanwhile, nobody else has to find out that the store is away.
    fn note_outage(&self, results: &[Result<Lookup, ReadError>]) {
        let is_away = |result: &Result<Lookup, ReadError>| result.as_ref().is_err_and(ReadError::is_away);
        if !results.iter().any(is_away) {
            self.outage.end();
        } else if self.slots.freshness.is_followed() {
            Outage::begin(&self.outage);
        }
    }

    /// Takes what has gathered, and waits for it where there is nothing else to ask for. Says whether there is anything: not where nobody can put
    /// a session in any more.
    ///
    /// The readers whom the last call has just answered are about to ask for their next sessions: they are let go first, so that they travel
    /// together again and not one by one.
    async fn gather(&self, queue: &Mutex<mpsc::Receiver<ConversationKey>>, taken: &mut Taken<'_>) -> bool {
        if !taken.keys.is_empty() {
            self.gather_beside(queue, taken);
            return true;
        }
        let keys = &mut taken.keys;
        let mut queue = queue.lock().await;
        if queue.recv_many(keys, self.batch_max()).await > 0 {
            tokio::task::yield_now().await;
            while keys.len() < self.batch_max()
                && let Ok(key) = queue.try_recv()
            {
                keys.push(key);
            }
        }
        !keys.is_empty()
    }

    /// Puts sessions that wait in front of those that have just been asked for in vain, and behind those that were before: sessions that are
    /// overtaken all the time keep nobody else waiting, and are not kept waiting themselves. Where the other worker waits for the queue, it
    /// takes them.
    fn gather_beside(&self, queue: &Mutex<mpsc::Receiver<ConversationKey>>, taken: &mut Taken<'_>) {
        if let Ok(mut queue) = queue.try_lock() {
            let fresh = std::iter::from_fn(|| queue.try_recv().ok());
            let room = self.config.load_queue_max.saturating_sub(taken.keys.len());
            let at = taken.keys.len() - taken.again;
            taken.keys.splice(at..at, fresh.take(room.min(self.batch_max())));
        }
    }

    /// Asks the store for a batch; where it fails for what one session holds, for each one alone.
    async fn ask(&self, keys: &[ConversationKey]) -> Vec<Result<Lookup, ReadError>> {
        match self.ask_once(keys).await {
            Ok(lookups) => lookups.into_iter().map(Ok).collect(),
            Err(error) if keys.len() > 1 && !error.is_away() => self.ask_for_each(keys).await,
            Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// Asks for one session after the other; where the store goes away meanwhile, those that are left have that error.
    async fn ask_for_each(&self, keys: &[ConversationKey]) -> Vec<Result<Lookup, ReadError>> {
        let mut results = Vec::with_capacity(keys.len());
        let mut away = None;
        for key in keys.chunks(1) {
            let result = match &away {
                Some(error) => Err(ReadError::clone(error)),
                None => self.ask_once(key).await,
            };
            if let Err(error) = &result
                && error.is_away()
            {
                away = Some(error.clone());
            }
            results.push(result.and_then(|mut lookups| lookups.pop().ok_or(ReadError::ShuttingDown)));
        }
        results
    }

    async fn ask_once(&self, keys: &[ConversationKey]) -> Result<Vec<Lookup>, ReadError> {
        self.slots.statistics.add(Count::Queries);
        let answer = guarded(self.config.load_timeout, async {
            self.store.load(keys, self.config.window).await
        })
        .await;
        match answer {
            Ok(lookups) if lookups.len() == keys.len() => Ok(lookups),
            Ok(_) => Err(store_error(StoreError::Failed(
                "it answered for other sessions".into(),
            ))),
            Err(error) => Err(store_error(error)),
        }
        .inspect_err(|error| tracing::warn!(sessions = keys.len(), error = %chain(error), "load failed"))
    }
}

fn store_error(error: StoreError) -> ReadError {
    ReadError::Store(Arc::new(error))
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Sessions that were taken from the queue, those that are asked for next in front. Whatever happens to the worker, those who wait for them
/// are told.
struct Taken<'a> {
    slots: &'a Slots,
    keys: Vec<ConversationKey>,
    /// How many of them, at the end, have just been asked for in vain.
    again: usize,
}

impl Taken<'_> {
    /// Tells everybody what the store said of the first sessions, and puts those that must be asked for again behind the others.
    fn land(&mut self, results: Vec<Result<Lookup, ReadError>>, now: Duration) {
        let mut results = results.into_iter();
        let mut others = 0;
        self.keys.retain(|key| match results.next() {
            Some(Ok(lookup)) => self.slots.landed(key, lookup, now) == Landed::Again,
            Some(Err(error)) => {
                self.slots.failed(key, &error);
                false
            }
            None => {
                others += 1;
                true
            }
        });
        self.keys.rotate_right(others);
        self.again = self.keys.len() - others;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for key in &self.keys {
            self.slots.failed(key, &ReadError::ShuttingDown);
        }
    }
}
