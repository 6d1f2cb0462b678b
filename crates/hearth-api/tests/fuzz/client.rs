//! A client that sends what it is told to, byte for byte: others mend paths and refuse headers.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::test_runner::TestCaseError;
use serde_json::Value;

/// How long an answer may take: a hang guard.
const DEADLINE: Duration = Duration::from_secs(60);

/// Sends requests on one connection, and on a new one where the server closed it.
pub(crate) struct Client {
    address: SocketAddr,
    connection: RefCell<Option<BufReader<TcpStream>>>,
}

/// A request, as it goes over the wire.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) body: Option<Vec<u8>>,
}

/// A response.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// A POST of what is declared as JSON.
    pub(crate) fn post(target: impl Into<String>, body: Vec<u8>) -> Self {
        Self {
            body: Some(body),
            ..Self::new("POST", target)
        }
        .header("Content-Type", "application/json")
    }

    /// The same with a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nHost: hearth\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        if let Some(body) = &self.body {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.to_bytes();
        write!(f, "{}", bytes.get(..4_096).unwrap_or(&bytes).escape_ascii())
    }
}

impl Answer {
    /// The value of a header that is there once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value, TestCaseError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let text = String::from_utf8_lossy(&self.body);
            TestCaseError::fail(format!("{error}: {} {text}", self.status))
        })
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: RefCell::new(None),
        }
    }

    /// Sends a request, and reads its answer.
    pub(crate) fn send(&self, request: &Request) -> Result<Answer, TestCaseError> {
        let mut kept = self.connection.borrow_mut();
        let failed = |error: io::Error| TestCaseError::fail(format!("no answer: {error}: {request:?}"));
        let bytes = request.to_bytes();
        let is_kept = kept.is_some();
        let connection = match kept.take() {
            Some(connection) => connection,
            None => self.connect().map_err(failed)?,
        };
        let (connection, answer) = match exchange(connection, &bytes, request.method) {
            // The server may have closed a connection while it lay idle.
            Err(error) if is_kept && is_closed(&error) => {
                let connection = self.connect().map_err(failed)?;
                exchange(connection, &bytes, request.method).map_err(failed)?
            }
            done => done.map_err(failed)?,
        };
        let closes = answer.header("connection").is_some_and(|value| value == "close");
        *kept = (!closes).then_some(connection);
        Ok(answer)
    }

    /// Sends bytes on a connection of their own and nothing after them, and reads all that comes.
    pub(crate) fn send_bytes(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut connection = self.connect()?.into_inner();
        let mut answers = Vec::new();
        // The server may answer and close before it has read everything.
        let _sent = connection.write_all(bytes);
        let _ended = connection.shutdown(Shutdown::Write);
        match connection.read_to_end(&mut answers) {
            Err(error) if !is_closed(&error) => Err(error),
            Ok(_) | Err(_) => Ok(answers),
        }
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }
}

/// Text for a segment of a path or the value of a query, whatever is in it.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn is_closed(error: &io::Error) -> bool {
    [
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::BrokenPipe,
    ]
    .contains(&error.kind())
}

type Exchange = (BufReader<TcpStream>, Answer);

fn exchange(mut connection: BufReader<TcpStream>, bytes: &[u8], method: &str) -> io::Result<Exchange> {
    connection.get_mut().write_all(bytes)?;
    let status = line(&mut connection)?;
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status: u16 = status.ok_or_else(|| invalid("status line"))?;
    let mut headers = Vec::new();
    loop {
        let line = line(&mut connection)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").ok_or_else(|| invalid("header"))?;
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut answer = Answer {
        status,
        headers,
        body: Vec::new(),
    };
    if method != "HEAD" && status != 204 && status != 304 {
        answer.body = body(&mut connection, &answer)?;
    }
    Ok((connection, answer))
}

fn body(connection: &mut BufReader<TcpStream>, answer: &Answer) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if answer.header("transfer-encoding") == Some("chunked") {
        loop {
            let length = line(connection)?;
            let length = usize::from_str_radix(&length, 16).map_err(|_| invalid("length of a chunk"))?;
            let began = body.len();
            body.resize(began + length, 0);
            connection.read_exact(&mut body[began..])?;
            line(connection)?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
    let length = answer
        .header("content-length")
        .and_then(|length| length.parse().ok());
    body.resize(length.ok_or_else(|| invalid("length of a body"))?, 0);
    connection.read_exact(&mut body)?;
    Ok(body)
}

fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = Vec::new();
    connection.read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\r\n") {
        Some(line) => String::from_utf8(line.to_vec()).map_err(|_| invalid("head")),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the answer's {what} is malformed"),
    )
}
