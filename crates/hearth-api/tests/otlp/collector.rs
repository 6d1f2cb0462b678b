//! A collector: takes what is posted to `/v1/traces`, or leaves whoever posts it waiting.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::protobuf::{Span, exported};
use crate::server::DEADLINE;

/// A collector on a free port of this machine; its threads end with the process.
pub(crate) struct Collector {
    address: SocketAddr,
    taken: Taken,
}

/// The bodies that were posted.
type Taken = Arc<Mutex<Vec<Vec<u8>>>>;

impl Collector {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    /// The same at an address of one's own.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::serve(address, true)
    }

    /// One that reads everything and never answers.
    pub(crate) fn hanging() -> Self {
        Self::serve("127.0.0.1:0".parse().unwrap(), false)
    }

    fn serve(address: SocketAddr, answers: bool) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Taken::default();
        let shared = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let taken = Arc::clone(&shared);
                thread::spawn(move || take(stream, &taken, answers));
            }
        });
        Self { address, taken }
    }

    /// What a server is told of it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that was posted until now, as it came.
    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        self.taken.lock().unwrap().clone()
    }

    /// Waits until something was posted.
    pub(crate) fn posted(&self) {
        let began = Instant::now();
        while self.bodies().is_empty() {
            assert!(began.elapsed() < DEADLINE, "nothing was posted");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The spans among it.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies();
        bodies.iter().flat_map(|body| exported(body).1).collect()
    }

    /// The only span of this name.
    pub(crate) fn span(&self, name: &str) -> Span {
        let mut spans = self.spans();
        let all = format!("{spans:#?}");
        spans.retain(|span| span.name == name);
        assert_eq!(spans.len(), 1, "{name} in {all}");
        spans.remove(0)
    }
}

/// Takes the requests of one connection.
fn take(stream: TcpStream, taken: &Taken, answers: bool) {
    let mut requests = BufReader::new(stream.try_clone().unwrap());
    let mut answer = stream;
    while let Some(body) = request(&mut requests) {
        taken.lock().unwrap().push(body);
        if answers {
            answer
                .write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n",
                )
                .unwrap();
        }
    }
}

/// The body of the next request; none where the connection ends.
fn request(stream: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}
