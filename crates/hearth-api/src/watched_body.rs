//! A body that says when it is done: sent to its end, or given up by its caller.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

/// Whoever watches a body.
pub(crate) trait Watch: Unpin {
    /// Its reader comes for the next piece.
    fn asked(&mut self) {}

    /// A piece of so many bytes was taken.
    fn taken(&mut self, _bytes: u64) {}

    /// There are no more; this many bytes were taken in all.
    fn done(self, bytes: u64);
}

impl<F: FnOnce(u64) + Unpin> Watch for F {
    fn done(self, bytes: u64) {
        self(bytes);
    }
}

/// A body made piece by piece, whose bytes are counted.
pub(crate) struct WatchedBody<W: Watch> {
    body: BoxBody,
    bytes: u64,
    watch: Option<W>,
}

impl<W: Watch> WatchedBody<W> {
    /// A body that `watch` is told of.
    pub(crate) const fn new(body: BoxBody, watch: W) -> Self {
        Self {
            body,
            bytes: 0,
            watch: Some(watch),
        }
    }
}

impl<W: Watch> MessageBody for WatchedBody<W> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(watch) = &mut self.watch {
            watch.asked();
        }
        let piece = ready!(Pin::new(&mut self.body).poll_next(context));
        if let Some(Ok(bytes)) = &piece {
            let bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.bytes += bytes;
            if let Some(watch) = &mut self.watch {
                watch.taken(bytes);
            }
        }
        Poll::Ready(piece)
    }
}

impl<W: Watch> Drop for WatchedBody<W> {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            watch.done(self.bytes);
        }
    }
}
