//! A store that fails, panics and hangs on demand, around one that works.
//!
//! ```
//! use hearth_domain::MemoryStore;
//! use hearth_domain::ports::HistoryStore;
//! use hearth_testkit::{build, faulty_store::{Call, FaultyStore, Point}};
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
//! # runtime.block_on(async {
//! let store = FaultyStore::new(MemoryStore::default());
//! let key = build::key("d", "u", "s");
//!
//! store.fail(Call::Load, 1);
//! assert!(store.load(&[key.clone()], Default::default()).await.is_err());
//!
//! let gate = store.hold(Point::BeforeLoad);
//! let loading = runtime.spawn({
//!     let (store, key) = (store.clone(), key.clone());
//!     async move { store.load(&[key], Default::default()).await.is_ok() }
//! });
//! gate.arrived(1).await;
//! gate.open();
//! assert!(loading.await.unwrap());
//! assert_eq!(store.loads().len(), 2);
//! # });
//! ```

mod conversations;
pub(crate) mod gate;
mod plan;
mod requests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hearth_domain::ConversationKey;
use hearth_domain::ports::StoreError;

pub use gate::Gate;
use plan::Plan;
pub use plan::{Call, Point};

/// Wraps a store. Clones are handles on the same one: the test keeps one, the code under test gets another.
///
/// A call is counted when it begins, then waits where it is held, then fails or panics where that was asked for; so a test can decide what
/// becomes of a call that it holds.
#[derive(Debug)]
pub struct FaultyStore<S> {
    shared: Arc<Shared<S>>,
}

#[derive(Debug)]
struct Shared<S> {
    store: S,
    plan: Mutex<Plan>,
}

impl<S> Clone for FaultyStore<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S> FaultyStore<S> {
    /// The store as it is, until it is told otherwise.
    pub fn new(store: S) -> Self {
        Self {
            shared: Arc::new(Shared {
                store,
                plan: Mutex::default(),
            }),
        }
    }

    /// The store beneath, for looking and writing past the faults.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.shared.store
    }

    /// The next `count` calls of this kind fail as `Unavailable`; nothing is done by them. Replaces what was said of this kind before.
    pub fn fail(&self, call: Call, count: usize) {
        self.plan().fail(call, count);
    }

    /// Every call of every kind fails as `Unavailable`, until [`FaultyStore::recover`].
    pub fn fail_everything(&self) {
        for call in Call::ALL {
            self.fail(call, usize::MAX);
        }
    }

    /// Nothing fails any more. Gates stay as they are.
    pub fn recover(&self) {
        self.plan().recover();
    }

    /// The next load panics.
    pub fn panic_in_next_load(&self) {
        self.plan().panic_in_load = true;
    }

    /// The next `count` calls of append commit every turn that they can, and report each of those as `Unknown`.
    pub fn forget_commits(&self, count: usize) {
        self.plan().commits_to_forget = count;
    }

    /// Holds every call that comes to this point from now on, until the gate is opened or dropped. Replaces an earlier gate at
    /// the point, which lets its calls go.
    #[must_use]
    pub fn hold(&self, point: Point) -> Gate {
        let gate = Gate::closed();
        let earlier = self.plan().gates.insert(point, gate.doorway());
        if let Some(earlier) = earlier {
            earlier.open();
        }
        gate
    }

    /// How many calls of this kind have begun.
    #[must_use]
    pub fn calls(&self, call: Call) -> usize {
        self.plan().calls.get(&call).copied().unwrap_or(0)
    }

    /// The keys of each load that has begun, in that order.
    #[must_use]
    pub fn loads(&self) -> Vec<Vec<ConversationKey>> {
        self.plan().loads.clone()
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What every call begins with.
    async fn begin(&self, call: Call, point: Option<Point>) -> Result<(), StoreError> {
        *self.plan().calls.entry(call).or_default() += 1;
        if let Some(point) = point {
            self.pass(point).await;
        }
        if self.plan().takes_failure(call) {
            Err(StoreError::Unavailable(
                "a failure that the test asked for".into(),
            ))
        } else {
            Ok(())
        }
    }

    async fn pass(&self, point: Point) {
        let doorway = self.plan().gates.get(&point).cloned();
        if let Some(doorway) = doorway {
            doorway.pass().await;
        }
    }
}
