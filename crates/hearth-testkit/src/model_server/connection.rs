//! As much of HTTP/1.1 as a model's clients speak: requests with a length, chunked responses, connections that are used again.

use std::future::pending;
use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::reply::{Step, Steps};
use super::{Request, Script};

/// Bytes of a request's body, at most.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Answers the requests of a connection until the client or a reply closes it.
pub(super) async fn serve(stream: TcpStream, script: &Script) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let asks_for_stream = request.body.get("stream") == Some(&Value::Bool(true));
        let steps = script.reply(request).steps(asks_for_stream);
        if !write(&mut stream, steps).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// The next request; nothing once the client has closed.
async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().unwrap());
    assert!(length <= BODY_BYTES_MAX, "a body of {length} bytes");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request {
        line,
        headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }))
}

/// Takes the steps of a reply; says whether the connection is still good.
async fn write(stream: &mut BufReader<TcpStream>, reply: Steps) -> io::Result<bool> {
    let head = head(&reply);
    let mut has_head = false;
    for step in reply.steps {
        match step {
            Step::Send(bytes) => {
                if !std::mem::replace(&mut has_head, true) {
                    stream.write_all(head.as_bytes()).await?;
                }
                let size = if reply.splits { 1 } else { bytes.len().max(1) };
                for piece in bytes.chunks(size) {
                    stream.write_all(&chunk(piece)).await?;
                    stream.flush().await?;
                }
            }
            Step::Wait(doorway) => {
                tokio::select! {
                    () = doorway.pass() => {}
                    () = gone(stream) => return Ok(false),
                }
            }
            Step::Close => return Ok(false),
            Step::Hang => {
                gone(stream).await;
                return Ok(false);
            }
        }
    }
    if !has_head {
        stream.write_all(head.as_bytes()).await?;
    }
    stream.write_all(b"0\r\n\r\n").await?;
    stream.flush().await?;
    Ok(true)
}

fn head(reply: &Steps) -> String {
    let headers = reply.headers.iter();
    let headers: String = headers
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!(
        "HTTP/1.1 {} Said\r\ntransfer-encoding: chunked\r\n{headers}\r\n",
        reply.status
    )
}

fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
    chunk.extend_from_slice(piece);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Waits until the client has closed the connection.
async fn gone(stream: &mut BufReader<TcpStream>) {
    match stream.fill_buf().await {
        // A request that comes before the answer to the one before: nobody does that here.
        Ok(bytes) if !bytes.is_empty() => pending().await,
        Ok(_) | Err(_) => {}
    }
}
