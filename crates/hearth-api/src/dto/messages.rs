//! `GET /chatbot/v1/sessions/{id}/messages`: head and tail are made for each request, the messages are ready and are not copied.

use bytes::Bytes;
use hearth_cache::Reading;
use hearth_domain::ports::Page;
use hearth_domain::{ConversationKey, History, Message, MessageId, Role, json};

use crate::pieces_body::PiecesBody;

/// Bytes that the head and the tail need beyond the ids.
const FRAME_BYTES: usize = 256;

/// A history as a body: its head, its messages as they lie in memory, its tail.
#[must_use]
pub fn history_body(key: &ConversationKey, reading: Reading) -> PiecesBody {
    let history = reading.history();
    let mut head = Vec::with_capacity(FRAME_BYTES + ids_bytes(key));
    head.push(b'{');
    write_key(&mut head, key);
    write_member(
        &mut head,
        "version",
        i64::try_from(history.version().get()).unwrap_or(i64::MAX),
    );
    write_member(&mut head, "responses", i64::from(history.responses()));
    write_truncated(&mut head, history.is_truncated());
    head.extend_from_slice(b",\"source\":\"");
    head.extend_from_slice(reading.source().as_str().as_bytes());
    head.push(b'"');
    if reading.is_degraded() {
        head.extend_from_slice(b",\"degraded\":true");
    }
    head.extend_from_slice(b",\"messages\":[");
    let tail = tail(older_than(history));
    PiecesBody::new([Bytes::from(head), Bytes::from_owner(ReadyMessages(reading)), tail])
}

/// The messages of a history that was read, kept for as long as somebody sends them.
struct ReadyMessages(Reading);

impl AsRef<[u8]> for ReadyMessages {
    fn as_ref(&self) -> &[u8] {
        self.0.history().json()
    }
}

/// A page of a session's messages as a body, read from the store.
#[must_use]
pub fn page_body(key: &ConversationKey, page: &Page) -> Bytes {
    let contents: usize = page.messages.iter().map(|message| message.content.len()).sum();
    let mut body = Vec::with_capacity(
        FRAME_BYTES + ids_bytes(key) + contents + page.messages.len() * json::MESSAGE_OVERHEAD_BYTES,
    );
    body.push(b'{');
    write_key(&mut body, key);
    let responses = page
        .messages
        .iter()
        .filter(|message| message.role == Role::Assistant)
        .count();
    write_member(
        &mut body,
        "responses",
        i64::try_from(responses).unwrap_or(i64::MAX),
    );
    write_truncated(&mut body, page.more);
    body.extend_from_slice(b",\"source\":\"store\",\"messages\":[");
    for (index, message) in page.messages.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        json::write_message(&mut body, &message.view());
    }
    let oldest = page
        .messages
        .first()
        .filter(|_| page.more)
        .map(|message: &Message| message.id);
    body.extend_from_slice(&tail(oldest));
    Bytes::from(body)
}

/// The cursor to what is older than a history: its oldest message, where there is anything.
fn older_than(history: &History) -> Option<MessageId> {
    history.is_truncated().then(|| history.oldest()).flatten()
}

fn ids_bytes(key: &ConversationKey) -> usize {
    key.department.as_str().len() + key.user.as_str().len() + key.session.as_str().len()
}

fn write_key(body: &mut Vec<u8>, key: &ConversationKey) {
    body.extend_from_slice(b"\"chatsession_id\":");
    json::write_string(body, key.session.as_str());
    body.extend_from_slice(b",\"department\":");
    json::write_string(body, key.department.as_str());
    body.extend_from_slice(b",\"user\":");
    json::write_string(body, key.user.as_str());
}

fn write_member(body: &mut Vec<u8>, name: &str, number: i64) {
    body.extend_from_slice(b",\"");
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(b"\":");
    json::write_integer(body, number);
}

fn write_truncated(body: &mut Vec<u8>, truncated: bool) {
    body.extend_from_slice(if truncated {
        b",\"truncated\":true"
    } else {
        b",\"truncated\":false"
    });
}

fn tail(before: Option<MessageId>) -> Bytes {
    let Some(id) = before else {
        return Bytes::from_static(b"],\"before\":null}");
    };
    let mut tail = b"],\"before\":".to_vec();
    json::write_integer(&mut tail, id.0);
    tail.push(b'}');
    Bytes::from(tail)
}
