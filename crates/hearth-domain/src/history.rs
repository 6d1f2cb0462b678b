//! The history: a session's window as ready JSON bytes with offsets, and the typed view on top of them.

use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

use crate::ids::{MessageId, Version};
use crate::json;
use crate::message::MessageView;
use crate::role::Role;
use crate::window::{Cut, WindowLimits, cut};

/// The newest messages of a session, oldest of them first.
///
/// It holds at most the configured responses and messages, its ids grow, and it begins with an answer only where the session does. It is
/// immutable: appending makes another one, readers of this one keep it.
///
/// # Cost
///
/// One heap block for the bytes and one for the offsets: about 90 bytes a message beyond the contents.
#[derive(Debug, Clone)]
pub struct History {
    /// The messages' JSON objects, comma-separated, without brackets.
    json: Bytes,
    /// Where each object ends in `json`; the next one begins one byte later, after the comma.
    ends: Box<[u32]>,
    version: Version,
    etag: [u8; 16],
    responses: u16,
    truncated: bool,
}

/// Why rows are no history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The ids do not grow: the store returned the rows in another order.
    #[error("the messages are not in the order of their ids")]
    Unordered,
    /// The window's JSON does not fit into 4 GiB.
    #[error("the window is larger than 4 GiB")]
    TooLarge,
}

impl History {
    /// The history of a session without messages.
    #[must_use]
    pub fn empty(version: Version) -> Self {
        Draft::default().finish(version, false)
    }

    /// Cuts the window out of a session's newest rows, oldest of them first, and encodes it.
    ///
    /// `rows` must be the newest [`WindowLimits::rows_to_read`] rows of the session, or all where it has fewer.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] where the rows are out of order or too large.
    pub fn from_rows(
        rows: &[MessageView<'_>],
        version: Version,
        limits: WindowLimits,
    ) -> Result<Self, HistoryError> {
        let roles: Vec<Role> = rows.iter().map(|row| row.role).collect();
        let Cut { start, truncated } = cut(&roles, false, limits);
        let kept = rows.get(start..).unwrap_or_default();
        let mut draft = Draft::with_room_for(0, kept);
        for row in kept {
            draft.push(row)?;
        }
        Ok(draft.finish(version, truncated))
    }

    /// This history with a committed turn at its end, cut to the window again.
    ///
    /// Equal to what [`History::from_rows`] makes of the same rows. Costs one copy of the bytes that stay and one encoding of the turn.
    ///
    /// # Errors
    ///
    /// [`HistoryError`] where the turn's ids do not follow, or the result is too large.
    pub fn extended<'a>(
        &self,
        turn: impl Iterator<Item = MessageView<'a>>,
        version: Version,
        limits: WindowLimits,
    ) -> Result<Self, HistoryError> {
        let turn: Vec<MessageView<'a>> = turn.collect();
        let roles: Vec<Role> = self
            .roles()
            .chain(turn.iter().map(|message| message.role))
            .collect();
        let Cut { start, truncated } = cut(&roles, self.truncated, limits);
        let added = turn.get(start.saturating_sub(self.len())..).unwrap_or_default();
        let mut draft = Draft::with_room_for(self.json.len(), added);
        draft.take_over(self, start);
        for message in added {
            draft.push(message)?;
        }
        Ok(draft.finish(version, truncated))
    }

    /// The messages, oldest first. Contents are borrowed from the bytes unless they must be unescaped.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = MessageView<'_>> + Clone {
        // Every object was written by `json::write_message`, so each one is read back.
        self.objects().filter_map(json::read_message)
    }

    /// The messages' JSON objects, comma-separated, without brackets: what a client is sent.
    #[must_use]
    pub const fn json(&self) -> &Bytes {
        &self.json
    }

    /// Messages in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it holds no message.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Responses, that is assistant messages, in it.
    #[must_use]
    pub const fn responses(&self) -> u16 {
        self.responses
    }

    /// The session's version that it shows.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether the session has older messages than the oldest one here.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The id of its oldest message.
    #[must_use]
    pub fn oldest(&self) -> Option<MessageId> {
        self.messages().next().map(|message| message.id)
    }

    /// A hash of its content, version and truncation (XXH3, 128 bits, stable across processes): equal where a client would be sent the
    /// same messages.
    #[must_use]
    pub const fn etag(&self) -> [u8; 16] {
        self.etag
    }

    /// The sizes of its heap blocks, for whoever weighs it: the bytes' and the offsets'.
    #[must_use]
    pub const fn heap_blocks(&self) -> [usize; 2] {
        [self.json.len(), size_of_val(&*self.ends)]
    }

    fn objects(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        (0..self.len()).filter_map(|index| self.json.get(self.begin_of(index)..self.end_of(index)?))
    }

    fn roles(&self) -> impl Iterator<Item = Role> {
        self.objects().filter_map(json::read_role)
    }

    fn begin_of(&self, index: usize) -> usize {
        index
            .checked_sub(1)
            .and_then(|previous| self.end_of(previous))
            .map_or(0, |end| end + 1)
    }

    fn end_of(&self, index: usize) -> Option<usize> {
        self.ends.get(index).and_then(|end| usize::try_from(*end).ok())
    }
}

impl PartialEq for History {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version && self.truncated == other.truncated && self.json == other.json
    }
}

impl Eq for History {}

/// A history under construction.
#[derive(Default)]
struct Draft {
    json: Vec<u8>,
    ends: Vec<u32>,
    responses: u16,
    newest: Option<MessageId>,
}

impl Draft {
    fn with_room_for(bytes: usize, added: &[MessageView<'_>]) -> Self {
        let added: usize = added
            .iter()
            .map(|message| message.content.len() + json::MESSAGE_OVERHEAD_BYTES)
            .sum();
        Self {
            json: Vec::with_capacity(bytes + added),
            ..Self::default()
        }
    }

    /// Copies the objects of `history` from the one at `start` on, as one block.
    fn take_over(&mut self, history: &History, start: usize) {
        if start >= history.len() {
            return;
        }
        let begin = history.begin_of(start);
        let Some(bytes) = history.json.get(begin..) else {
            return;
        };
        self.json.extend_from_slice(bytes);
        let shift = u32::try_from(begin).unwrap_or(u32::MAX);
        self.ends
            .extend(history.ends.iter().skip(start).map(|end| end - shift));
        let roles = history.roles().skip(start);
        self.responses = roles.fold(0, |responses, role| {
            responses + u16::from(role == Role::Assistant)
        });
        self.newest = history.messages().next_back().map(|message| message.id);
    }

    fn push(&mut self, message: &MessageView<'_>) -> Result<(), HistoryError> {
        if self.newest.is_some_and(|newest| newest >= message.id) {
            return Err(HistoryError::Unordered);
        }
        if !self.json.is_empty() {
            self.json.push(b',');
        }
        json::write_message(&mut self.json, message);
        self.ends
            .push(u32::try_from(self.json.len()).map_err(|_| HistoryError::TooLarge)?);
        self.responses += u16::from(message.role == Role::Assistant);
        self.newest = Some(message.id);
        Ok(())
    }

    fn finish(self, version: Version, truncated: bool) -> History {
        let mut hash = Xxh3::new();
        hash.update(&self.json);
        hash.update(&version.get().to_le_bytes());
        hash.update(&[u8::from(truncated)]);
        History {
            // Exactly as large as its content: `Bytes` then keeps the block as it is, without a header of its own.
            json: Bytes::from(self.json.into_boxed_slice()),
            ends: self.ends.into_boxed_slice(),
            version,
            etag: hash.digest128().to_le_bytes(),
            responses: self.responses,
            truncated,
        }
    }
}
