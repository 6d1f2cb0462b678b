//! What the HTTP/1 parser refuses before there is a request: it answers with a status alone, and no code of ours is asked. Its answer is found
//! among the bytes that a connection writes, and gets what every refusal has: the body of a problem, and an id.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::{Code, Problem};
use crate::request_ids::X_REQUEST_ID;
use crate::worker::Worker;

/// Bytes of a head without a body as actix-http writes it of itself, at most.
const HEAD_BYTES_MAX: usize = 256;

/// What begins a head, and what ends it.
const BEGIN: &[u8] = b"HTTP/1.";
const END: &[u8] = b"\r\n\r\n";

/// A connection whose refusals are explained.
pub struct Explained<T> {
    stream: T,
    worker: Rc<Worker>,
    /// A refusal that is being written.
    refusal: Option<Refusal>,
}

/// A refusal in the place of a bare one.
struct Refusal {
    /// What is left to be written of it.
    left: Bytes,
    /// Bytes of the bare one.
    replaced: usize,
}

impl<T> Explained<T> {
    /// A connection whose refusals get their ids from a worker.
    pub const fn new(stream: T, worker: Rc<Worker>) -> Self {
        Self {
            stream,
            worker,
            refusal: None,
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Explained<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.refusal.is_none() {
            let Some((before, bare)) = split_bare(bytes) else {
                return Pin::new(&mut this.stream).poll_write(context, bytes);
            };
            if !before.is_empty() {
                return Pin::new(&mut this.stream).poll_write(context, before);
            }
            this.refusal = Some(Refusal {
                left: explained(&bare, &this.worker),
                replaced: bytes.len(),
            });
        }
        let Some(refusal) = &mut this.refusal else {
            return Poll::Ready(Ok(0));
        };
        while refusal.left.has_remaining() {
            let written = ready!(Pin::new(&mut this.stream).poll_write(context, &refusal.left))?;
            if written == 0 {
                return Poll::Ready(Ok(0));
            }
            refusal.left.advance(written);
        }
        let replaced = refusal.replaced;
        this.refusal = None;
        Poll::Ready(Ok(replaced))
    }

    /// As HTTP/2 writes, which refuses in its own way; HTTP/1 does not.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Explained<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

/// An answer of the parser's.
struct Bare<'a> {
    status_line: &'a str,
    date: Option<&'a str>,
    code: Code,
    detail: &'static str,
}

/// What comes before a bare refusal, and the refusal, where one ends these bytes. Nothing of ours does: answers of ours have an id, and no
/// body ends with lines like these.
fn split_bare(written: &[u8]) -> Option<(&[u8], Bare<'_>)> {
    if !written.ends_with(END) {
        return None;
    }
    let from = written.len().saturating_sub(HEAD_BYTES_MAX);
    let at = written
        .get(from..)?
        .windows(BEGIN.len())
        .rposition(|bytes| bytes == BEGIN)?;
    let (before, head) = written.split_at_checked(from + at)?;
    let mut lines = std::str::from_utf8(head).ok()?.lines();
    let status_line = lines.next()?;
    let (code, detail) = match status_line.split(' ').nth(1)? {
        "400" => (
            Code::MalformedRequest,
            "what was sent is no request that HTTP knows, or its URL is longer than 65,534 bytes",
        ),
        "408" => (
            Code::RequestTimeout,
            "the head of the request did not arrive in time",
        ),
        "431" => (
            Code::HeadTooLarge,
            "the request line and the headers must be at most 128 KiB together, and the headers at most 96",
        ),
        _ => return None,
    };
    let mut date = None;
    for line in lines {
        match line.split_once(": ") {
            Some(("date", _)) => date = Some(line),
            Some(("connection", "close") | ("content-length", "0")) => {}
            None if line.is_empty() => {}
            Some(_) | None => return None,
        }
    }
    Some((
        before,
        Bare {
            status_line,
            date,
            code,
            detail,
        },
    ))
}

/// The same refusal as the problem that it is, counted and logged like every other. The connection ends with it.
fn explained(bare: &Bare<'_>, worker: &Worker) -> Bytes {
    let id = worker.next_id();
    let body = Problem::new(bare.code, bare.detail).to_json(id.to_str().unwrap_or_default());
    worker.refused(&id, bare.code.status(), body.len());
    let date = bare.date.map(|line| format!("{line}\r\n")).unwrap_or_default();
    let head = format!(
        "{status_line}\r\ncontent-length: {length}\r\n{name}: {id}\r\ncontent-type: application/problem+json\r\n\
         connection: close\r\n{date}\r\n",
        status_line = bare.status_line,
        length = body.len(),
        name = X_REQUEST_ID.as_str(),
        id = id.to_str().unwrap_or_default(),
    );
    Bytes::from(head + &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str =
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: now\r\n\r\n";

    /// How many bytes come before a refusal, and what it is.
    fn found(written: &str) -> Option<(usize, Code)> {
        let (before, bare) = split_bare(written.as_bytes())?;
        assert_eq!(bare.date, Some("date: now"));
        Some((before.len(), bare.code))
    }

    #[test]
    fn what_the_parser_says_is_found_behind_what_we_said() {
        assert_eq!(found(BARE), Some((0, Code::MalformedRequest)));
        let timeout = BARE.replace("400 Bad Request", "408 Request Timeout");
        assert_eq!(found(&timeout), Some((0, Code::RequestTimeout)));
        let large = BARE.replace("400 Bad Request", "431 Request Header Fields Too Large");
        assert_eq!(found(&large), Some((0, Code::HeadTooLarge)));
        let ours = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-request-id: 1\r\ndate: now\r\n\r\n{}";
        assert_eq!(
            found(&format!("{ours}{BARE}")),
            Some((ours.len(), Code::MalformedRequest))
        );
    }

    #[test]
    fn what_we_say_is_left_alone() {
        for ours in [
            BARE.replace("400 Bad Request", "304 Not Modified"),
            BARE.replace("content-length: 0", "content-length: 0\r\nx-request-id: 1"),
            BARE.replace("content-length: 0", "content-length: 1"),
            format!("{BARE}0\r\n\r\n"),
            format!("{BARE}}}"),
            format!("data: {}", BARE.replace("\r\n", "\\r\\n")),
            "\r\n\r\n".to_owned(),
            String::new(),
        ] {
            assert!(split_bare(ours.as_bytes()).is_none(), "{ours}");
        }
    }
}
