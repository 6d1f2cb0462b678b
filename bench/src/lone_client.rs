//! One connection that sends a request and waits for a part of the answer: what wrk cannot tell of a stream.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::measure::count;
use crate::stopwatch::Stopwatch;

/// A hang guard.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that is kept.
pub(crate) struct LoneClient {
    connection: TcpStream,
    host: String,
}

/// An answer: the time until the awaited part of it came, and all of it.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) nanoseconds: u64,
    pub(crate) text: String,
}

impl LoneClient {
    /// Connects to `http://host:port`.
    ///
    /// # Errors
    ///
    /// Where nobody listens there.
    pub(crate) fn connect(address: &str) -> Result<Self> {
        let host = address.trim_start_matches("http://").to_owned();
        let connection = TcpStream::connect(&host).with_context(|| format!("failed to connect to {host}"))?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self { connection, host })
    }

    /// Posts JSON, and times how long it takes until `awaited` has come. Reads the answer to its end.
    ///
    /// # Errors
    ///
    /// Where the answer is not 200, or ends without what is awaited.
    pub(crate) fn post(&mut self, path: &str, json: &str, awaited: &str) -> Result<Timed> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
            self.host,
            json.len()
        );
        let watch = Stopwatch::start();
        self.connection.write_all(request.as_bytes())?;
        let (mut answer, mut came) = (Vec::new(), None);
        let mut buffer = vec![0; 64 << 10];
        while !is_whole(&answer)? {
            let read = self.connection.read(&mut buffer)?;
            ensure!(read > 0, "the connection was closed in the middle of an answer");
            answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
            if came.is_none() && contains(&answer, awaited.as_bytes()) {
                came = Some(watch.nanoseconds());
            }
        }
        let text = String::from_utf8_lossy(&answer).into_owned();
        ensure!(text.starts_with("HTTP/1.1 200"), "the answer is {text}");
        let nanoseconds = came.with_context(|| format!("no {awaited:?} came: the answer is {text}"))?;
        Ok(Timed { nanoseconds, text })
    }
}

/// Whether an answer has come to its end, by its length or its last chunk.
fn is_whole(answer: &[u8]) -> Result<bool> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(false);
    };
    let (head, body) = answer.split_at(end + 4);
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    if let Some(length) = field("content-length:") {
        let length: u64 = length.trim().parse().context("the length is no number")?;
        return Ok(count(body.len()) >= length);
    }
    if field("transfer-encoding:").is_some_and(|encoding| encoding.contains("chunked")) {
        return Ok(body.ends_with(b"0\r\n\r\n"));
    }
    bail!("the answer has neither a length nor chunks: {head}");
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_answers_are_seen() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n";
        for (answer, whole) in [
            (head.to_owned(), false),
            (format!("{head}hell"), false),
            (format!("{head}hello"), true),
            (chunks.to_owned(), false),
            (format!("{chunks}0\r\n\r\n"), true),
            ("HTTP/1.1 200".to_owned(), false),
        ] {
            assert_eq!(is_whole(answer.as_bytes()).unwrap(), whole, "{answer}");
        }
        assert!(is_whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(contains(b"event: delta", b"delta"));
    }
}
