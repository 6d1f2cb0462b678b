//! A bare server: actix-web and one handler that answers requests with ready-made bytes, whatever they ask. It is the other side of rows over
//! HTTP, as a process of this very program, so that it has the server's allocator and as many workers.

use std::cell::Cell;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpResponse, HttpServer, Route, web};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// What it answers, and to which method.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// `GET`, or `POST`: then it reads the request's body to its end.
    pub(crate) method: String,
    pub(crate) headers: Vec<(String, String)>,
    /// The bodies, one after the other: as many as the server has that it stands beside, so that both read as much memory.
    pub(crate) bodies: Vec<String>,
}

/// A running bare server; dropping it ends it.
pub(crate) struct Canned {
    process: Child,
    /// `http://host:port`.
    pub(crate) address: String,
    /// The process ends when this pipe is closed, however this program ends.
    _life: Option<ChildStdin>,
    _answer: NamedTempFile,
}

impl Canned {
    /// Starts a process that gives this answer, and waits until it serves.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub(crate) fn start(answer: &Answer) -> Result<Self> {
        let mut file = NamedTempFile::new().context("failed to write the answer")?;
        serde_json::to_writer(&mut file, answer)?;
        file.flush()?;
        let mut process = Command::new(std::env::current_exe()?)
            .arg("--canned")
            .arg(file.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to run the bare server")?;
        let mut address = String::new();
        let out = process.stdout.take().context("it has no standard output")?;
        BufReader::new(out).read_line(&mut address)?;
        anyhow::ensure!(!address.is_empty(), "the bare server did not start");
        Ok(Self {
            address: address.trim().to_owned(),
            _life: process.stdin.take(),
            process,
            _answer: file,
        })
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        // One that has ended already cannot be killed again.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// An answer as it is sent: nothing of it is made anew for a request.
#[derive(Debug, Clone)]
struct Ready {
    method: Method,
    headers: Vec<(HeaderName, HeaderValue)>,
    bodies: Arc<[web::Bytes]>,
}

impl Ready {
    fn read(path: &Path) -> Result<Self> {
        let answer: Answer = serde_json::from_slice(&fs::read(path)?)?;
        let headers = answer.headers.iter().map(|(name, value)| {
            let name = HeaderName::try_from(name.as_str())?;
            Ok((name, HeaderValue::try_from(value.as_str())?))
        });
        Ok(Self {
            method: answer.method.parse()?,
            headers: headers.collect::<Result<_>>()?,
            bodies: answer.bodies.into_iter().map(web::Bytes::from).collect(),
        })
    }

    /// The answer with the body whose turn it is on this worker.
    fn response(&self, turn: &Cell<usize>) -> HttpResponse {
        let mut response = HttpResponse::build(StatusCode::OK);
        for header in &self.headers {
            response.insert_header(header.clone());
        }
        let place = turn.get();
        turn.set((place + 1) % self.bodies.len().max(1));
        response.body(self.bodies.get(place).cloned().unwrap_or_default())
    }

    /// The route of one worker.
    fn route(self) -> Route {
        let turn = Rc::<Cell<usize>>::default();
        if self.method == Method::GET {
            web::get().to(move || std::future::ready(self.response(&turn)))
        } else {
            web::route().method(self.method.clone()).to(move |_: web::Bytes| {
                let response = self.response(&turn);
                async move { response }
            })
        }
    }
}

/// Serves the answer in a file until standard input ends; writes the address on standard output.
///
/// # Errors
///
/// Where the file is no answer, or no port is free.
pub(crate) fn serve(path: &Path) -> Result<()> {
    let ready = Ready::read(path)?;
    actix_web::rt::System::new().block_on(async {
        let workers = std::thread::available_parallelism()?.get();
        let server = HttpServer::new(move || App::new().default_service(ready.clone().route()))
            .workers(workers)
            .disable_signals()
            .bind(("127.0.0.1", 0))?;
        let address = server.addrs().first().copied().context("it has no address")?;
        writeln!(io::stdout(), "http://{address}")?;
        let running = server.run();
        let handle = running.handle();
        std::thread::spawn(move || {
            // Whatever ends the pipe ends this process.
            let _ended = io::copy(&mut io::stdin(), &mut io::sink());
            drop(handle.stop(false));
        });
        Ok(running.await?)
    })
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;

    use super::*;

    #[test]
    fn answers_are_read_back() {
        let answer = Answer {
            method: "GET".to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            bodies: vec!["{}".to_owned(), "[]".to_owned()],
        };
        let mut file = NamedTempFile::new().unwrap();
        serde_json::to_writer(&mut file, &answer).unwrap();
        let ready = Ready::read(file.path()).unwrap();
        let turn = Cell::default();
        let response = ready.response(&turn);
        for body in ["[]", "{}", "[]"] {
            let next = ready.response(&turn).into_body().try_into_bytes().unwrap();
            assert_eq!(next, body, "one after the other");
        }
        assert_eq!(
            response.headers().get("content-type").unwrap(),
            "application/json"
        );
    }
}
