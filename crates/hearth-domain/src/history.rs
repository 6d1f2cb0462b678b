//! The history: a session's window as ready JSON bytes with offsets, and the typed view on top of them.

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
/// One heap block: the contents, and about 90 bytes a message beyond them.
#[derive(Debug, Clone)]
pub struct History {
    /// The messages' JSON objects, comma-separated, without brackets; behind them, for each object, where it ends: four bytes, little
    /// end first. The next object begins one byte later, after the comma.
    block: Box<[u8]>,
    version: Version,
    etag: [u8; 8],
    json_len: u32,
    responses: u16,
    truncated: bool,
}

/// Bytes of an offset.
const END_BYTES: usize = size_of::<u32>();

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
        let mut draft = Draft::with_room_for(self.json().len(), added);
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
    pub fn json(&self) -> &[u8] {
        self.parts().0
    }

    /// Messages in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts().1.len() / END_BYTES
    }

    /// Whether it holds no message.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.block.is_empty()
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

    /// A hash of its content, version and truncation (XXH3, 64 bits, stable across processes): equal where a client would be sent the
    /// same messages.
    #[must_use]
    pub const fn etag(&self) -> [u8; 8] {
        self.etag
    }

    /// Who said each message, oldest first. Reads the roles alone.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        self.objects().filter_map(json::read_role)
    }

    /// Bytes of the contents as JSON strings from the message at `index` on, never too few and at most 50 a message too many; zero past
    /// the end. Costs a subtraction: the offsets are running sums since the messages were appended.
    #[must_use]
    pub fn content_bytes_from(&self, index: usize) -> usize {
        let messages = self.len().saturating_sub(index);
        if messages == 0 {
            return 0;
        }
        let commas = messages - 1;
        let json = self.json().len().saturating_sub(self.begin_of(index));
        json.saturating_sub(messages * json::MESSAGE_BYTES_MIN + commas)
    }

    /// The size of its heap block, for whoever weighs it.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.block.len()
    }

    /// The objects' bytes, and their ends.
    fn parts(&self) -> (&[u8], &[u8]) {
        let json_len = usize::try_from(self.json_len).unwrap_or(usize::MAX);
        self.block.split_at_checked(json_len).unwrap_or_default()
    }

    fn objects(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        let json = self.json();
        (0..self.len()).filter_map(move |index| json.get(self.begin_of(index)..self.end_of(index)?))
    }

    fn begin_of(&self, index: usize) -> usize {
        index
            .checked_sub(1)
            .and_then(|previous| self.end_of(previous))
            .map_or(0, |end| end + 1)
    }

    fn end_of(&self, index: usize) -> Option<usize> {
        let (ends, _) = self.parts().1.as_chunks::<END_BYTES>();
        ends.get(index)
            .and_then(|end| usize::try_from(u32::from_le_bytes(*end)).ok())
    }
}

impl PartialEq for History {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version && self.truncated == other.truncated && self.block == other.block
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
        let Some(bytes) = history.json().get(begin..) else {
            return;
        };
        self.json.extend_from_slice(bytes);
        let ends = (start..history.len()).filter_map(|index| history.end_of(index));
        self.ends
            .extend(ends.filter_map(|end| u32::try_from(end - begin).ok()));
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
        // The last end is the length, and fits by that.
        let json_len = self.ends.last().copied().unwrap_or(0);
        let mut block = self.json;
        block.reserve_exact(self.ends.len() * END_BYTES);
        block.extend(self.ends.iter().flat_map(|end| end.to_le_bytes()));
        History {
            block: block.into_boxed_slice(),
            version,
            etag: hash.digest().to_le_bytes(),
            json_len,
            responses: self.responses,
            truncated,
        }
    }
}
