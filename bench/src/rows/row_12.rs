//! The time from the start of the process to its first answer, with the embedded store; what the binary and the fresh process take.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::bench::Bench;
use crate::measure::{Figure, Goal, Group, Series, float};
use crate::stopwatch::Stopwatch;
use crate::{machine, server};

/// Between two tries to connect.
const PAUSE: Duration = Duration::from_micros(200);

/// A hang guard.
const START_MAX: Duration = Duration::from_mins(1);

/// Runs once before those that count, so that the binary is in the system's cache for all of them.
const UNCOUNTED: u32 = 1;

const EMBEDDED: &str = "sqlite:data/hearth.db";

/// What one start came to.
struct Start {
    milliseconds: f64,
    resident_mib: f64,
}

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for round in 0..bench.arguments.rounds + UNCOUNTED {
        let folder = tempfile::tempdir()?;
        let starts = (start(folder.path())?, start(folder.path())?);
        if round >= UNCOUNTED {
            first.push(starts.0);
            again.push(starts.1);
        }
    }
    let milliseconds =
        |starts: &[Start]| Series::new("ms", starts.iter().map(|start| start.milliseconds).collect());
    let resident = first.iter().map(|start| start.resident_mib).collect();
    let bytes = std::fs::metadata(server::binary()?)?.len();
    Ok(vec![
        figure(
            "from exec to the first 200, new file",
            Goal::AtMost(150.0),
            milliseconds(&first),
        ),
        figure(
            "from exec to the first 200, file of before",
            Goal::AtMost(150.0),
            milliseconds(&again),
        ),
        figure(
            "resident memory after the first 200",
            Goal::Reported,
            Series::new("MiB", resident),
        ),
        figure(
            "size of the binary",
            Goal::Reported,
            Series::new("MB", vec![float(bytes) / 1e6]),
        ),
    ])
}

fn figure(figure: &str, goal: Goal, outcome: Series) -> Figure {
    Figure {
        row: "12",
        group: Group::Starts,
        figure: figure.to_owned(),
        against: "embedded store".to_owned(),
        goal,
        outcome,
        ours: None,
        theirs: None,
        notes: Vec::new(),
    }
}

/// A process that is killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed again.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn start(folder: &Path) -> Result<Start> {
    let address = free_address()?;
    let log = folder.join("server.log");
    let mut command = server::hearth(folder, EMBEDDED)?;
    command
        .arg("serve")
        .env("HEARTH__SERVER__PORT", address.port().to_string())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?);
    let watch = Stopwatch::start();
    let mut process = Process(command.spawn().context("failed to run the server")?);
    let mut answer = first_answer(address)?;
    while answer.is_none() {
        let ended = process.0.try_wait()?;
        ensure!(
            ended.is_none(),
            "the server ended: {}",
            std::fs::read_to_string(&log)?
        );
        ensure!(watch.elapsed() < START_MAX, "the server does not answer");
        std::thread::sleep(PAUSE);
        answer = first_answer(address)?;
    }
    let milliseconds = watch.elapsed().as_secs_f64() * 1e3;
    let resident = machine::resident_bytes(process.0.id()).context("the server's memory is not known")?;
    Ok(Start {
        milliseconds,
        resident_mib: float(resident) / 1_048_576.0,
    })
}

/// Asks whether the server is ready; none while it does not listen, or says that it is not.
fn first_answer(address: SocketAddr) -> Result<Option<()>> {
    let mut connection = match TcpStream::connect(address) {
        Ok(connection) => connection,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Ok(None),
        Err(error) => bail!(error),
    };
    connection.set_read_timeout(Some(START_MAX))?;
    connection
        .write_all(b"GET /chatbot/health/ready HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200").then_some(()))
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to find a free port")?;
    Ok(listener.local_addr()?)
}
