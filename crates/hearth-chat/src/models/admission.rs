//! How many requests a model has at once, and how many wait.

use std::sync::atomic::{AtomicUsize, Ordering};

use hearth_domain::ports::ModelError;
use tokio::sync::{Semaphore, SemaphorePermit};

/// A number of places, and a queue of bounded length before them, first come first served.
#[derive(Debug)]
pub(super) struct Admission {
    places: Semaphore,
    places_max: usize,
    waiting: AtomicUsize,
    queue_max: usize,
}

impl Admission {
    pub(super) fn new(places_max: usize, queue_max: usize) -> Self {
        let places_max = places_max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            places: Semaphore::new(places_max),
            places_max,
            waiting: AtomicUsize::new(0),
            queue_max,
        }
    }

    /// Waits for a place, which is held until it is dropped.
    ///
    /// # Errors
    ///
    /// [`ModelError::Overloaded`] at once where the queue is full.
    ///
    /// # Cancel safety
    ///
    /// Whoever goes away leaves the queue.
    pub(super) async fn enter(&self) -> Result<SemaphorePermit<'_>, ModelError> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let _waiting = self.queue()?;
        // The semaphore is never closed.
        self.places.acquire().await.map_err(|_| ModelError::Overloaded)
    }

    fn queue(&self) -> Result<Waiting<'_>, ModelError> {
        let one_more = |waiting: usize| (waiting < self.queue_max).then_some(waiting + 1);
        self.waiting
            .try_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .map(|_| Waiting(&self.waiting))
            .map_err(|_| ModelError::Overloaded)
    }

    pub(super) fn running(&self) -> usize {
        self.places_max.saturating_sub(self.places.available_permits())
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// One who waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn places_and_queue_are_bounded_and_whoever_leaves_makes_room() {
        let admission = Admission::new(1, 1);
        let place = admission.enter().now_or_never().unwrap().unwrap();
        let mut second = Box::pin(admission.enter());
        assert!((&mut second).now_or_never().is_none());
        assert_eq!((admission.running(), admission.waiting()), (1, 1));
        let third = admission.enter().now_or_never().unwrap();
        assert!(matches!(third, Err(ModelError::Overloaded)));

        drop(place);
        let place = second.now_or_never().unwrap().unwrap();
        assert_eq!((admission.running(), admission.waiting()), (1, 0));
        let mut leaves = Box::pin(admission.enter());
        assert!((&mut leaves).now_or_never().is_none());
        drop(leaves);
        assert_eq!(admission.waiting(), 0);
        drop(place);
        assert_eq!(admission.running(), 0);
    }

    #[test]
    fn no_queue_is_a_queue_of_none() {
        let admission = Admission::new(0, 0);
        let _place = admission.enter().now_or_never().unwrap().unwrap();
        assert!(admission.enter().now_or_never().unwrap().is_err());
    }
}
