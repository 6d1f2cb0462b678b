//! A body of pieces that lie in different places, so that none of them is copied to come beside the others.
//!
//! actix-http copies what it sends into a buffer of the connection's, which grows to exactly what a large piece needs, to twice as much for
//! the small one behind it, and is given back each time that it passes the limit of [`crate::http_server`]. A large piece is therefore sent as
//! two halves: doubled for the second one, the buffer has room for the whole and is kept.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

/// Bytes from which a piece is large: half of what a connection's buffer has from the start.
const LARGE_BYTES: usize = 16 << 10;

/// A small piece, one that may be large, and another small one, of a length that is known before the first is sent.
#[derive(Debug)]
pub struct PiecesBody {
    pieces: std::array::IntoIter<Bytes, 4>,
    bytes: u64,
}

impl PiecesBody {
    /// A body of these, in this order.
    #[must_use]
    pub fn new([head, mut middle, tail]: [Bytes; 3]) -> Self {
        let begin = if middle.len() < LARGE_BYTES {
            Bytes::new()
        } else {
            // Not the smaller half, so that the rest never needs more than the buffer doubled.
            middle.split_to(middle.len().div_ceil(2))
        };
        let pieces = [head, begin, middle, tail];
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
        let large: &'static str = "0123456789".repeat(LARGE_BYTES).leak();
        check(["{", large, "}"], &format!("{{{large}}}")).await;
    }
}
