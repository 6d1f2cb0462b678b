//! A body of pieces that lie in different places, so that none of them is copied to come beside the others.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

/// Three pieces, of a length that is known before the first is sent.
#[derive(Debug)]
pub struct PiecesBody {
    pieces: std::array::IntoIter<Bytes, 3>,
    bytes: u64,
}

impl PiecesBody {
    /// A body of these, in this order.
    #[must_use]
    pub fn new(pieces: [Bytes; 3]) -> Self {
        let bytes: usize = pieces.iter().map(Bytes::len).sum();
        Self {
            pieces: pieces.into_iter(),
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
        }
    }
}

impl MessageBody for PiecesBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        // An empty piece would read as a body that goes on and has nothing to send.
        let piece = self.pieces.find(|piece| !piece.is_empty());
        Poll::Ready(piece.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;

    use super::*;

    #[actix_web::test]
    async fn the_pieces_are_sent_in_their_order_and_counted() {
        let check = async |pieces: [&'static str; 3], whole: &str| {
            let body = PiecesBody::new(pieces.map(|piece| Bytes::from_static(piece.as_bytes())));
            assert_eq!(body.size(), BodySize::Sized(u64::try_from(whole.len()).unwrap()));
            assert_eq!(to_bytes(body).await.unwrap(), whole);
        };
        check(["{", "1,2", "}"], "{1,2}").await;
        check(["{", "", "}"], "{}").await;
        check(["", "", ""], "").await;
    }
}
