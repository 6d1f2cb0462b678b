//! The one file that names lock types and the atomics that sessions are made of, so that a model checker can replace them.

#[cfg(not(feature = "shuttle"))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(feature = "shuttle"))]
pub(crate) use quick_cache::DefaultHashBuilder as HashState;
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

#[cfg(feature = "shuttle")]
pub(crate) use checked::{HashState, Mutex};
#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The same for the model checker, which decides at each of them which thread goes on.
#[cfg(feature = "shuttle")]
mod checked {
    use std::hash::{BuildHasherDefault, DefaultHasher};
    use std::sync::PoisonError;

    use shuttle::sync::MutexGuard;

    /// Hashes that are the same in every run, so that a schedule can be replayed.
    pub(crate) type HashState = BuildHasherDefault<DefaultHasher>;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
