//! W3C Trace Context: the caller's trace is taken over into log lines.

use actix_web::http::header::{HeaderMap, HeaderName};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Bytes of a `traceparent` of version 00: `00-<32>-<16>-<2>`.
const VERSION_00_BYTES: usize = 55;

/// The trace that a caller's request belongs to: 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 32]);

impl TraceId {
    /// The trace that the headers name; nothing where they name none, or not as the recommendation has it.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(&TRACEPARENT);
        let text = values.next()?.to_str().ok()?;
        // Two of them name no trace.
        if values.next().is_some() {
            return None;
        }
        parse(text)
    }

    /// The trace as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn parse(text: &str) -> Option<TraceId> {
    let mut parts = text.split('-');
    let version = hexadecimal(parts.next()?, 2)?;
    let trace = significant(parts.next()?, 32)?;
    significant(parts.next()?, 16)?;
    hexadecimal(parts.next()?, 2)?;
    // A later version may have more parts, version 00 has none.
    let fits = match version {
        "ff" => false,
        "00" => text.len() == VERSION_00_BYTES,
        _ => true,
    };
    let trace: [u8; 32] = trace.as_bytes().try_into().ok()?;
    fits.then_some(TraceId(trace))
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

    #[test]
    fn the_recommendation_s_forms_are_taken_and_others_are_not() {
        let check = |text: String, taken: bool| {
            let trace = parse(&text);
            assert_eq!(trace.is_some(), taken, "{text}");
            assert!(trace.is_none_or(|trace| trace.as_str() == TRACE));
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
}
