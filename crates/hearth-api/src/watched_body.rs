//! A body that says when it is done: sent to its end, or given up by its caller.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

/// A body made piece by piece, whose bytes are counted.
pub(crate) struct WatchedBody<F: FnOnce(u64) + Unpin> {
    body: BoxBody,
    bytes: u64,
    done: Option<F>,
}

impl<F: FnOnce(u64) + Unpin> WatchedBody<F> {
    /// Calls `done` with the number of bytes that were sent, when there are no more.
    pub(crate) const fn new(body: BoxBody, done: F) -> Self {
        Self {
            body,
            bytes: 0,
            done: Some(done),
        }
    }
}

impl<F: FnOnce(u64) + Unpin> MessageBody for WatchedBody<F> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let piece = ready!(Pin::new(&mut self.body).poll_next(context));
        if let Some(Ok(bytes)) = &piece {
            self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        }
        Poll::Ready(piece)
    }
}

impl<F: FnOnce(u64) + Unpin> Drop for WatchedBody<F> {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(self.bytes);
        }
    }
}
