//! W3C Trace Context: the caller's trace is taken over into log lines, and into spans where they are exported.

use actix_web::http::header::{HeaderMap, HeaderName};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Bytes of a `traceparent` of version 00: `00-<32>-<16>-<2>`.
const VERSION_00_BYTES: usize = 55;

/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// The trace that a caller's request belongs to: 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 32]);

impl TraceId {
    /// The trace that the headers name; nothing where they name none, or not as the recommendation has it.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        Self::from_text(TraceParent::of(headers)?.trace)
    }

    /// The trace of this text, where it has 32 bytes.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        Some(Self(text.as_bytes().try_into().ok()?))
    }

    /// The trace as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The place in a trace that a caller asks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent<'a> {
    /// The trace: 32 lower-case hexadecimal digits.
    pub trace: &'a str,
    /// The caller's span: 16 of them.
    pub span: &'a str,
    /// Whether the caller says that its trace is recorded.
    pub is_sampled: bool,
}

impl<'a> TraceParent<'a> {
    /// The place that the headers name; nothing where they name none, or not as the recommendation has it.
    #[must_use]
    pub fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&TRACEPARENT);
        let text = values.next()?.to_str().ok()?;
        // Two of them name no trace.
        if values.next().is_some() {
            return None;
        }
        parse(text)
    }
}

fn parse(text: &str) -> Option<TraceParent<'_>> {
    let mut parts = text.split('-');
    let version = hexadecimal(parts.next()?, 2)?;
    let trace = significant(parts.next()?, 32)?;
    let span = significant(parts.next()?, 16)?;
    let flags = u8::from_str_radix(hexadecimal(parts.next()?, 2)?, 16).ok()?;
    // A later version may have more parts, version 00 has none.
    let fits = match version {
        "ff" => false,
        "00" => text.len() == VERSION_00_BYTES,
        _ => true,
    };
    fits.then_some(TraceParent {
        trace,
        span,
        is_sampled: flags & SAMPLED != 0,
    })
}

fn hexadecimal(text: &str, digits: usize) -> Option<&str> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == digits && text.bytes().all(is_digit)).then_some(text)
}

/// All zeros stand for none.
fn significant(text: &str, digits: usize) -> Option<&str> {
    hexadecimal(text, digits).filter(|text| text.bytes().any(|byte| byte != b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn the_recommendation_s_forms_are_taken_and_others_are_not() {
        let check = |text: String, taken: bool| {
            let parent = parse(&text);
            assert_eq!(parent.is_some(), taken, "{text}");
            assert!(parent.is_none_or(|parent| parent.trace == TRACE && parent.span == SPAN));
        };
        check(format!("00-{TRACE}-00f067aa0ba902b7-01"), true);
        check(format!("cc-{TRACE}-00f067aa0ba902b7-01-what-comes"), true);
        check(format!("00-{TRACE}-00f067aa0ba902b7-01-more"), false);
        check(format!("ff-{TRACE}-00f067aa0ba902b7-01"), false);
        check(format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()), false);
        check(format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false);
        check(format!("00-{TRACE}-{}-01", "0".repeat(16)), false);
        check(format!("00-{TRACE}-00f067aa0ba902b7-0"), false);
        check(format!("00-{TRACE}"), false);
        check(String::new(), false);
    }

    #[test]
    fn the_last_flag_says_whether_a_trace_is_recorded() {
        for (flags, is_sampled) in [("00", false), ("01", true), ("02", false), ("ff", true)] {
            let text = format!("00-{TRACE}-{SPAN}-{flags}");
            assert_eq!(parse(&text).unwrap().is_sampled, is_sampled, "{text}");
        }
    }
}
