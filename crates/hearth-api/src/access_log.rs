//! The access log: one line a request, with the route's pattern and never a path, a query, a content or a key.
//!
//! The lines have the form of all others and obey `log.level` under the target `hearth_api::access`, but are written by hand: they are the
//! only ones that a busy server writes by the thousand a second.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::json;
use hearth_domain::ports::Clock;

use crate::log_writer::LogWriter;
use crate::settings::LogFormat;

/// What stands for this log in `log.level`.
const TARGET: &str = "hearth_api::access";

/// Writes a line for every request.
#[derive(Clone)]
pub struct AccessLog {
    writer: LogWriter,
    format: LogFormat,
    clock: Arc<dyn Clock>,
}

/// A request that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// Its method, or `other`.
    pub method: &'a str,
    /// The pattern of the route that took it, or `unmatched`.
    pub route: &'a str,
    /// The status of its response.
    pub status: u16,
    /// The bytes of the response's body.
    pub bytes: u64,
    /// From the request's head to the response's end, as far as the server makes it.
    pub duration: Duration,
    /// The id that the response carries: letters, digits and `-_.:` only.
    pub request_id: &'a str,
    /// The caller's trace, where it sent one.
    pub trace_id: Option<&'a str>,
}

impl AccessLog {
    /// A log that writes to `writer`.
    #[must_use]
    pub fn new(writer: LogWriter, format: LogFormat, clock: Arc<dyn Clock>) -> Self {
        Self {
            writer,
            format,
            clock,
        }
    }

    /// Writes the line, unless `log.level` leaves it out.
    pub fn write(&self, access: &Access<'_>) {
        if !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
            return;
        }
        let mut line = Vec::with_capacity(384);
        match self.format {
            LogFormat::Text => self.text(&mut line, access),
            LogFormat::Json => self.json(&mut line, access),
        }
        self.writer.append(&line);
    }

    fn text(&self, line: &mut Vec<u8>, access: &Access<'_>) {
        json::write_time(line, self.clock.utc());
        write_texts(line, &["  INFO ", TARGET, ": ", access.method, " ", access.route]);
        write_number(line, " status=", access.status.into());
        write_number(line, " bytes=", access.bytes);
        write_number(line, " us=", access.microseconds());
        write_texts(line, &[" request_id=", access.request_id]);
        if let Some(trace) = access.trace_id {
            write_texts(line, &[" trace_id=", trace]);
        }
        line.push(b'\n');
    }

    fn json(&self, line: &mut Vec<u8>, access: &Access<'_>) {
        line.extend_from_slice(b"{\"timestamp\":\"");
        json::write_time(line, self.clock.utc());
        let head = "\",\"level\":\"INFO\",\"message\":\"request\",\"method\":\"";
        write_texts(
            line,
            &[head, access.method, "\",\"route\":\"", access.route, "\""],
        );
        write_number(line, ",\"status\":", access.status.into());
        write_number(line, ",\"bytes\":", access.bytes);
        write_number(line, ",\"us\":", access.microseconds());
        write_texts(line, &[",\"request_id\":\"", access.request_id, "\""]);
        if let Some(trace) = access.trace_id {
            write_texts(line, &[",\"trace_id\":\"", trace, "\""]);
        }
        write_texts(line, &[",\"target\":\"", TARGET, "\"}\n"]);
    }
}

impl Access<'_> {
    fn microseconds(&self) -> u64 {
        u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX)
    }
}

fn write_texts(line: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        line.extend_from_slice(text.as_bytes());
    }
}

fn write_number(line: &mut Vec<u8>, name: &str, number: u64) {
    line.extend_from_slice(name.as_bytes());
    json::write_integer(line, i64::try_from(number).unwrap_or(i64::MAX));
}
