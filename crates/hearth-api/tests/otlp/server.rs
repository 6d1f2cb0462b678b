//! The server under test, and a client that sends it one request a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long anything may take: a hang guard.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A process of the binary with a store of its own.
pub(crate) struct Server {
    process: Child,
    log: Arc<Mutex<String>>,
    follower: Option<JoinHandle<()>>,
    address: String,
    _folder: TempDir,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Server {
    /// Starts a server that exports to this endpoint, with more variables in its environment.
    pub(crate) fn start(endpoint: &str, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_hearth"))
            .env_clear()
            .env("HEARTH__STORE__URL", "sqlite:hearth.db")
            .env("HEARTH__SERVER__PORT", "0")
            .env("HEARTH__LOG__OTLP_ENDPOINT", endpoint)
            .envs(variables.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let written = Arc::clone(&log);
        let follower = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *written.lock().unwrap() += &format!("{line}\n");
            }
        });
        let mut server = Self {
            process,
            log,
            follower: Some(follower),
            address: String::new(),
            _folder: folder,
        };
        let log = server.log_until("serving on http://");
        let (_, rest) = log.split_once("serving on http://").unwrap();
        rest.split_whitespace()
            .next()
            .unwrap()
            .clone_into(&mut server.address);
        server
    }

    /// What was logged until now.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The log, once it has this text.
    pub(crate) fn log_until(&self, text: &str) -> String {
        self.log_until_times(text, 1)
    }

    /// The log, once it has this text so many times.
    pub(crate) fn log_until_times(&self, text: &str, times: usize) -> String {
        let began = Instant::now();
        while self.log().matches(text).count() < times {
            assert!(began.elapsed() < DEADLINE, "no {text:?} in:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
        self.log()
    }

    /// A GET with these headers, a line each.
    pub(crate) fn get(&self, path: &str, headers: &str) -> Answer {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: hearth\r\nConnection: close\r\n{headers}\r\n"
        ))
    }

    /// A POST of JSON.
    pub(crate) fn post(&self, path: &str, headers: &str, body: &str) -> Answer {
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: hearth\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        ))
    }

    fn send(&self, request: &str) -> Answer {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        connection.set_read_timeout(Some(DEADLINE)).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        connection.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer: {text:?}"));
        Answer { status, text }
    }

    /// Has the server drain and end, and gives its log and the time that it took.
    pub(crate) fn stop(mut self) -> (String, Duration) {
        let began = Instant::now();
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(sent.success());
        while self.process.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < DEADLINE, "it does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
        let took = began.elapsed();
        self.follower.take().unwrap().join().unwrap();
        (self.log(), took)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already cannot be killed again.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}
