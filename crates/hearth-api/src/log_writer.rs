//! Where log lines go: into a bounded buffer that a thread of its own writes out, so that a slow standard error never stops a request.
//!
//! Lines gather while the thread writes or rests, and go out together: a busy server pays for a line with a copy of its bytes. Where the
//! buffer is full, whole lines are lost, and their number is told in the log as soon as there is room.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use hearth_domain::json;
use hearth_domain::ports::{Clock, SystemClock};

use crate::settings::LogFormat;

/// Bytes of lines that wait, at most.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// Bytes of a buffer that is kept for the next lines; one that had to grow beyond is given back.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// How long the thread lets lines gather after it wrote some. What is logged to a quiet server goes out at once.
const REST: Duration = Duration::from_millis(5);

/// How long the end of the program waits for the last lines.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(2);

/// Takes log lines; never waits for whoever reads them. All clones are one writer.
#[derive(Debug, Clone)]
pub struct LogWriter(Arc<Shared>);

/// Writes the last lines out when it is dropped, at the program's end.
#[derive(Debug)]
pub struct LogGuard(LogWriter);

#[derive(Debug)]
struct Shared {
    buffer: Mutex<Buffer>,
    changed: Condvar,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Buffer {
    lines: Vec<u8>,
    /// Lines lost that the log does not tell of yet.
    untold: u64,
    /// Lines lost since the start.
    lost: u64,
    /// The thread waits for lines.
    idle: bool,
    /// No more lines will come.
    closed: bool,
    /// The thread has ended.
    done: bool,
}

impl LogWriter {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    ///
    /// The system's, where there can be no more threads.
    pub fn start(out: impl Write + Send + 'static, format: LogFormat) -> io::Result<(Self, LogGuard)> {
        Self::bounded(out, format, WAITING_BYTES_MAX)
    }

    fn bounded(
        out: impl Write + Send + 'static,
        format: LogFormat,
        bytes_max: usize,
    ) -> io::Result<(Self, LogGuard)> {
        let shared = Arc::new(Shared {
            buffer: Mutex::default(),
            changed: Condvar::new(),
            bytes_max,
        });
        let written = Arc::clone(&shared);
        thread::Builder::new()
            .name("hearth-log".to_owned())
            .spawn(move || write_out(&written, out, format))?;
        let writer = Self(shared);
        Ok((writer.clone(), LogGuard(writer)))
    }

    /// Takes a line, which ends with a line feed, or loses it where the buffer is full.
    pub fn append(&self, line: &[u8]) {
        let mut buffer = self.0.lock();
        if buffer.lines.len() + line.len() > self.0.bytes_max {
            buffer.untold += 1;
            buffer.lost += 1;
        } else {
            buffer.lines.extend_from_slice(line);
        }
        let wake = std::mem::take(&mut buffer.idle);
        drop(buffer);
        if wake {
            self.0.changed.notify_all();
        }
    }

    /// Lines lost since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lock().lost
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.append(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let shared = &self.0.0;
        shared.lock().closed = true;
        shared.changed.notify_all();
        let buffer = shared.lock();
        let waited = shared
            .changed
            .wait_timeout_while(buffer, LAST_LINES_TIMEOUT, |buffer| !buffer.done);
        drop(waited);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and takes them, with the number of those lost; nothing once all is written and no more will come.
    fn take(&self, lines: &mut Vec<u8>) -> Option<u64> {
        let mut buffer = self.lock();
        while buffer.lines.is_empty() && buffer.untold == 0 {
            if buffer.closed {
                return None;
            }
            buffer.idle = true;
            buffer = self.changed.wait(buffer).unwrap_or_else(PoisonError::into_inner);
        }
        buffer.idle = false;
        std::mem::swap(&mut buffer.lines, lines);
        Some(std::mem::take(&mut buffer.untold))
    }

    /// Lets lines gather, unless there will be no more.
    fn rest(&self) {
        let rested = self
            .changed
            .wait_timeout_while(self.lock(), REST, |buffer| !buffer.closed);
        drop(rested);
    }
}

fn write_out(shared: &Shared, mut out: impl Write, format: LogFormat) {
    let clock = SystemClock::default();
    let mut lines = Vec::new();
    while let Some(lost) = shared.take(&mut lines) {
        // There is nobody to tell where the log itself cannot be written.
        let _written = out.write_all(&lines);
        if lost > 0 {
            let _written = out.write_all(&told(lost, format, &clock));
        }
        let _flushed = out.flush();
        lines.clear();
        if lines.capacity() > KEPT_BYTES_MAX {
            lines = Vec::new();
        }
        shared.rest();
    }
    shared.lock().done = true;
    shared.changed.notify_all();
}

/// The line that tells of lines lost.
fn told(lost: u64, format: LogFormat, clock: &dyn Clock) -> Vec<u8> {
    let mut time = Vec::new();
    json::write_time(&mut time, clock.utc());
    let time = String::from_utf8_lossy(&time);
    let (target, message) = (module_path!(), "log lines were lost: nobody read them in time");
    let line = match format {
        LogFormat::Text => format!("{time}  WARN {target}: {message} lines={lost}\n"),
        LogFormat::Json => format!(
            "{{\"timestamp\":\"{time}\",\"level\":\"WARN\",\"message\":\"{message}\",\"lines\":{lost},\
             \"target\":\"{target}\"}}\n"
        ),
    };
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A reader that takes what is written only when it is let.
    struct Slow {
        gate: Receiver<()>,
        written: SyncSender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.gate.recv().map_err(io::Error::other)?;
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow(bytes_max: usize) -> (LogWriter, LogGuard, SyncSender<()>, Receiver<Vec<u8>>) {
        let (open, gate) = sync_channel(64);
        let (written, read) = sync_channel(64);
        let out = Slow { gate, written };
        let (writer, guard) = LogWriter::bounded(out, LogFormat::Text, bytes_max).unwrap();
        (writer, guard, open, read)
    }

    #[test]
    fn a_slow_reader_stops_nobody_and_is_told_what_was_lost() {
        let (writer, guard, open, read) = slow(10);
        // The thread may have taken the first lines when the others come: at most 20 bytes are on their way.
        for _ in 0..100 {
            writer.append(b"12345\n");
        }
        let lost = writer.lost();
        assert!((97..=99).contains(&lost), "{lost}");
        for _ in 0..8 {
            open.send(()).unwrap();
        }
        drop(guard);
        drop(writer);
        let text: Vec<u8> = read.into_iter().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        let kept = text.lines().filter(|line| *line == "12345").count();
        assert_eq!(u64::try_from(kept).unwrap() + lost, 100, "{text}");
        let told = text
            .lines()
            .filter_map(|line| line.split_once("lines=")?.1.parse::<u64>().ok());
        assert_eq!(told.sum::<u64>(), lost, "{text}");
    }

    #[test]
    fn the_last_lines_are_written_before_the_end() {
        let (writer, guard, open, read) = slow(1_000);
        for _ in 0..8 {
            open.send(()).unwrap();
        }
        for line in ["one\n", "two\n", "three\n"] {
            writer.append(line.as_bytes());
        }
        drop(guard);
        drop(writer);
        let text: Vec<u8> = read.into_iter().flatten().collect();
        assert_eq!(text, b"one\ntwo\nthree\n");
    }
}
