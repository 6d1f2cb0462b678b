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
    /// The messages' JSON objects, comma-separated, without brackets; behind them, for each object, its [`Mark`]. The next object begins
    /// one byte after the end of the one before, behind the comma.
    block: Box<[u8]>,
    version: Version,
    etag: [u8; 8],
    json_len: u32,
    responses: u16,
    truncated: bool,
}

/// Bytes of a [`Mark`].
const MARK_BYTES: usize = size_of::<u32>();

/// Where a message's object ends, and who said it: what is asked of a message without reading it. Four bytes, little end first.
#[derive(Debug, Clone, Copy)]
struct Mark(u32);

impl Mark {
    /// The bits of an end; those above are the role's.
    const END_BITS: u32 = 30;

    /// A mark; nothing where the end is too far away.
    fn new(end: usize, role: Role) -> Option<Self> {
        let end = u32::try_from(end).ok().filter(|end| end >> Self::END_BITS == 0)?;
        let role = match role {
            Role::User => 0,
            Role::Assistant => 1,
            Role::System => 2,
            Role::Tool => 3,
        };
        Some(Self(role << Self::END_BITS | end))
    }

    const fn end(self) -> u32 {
        self.0 & ((1 << Self::END_BITS) - 1)
    }

    const fn role(self) -> Role {
        match self.0 >> Self::END_BITS {
            0 => Role::User,
            1 => Role::Assistant,
            2 => Role::System,
            _ => Role::Tool,
        }
    }

    /// The same message, in a block that begins so many bytes later.
    const fn moved_up(self, bytes: u32) -> Self {
        Self(self.0 - bytes)
    }
}

/// Why rows are no history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The ids do not grow: the store returned the rows in another order.
    #[error("the messages are not in the order of their ids")]
    Unordered,
    /// The window's JSON does not fit into 1 GiB.
    #[error("the window is larger than 1 GiB")]
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
        let mut draft = Draft::with_room_for(None, kept);
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
        let kept = (start < self.len()).then_some((self, start));
        let mut draft = Draft::with_room_for(kept, added);
        if let Some((history, start)) = kept {
            draft.take_over(history, start);
        }
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
        self.parts().1.len() / MARK_BYTES
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

    /// The id of its oldest message. Reads the id alone.
    #[must_use]
    pub fn oldest(&self) -> Option<MessageId> {
        self.objects().next().and_then(json::read_id)
    }

    /// A hash of its content, version and truncation (XXH3, 64 bits, stable across processes): equal where a client would be sent the
    /// same messages.
    #[must_use]
    pub const fn etag(&self) -> [u8; 8] {
        self.etag
    }

    /// Who said each message, oldest first. Reads no message.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        self.marks().map(Mark::role)
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

    /// The objects' bytes, and their marks'.
    fn parts(&self) -> (&[u8], &[u8]) {
        let json_len = usize::try_from(self.json_len).unwrap_or(usize::MAX);
        self.block.split_at_checked(json_len).unwrap_or_default()
    }

    fn objects(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        let json = self.json();
        (0..self.len()).filter_map(move |index| json.get(self.begin_of(index)..self.end_of(index)?))
    }

    fn marks(&self) -> impl Iterator<Item = Mark> {
        let (marks, _) = self.parts().1.as_chunks::<MARK_BYTES>();
        marks.iter().map(|mark| Mark(u32::from_le_bytes(*mark)))
    }

    fn begin_of(&self, index: usize) -> usize {
        index
            .checked_sub(1)
            .and_then(|previous| self.end_of(previous))
            .map_or(0, |end| end + 1)
    }

    fn end_of(&self, index: usize) -> Option<usize> {
        let mark = self.marks().nth(index)?;
        usize::try_from(mark.end()).ok()
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
    marks: Vec<Mark>,
    responses: u16,
    newest: Option<MessageId>,
}

impl Draft {
    /// A draft for the messages of `history` from the one at `start` on, and those that are added: with room for all of its block.
    fn with_room_for(kept: Option<(&History, usize)>, added: &[MessageView<'_>]) -> Self {
        let (kept_bytes, kept_messages) = kept.map_or((0, 0), |(history, start)| {
            let bytes = history.json().len().saturating_sub(history.begin_of(start));
            (bytes, history.len().saturating_sub(start))
        });
        let messages = kept_messages + added.len();
        let added_bytes: usize = added.iter().map(json::message_bytes).sum();
        // Between two messages there is a comma; those of the kept ones are among their bytes.
        let commas = messages.saturating_sub(1) - kept_messages.saturating_sub(1);
        Self {
            json: Vec::with_capacity(kept_bytes + added_bytes + commas + messages * MARK_BYTES),
            marks: Vec::with_capacity(messages),
            ..Self::default()
        }
    }

    /// Copies the objects of `history` from the one at `start` on, as one block.
    fn take_over(&mut self, history: &History, start: usize) {
        let begin = history.begin_of(start);
        let (Some(bytes), Ok(moved)) = (history.json().get(begin..), u32::try_from(begin)) else {
            return;
        };
        self.json.extend_from_slice(bytes);
        let marks = history.marks().skip(start);
        self.marks.extend(marks.map(|mark| mark.moved_up(moved)));
        let roles = history.roles().skip(start);
        self.responses = roles.fold(0, |responses, role| {
            responses + u16::from(role == Role::Assistant)
        });
        self.newest = history.objects().next_back().and_then(json::read_id);
    }

    fn push(&mut self, message: &MessageView<'_>) -> Result<(), HistoryError> {
        if self.newest.is_some_and(|newest| newest >= message.id) {
            return Err(HistoryError::Unordered);
        }
        if !self.json.is_empty() {
            self.json.push(b',');
        }
        json::write_message(&mut self.json, message);
        let mark = Mark::new(self.json.len(), message.role);
        self.marks.push(mark.ok_or(HistoryError::TooLarge)?);
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
        let json_len = self.marks.last().map_or(0, |mark| mark.end());
        let mut block = self.json;
        block.extend(self.marks.iter().flat_map(|mark| mark.0.to_le_bytes()));
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
