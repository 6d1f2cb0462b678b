//! Where calls are held, without any sleep: the test waits until they have arrived, then lets them go.

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

/// The test's side of a closed gate. Dropping it opens it, so that a test that fails does not hang.
#[derive(Debug)]
pub struct Gate {
    doorway: Doorway,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self {
            doorway: Doorway {
                arrivals: Arc::new(watch::Sender::new(0)),
                places: Arc::new(Semaphore::new(0)),
            },
        }
    }

    pub(crate) fn doorway(&self) -> Doorway {
        self.doorway.clone()
    }

    /// Waits until `count` calls have come to the gate since it was closed, those included that have passed.
    pub async fn arrived(&self, count: usize) {
        let mut arrivals = self.doorway.arrivals.subscribe();
        // The sender lives as long as this gate does.
        arrivals.wait_for(|arrived| *arrived >= count).await.unwrap();
    }

    /// How many calls have come to the gate since it was closed.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        *self.doorway.arrivals.borrow()
    }

    /// Lets one call pass: the one that has waited longest, or the next to come.
    pub fn let_one_pass(&self) {
        self.doorway.places.add_permits(1);
    }

    /// Lets all calls pass, those to come included.
    pub fn open(&self) {
        self.doorway.open();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// The calls' side of a gate.
#[derive(Debug, Clone)]
pub(crate) struct Doorway {
    arrivals: Arc<watch::Sender<usize>>,
    /// One permit a call that may pass; closed once all may.
    places: Arc<Semaphore>,
}

impl Doorway {
    pub(crate) async fn pass(&self) {
        self.arrivals.send_modify(|arrived| *arrived += 1);
        if let Ok(place) = self.places.acquire().await {
            place.forget();
        }
    }

    pub(crate) fn open(&self) {
        self.places.close();
    }
}
