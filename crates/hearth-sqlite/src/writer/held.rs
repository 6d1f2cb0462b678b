//! A job for tests: it says that it has begun, and keeps the writer busy until it is released.

use diesel::SqliteConnection;
use tokio::sync::oneshot;

use super::Writer;
use super::job::Submitted;
use crate::error::Fault;

/// A writer that is busy. Dropping this releases it.
pub(crate) struct Held {
    release: oneshot::Sender<()>,
    submitted: Submitted<()>,
}

impl Held {
    /// Keeps the writer busy from now on.
    pub(crate) async fn on(writer: &Writer) -> Self {
        let (say_begun, begun) = oneshot::channel();
        let (release, released) = oneshot::channel();
        let mut ends = Some((say_begun, released));
        let mut room = writer.room(1).await.unwrap();
        let submitted = room.submit(0, move |_: &mut SqliteConnection| {
            if let Some((say_begun, released)) = ends.take() {
                say_begun.send(()).map_err(|()| Fault::BrokeOff)?;
                drop(released.blocking_recv());
            }
            Ok(())
        });
        room.send();
        begun.await.unwrap();
        Self { release, submitted }
    }

    /// Lets the writer go on, and waits until it has committed this job.
    pub(crate) async fn release(self, writer: &Writer) {
        drop(self.release);
        writer.outcome(self.submitted).await.unwrap();
    }

    /// The same job whose caller's time is over.
    pub(crate) fn out_of_time(mut self) -> (oneshot::Sender<()>, Submitted<()>) {
        self.submitted.deadline = tokio::time::Instant::now();
        (self.release, self.submitted)
    }
}
