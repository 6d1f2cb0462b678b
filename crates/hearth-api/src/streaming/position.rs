//! The ids of events. The id of a delta is the number of bytes of the response up to its end: so a stream is taken up again at the right
//! place by whoever knows the response, whatever pieces it came in.

use std::fmt;

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::error::{Code, Problem};

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The id of the last event, whether it is `done` or `error`.
const END: &str = "end";

/// How far a caller has come in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// It has nothing yet.
    Start,
    /// It has `turn`, and so many bytes of the response.
    Bytes(usize),
    /// It has everything.
    End,
}

impl Position {
    /// The position that `Last-Event-ID` names; the start where there is none.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidField`] where it is no id that a stream of Hearth's has.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(&LAST_EVENT_ID) else {
            return Ok(Self::Start);
        };
        match value.to_str().unwrap_or_default() {
            END => Ok(Self::End),
            text => text.parse().map(Self::Bytes).map_err(|_| {
                Problem::field(
                    Code::InvalidField,
                    "Last-Event-ID",
                    "must be the id of an event of the stream",
                )
            }),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => Ok(()),
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::End => f.write_str(END),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn read(value: &'static str) -> Result<Position, Code> {
        let mut headers = HeaderMap::new();
        headers.insert(LAST_EVENT_ID.clone(), HeaderValue::from_static(value));
        Position::of(&headers).map_err(|problem| problem.code())
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(Position::of(&HeaderMap::new()).unwrap(), Position::Start);
        for (text, position) in [
            ("0", Position::Bytes(0)),
            ("32768", Position::Bytes(32_768)),
            ("end", Position::End),
        ] {
            assert_eq!(read(text), Ok(position));
            assert_eq!(position.to_string(), text);
        }
        for text in ["", "-1", "1.5", "End", "1 2", "99999999999999999999999"] {
            assert_eq!(read(text), Err(Code::InvalidField), "{text:?}");
        }
    }
}
