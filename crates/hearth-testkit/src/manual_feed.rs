//! A change feed that tells what the test says.
//!
//! ```
//! use hearth_domain::ports::{ChangeFeed, Notice};
//! use hearth_testkit::manual_feed::manual_feed;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let (teller, mut feed) = manual_feed();
//! let following = runtime.spawn(async move {
//!     assert_eq!(feed.next().await, Notice::Gap);
//!     feed.next().await
//! });
//! teller.tell(Notice::Gap).await;
//! assert!(!following.is_finished(), "it waits for the next one");
//! # });
//! ```

use std::future::pending;

use hearth_domain::ports::{Change, ChangeFeed, Notice};
use tokio::sync::{mpsc, oneshot};

/// Notices that wait for whoever follows the feed.
const WAITING_MAX: usize = 64;

/// A feed, and the handle that tells what it says.
#[must_use]
pub fn manual_feed() -> (Teller, ManualFeed) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let feed = ManualFeed {
        receiver,
        heeding: None,
    };
    (Teller(sender), feed)
}

/// The test's side of a feed.
#[derive(Debug, Clone)]
pub struct Teller(mpsc::Sender<Told>);

/// The follower's side of a feed. Once all tellers are gone it says nothing any more.
#[derive(Debug)]
pub struct ManualFeed {
    receiver: mpsc::Receiver<Told>,
    /// Told when the follower asks for the next notice: it has heeded the last one by then.
    heeding: Option<oneshot::Sender<()>>,
}

#[derive(Debug)]
struct Told {
    notice: Notice,
    heeded: oneshot::Sender<()>,
}

impl Teller {
    /// Tells a notice, and waits until the follower has heeded it.
    ///
    /// # Panics
    ///
    /// Where nobody follows the feed any more.
    pub async fn tell(&self, notice: Notice) {
        let (heeded, waiting) = oneshot::channel();
        self.0.send(Told { notice, heeded }).await.unwrap();
        waiting.await.unwrap();
    }

    /// Tells of one change, and waits until the follower has heeded it.
    ///
    /// # Panics
    ///
    /// As [`Teller::tell`].
    pub async fn tell_change(&self, change: Change) {
        self.tell(Notice::Changes(vec![change])).await;
    }
}

impl ChangeFeed for ManualFeed {
    async fn next(&mut self) -> Notice {
        if let Some(heeded) = self.heeding.take() {
            // A test that was cut off does not wait.
            let _gone = heeded.send(());
        }
        match self.receiver.recv().await {
            Some(Told { notice, heeded }) => {
                self.heeding = Some(heeded);
                notice
            }
            None => pending().await,
        }
    }
}
