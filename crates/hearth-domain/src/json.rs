//! The JSON bytes of one message: written once, read back as a view. The layout is fixed, so that fields are found without a parser:
//! `{"id":41,"role":"user","content":"…","created_at":"2026-11-22T15:35:00.123456Z"}`, with `,"status":"incomplete"` before the brace
//! where the message is not whole.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

use crate::ids::MessageId;
use crate::message::{MessageView, Status};

const ID: &[u8] = b"{\"id\":";
const ROLE: &[u8] = b",\"role\":\"";
const CONTENT: &[u8] = b"\",\"content\":";
const CREATED_AT: &[u8] = b",\"created_at\":\"";
const END: &[u8] = b"\"}";
const END_INCOMPLETE: &[u8] = b"\",\"status\":\"incomplete\"}";

/// Bytes of a time as [`write_time`] writes it.
const TIME_BYTES: usize = 27;

/// Bytes of the shortest role.
const ROLE_BYTES_MIN: usize = 4;

/// Bytes that every message has around its content, the content's quotes included: those of the shortest id and role.
pub const MESSAGE_BYTES_MIN: usize = ID.len()
    + 1
    + ROLE.len()
    + ROLE_BYTES_MIN
    + CONTENT.len()
    + 2
    + CREATED_AT.len()
    + TIME_BYTES
    + END.len();

/// Bytes that a message needs beyond its content in a history, for all but the longest ids: what buffers reserve.
pub const MESSAGE_OVERHEAD_BYTES: usize = 100;

/// Appends a message's JSON to `out`.
pub fn write_message(out: &mut Vec<u8>, message: &MessageView<'_>) {
    out.extend_from_slice(ID);
    write_integer(out, message.id.0);
    out.extend_from_slice(ROLE);
    out.extend_from_slice(message.role.as_str().as_bytes());
    out.extend_from_slice(CONTENT);
    write_string(out, &message.content);
    out.extend_from_slice(CREATED_AT);
    write_time(out, message.created_at);
    out.extend_from_slice(match message.status {
        Status::Complete => END,
        Status::Incomplete => END_INCOMPLETE,
    });
}

/// The bytes that [`write_message`] writes, so that a buffer is made as large as it has to be and no larger.
#[must_use]
pub fn message_bytes(message: &MessageView<'_>) -> usize {
    let id = message.id.0;
    let digits = id.unsigned_abs().checked_ilog10().unwrap_or(0) + u32::from(id < 0);
    let status = match message.status {
        Status::Complete => 0,
        Status::Incomplete => END_INCOMPLETE.len() - END.len(),
    };
    let role = message.role.as_str().len() - ROLE_BYTES_MIN;
    MESSAGE_BYTES_MIN + usize::try_from(digits).unwrap_or(0) + role + escaped_bytes(&message.content) + status
}

/// The bytes between the quotes of a JSON string.
fn escaped_bytes(text: &str) -> usize {
    if is_plain(text) {
        return text.len();
    }
    let more = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..0x20 => 5,
        _ => 0,
    };
    text.len() + text.bytes().map(more).sum::<usize>()
}

/// Whether a text stands in JSON as it is, as most do: seen many bytes at a time.
fn is_plain(text: &str) -> bool {
    /// No exit within one of these, so that the compiler compares its bytes side by side.
    const AT_ONCE: usize = 64;
    let is_escaped = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let has_escaped = |bytes: &[u8]| bytes.iter().fold(false, |any, byte| any | is_escaped(*byte));
    let (chunks, rest) = text.as_bytes().as_chunks::<AT_ONCE>();
    !chunks.iter().any(|chunk| has_escaped(chunk)) && !has_escaped(rest)
}

/// Reads back what [`write_message`] wrote; nothing where the bytes are not of that layout.
#[must_use]
pub fn read_message(json: &[u8]) -> Option<MessageView<'_>> {
    let (body, status) = match json.strip_suffix(END_INCOMPLETE) {
        Some(body) => (body, Status::Incomplete),
        None => (json.strip_suffix(END)?, Status::Complete),
    };
    let (body, time) = body.split_at_checked(body.len().checked_sub(TIME_BYTES)?)?;
    let (id, rest) = split_id(body.strip_suffix(CREATED_AT)?)?;
    let rest = rest.strip_prefix(ROLE)?;
    let letters = rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let (role, rest) = rest.split_at_checked(letters)?;
    Some(MessageView {
        id,
        role: std::str::from_utf8(role).ok()?.parse().ok()?,
        content: read_string(rest.strip_prefix(CONTENT)?)?,
        created_at: read_time(time)?,
        status,
    })
}

/// The id alone, for whoever needs no more.
#[must_use]
pub fn read_id(json: &[u8]) -> Option<MessageId> {
    let (id, _) = split_id(json)?;
    Some(id)
}

/// The id, and what comes behind it.
fn split_id(json: &[u8]) -> Option<(MessageId, &[u8])> {
    let rest = json.strip_prefix(ID)?;
    let digits = rest
        .iter()
        .take_while(|byte| byte.is_ascii_digit() || **byte == b'-')
        .count();
    let (id, rest) = rest.split_at_checked(digits)?;
    let id = std::str::from_utf8(id).ok()?.parse().ok()?;
    Some((MessageId(id), rest))
}

/// Appends `text` as a JSON string with its quotes.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    // Writing a `str` to a `Vec` has no way to fail: the serializer's only error is the writer's.
    let written = serde_json::to_writer(&mut *out, text);
    debug_assert!(written.is_ok(), "a string is always JSON");
}

/// Appends an integer in decimal.
pub fn write_integer(out: &mut Vec<u8>, number: i64) {
    // The same: no error but the writer's.
    let written = serde_json::to_writer(&mut *out, &number);
    debug_assert!(written.is_ok(), "an integer is always JSON");
}

/// Borrows the text of a JSON string with its quotes, or unescapes it.
fn read_string(json: &[u8]) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        serde_json::from_slice::<String>(json).ok().map(Cow::Owned)
    } else {
        std::str::from_utf8(inner).ok().map(Cow::Borrowed)
    }
}

/// Appends a time as RFC 3339 in UTC with microseconds, always 27 bytes; years outside 0 to 9999 are shown as the nearest of them.
pub fn write_time(out: &mut Vec<u8>, time: DateTime<Utc>) {
    let time = time.naive_utc();
    let year = u32::try_from(time.year().clamp(0, 9_999)).unwrap_or(0);
    // A leap second is carried by chrono as a microsecond count above a million.
    let micros = (time.nanosecond() / 1_000).min(999_999);
    out.extend_from_slice(&digits::<4>(year));
    for (separator, number) in [
        (b'-', time.month()),
        (b'-', time.day()),
        (b'T', time.hour()),
        (b':', time.minute()),
        (b':', time.second()),
    ] {
        out.push(separator);
        out.extend_from_slice(&digits::<2>(number));
    }
    out.push(b'.');
    out.extend_from_slice(&digits::<6>(micros));
    out.push(b'Z');
}

/// The last `WIDTH` decimal digits of a number.
fn digits<const WIDTH: usize>(mut number: u32) -> [u8; WIDTH] {
    let mut digits = [b'0'; WIDTH];
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    digits
}

fn read_time(text: &[u8]) -> Option<DateTime<Utc>> {
    let number = |from: usize, width: usize| -> Option<u32> {
        std::str::from_utf8(text.get(from..from + width)?)
            .ok()?
            .parse()
            .ok()
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 2)?, number(8, 2)?)?;
    date.and_hms_micro_opt(number(11, 2)?, number(14, 2)?, number(17, 2)?, number(20, 6)?)
        .map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::role::Role;

    fn any_view() -> impl Strategy<Value = MessageView<'static>> {
        let roles = prop_oneof![
            Just(Role::User),
            Just(Role::Assistant),
            Just(Role::System),
            Just(Role::Tool)
        ];
        let statuses = prop_oneof![Just(Status::Complete), Just(Status::Incomplete)];
        // Microseconds from the year 0 to the year 9999.
        let times = -62_167_219_200_000_000_i64..253_402_300_799_999_999;
        (any::<i64>(), roles, ".*", times, statuses).prop_map(|(id, role, content, micros, status)| {
            MessageView {
                id: MessageId(id),
                role,
                content: Cow::Owned(content),
                created_at: DateTime::from_timestamp_micros(micros).expect("within chrono's range"),
                status,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(view in any_view()) {
            let mut json = Vec::new();
            write_message(&mut json, &view);
            prop_assert_eq!(read_id(&json), Some(view.id));
            prop_assert_eq!(message_bytes(&view), json.len());
            prop_assert_eq!(read_message(&json), Some(view));
        }

        #[test]
        fn it_is_the_json_that_a_library_would_read(view in any_view()) {
            let mut json = Vec::new();
            write_message(&mut json, &view);
            let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(&value["id"], &serde_json::json!(view.id));
            prop_assert_eq!(&value["role"], view.role.as_str());
            prop_assert_eq!(&value["content"], &*view.content);
            let time: DateTime<Utc> = value["created_at"].as_str().unwrap().parse().unwrap();
            prop_assert_eq!(time, view.created_at);
            prop_assert_eq!(value.get("status").is_some(), view.status == Status::Incomplete);
        }

        #[test]
        fn arbitrary_bytes_are_no_message_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read_message(&bytes), None);
        }
    }

    #[test]
    fn a_content_that_looks_like_the_layout_stays_content() {
        let view = MessageView {
            id: MessageId(1),
            role: Role::User,
            content: "\",\"created_at\":\"2020-01-01T00:00:00.000000Z\",\"status\":\"incomplete\"}".into(),
            created_at: DateTime::UNIX_EPOCH,
            status: Status::Complete,
        };
        let mut json = Vec::new();
        write_message(&mut json, &view);
        assert_eq!(read_message(&json), Some(view));
    }
}
