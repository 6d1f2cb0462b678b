//! A turn: the messages that one exchange adds, committed together or not at all.

use chrono::{DateTime, Utc};

use crate::ids::{ConversationKey, MessageId, TurnId, Version};
use crate::invalid::Invalid;
use crate::limits::TURN_MESSAGES_MAX;
use crate::message::{MessageView, NewMessage};
use crate::request::Completion;

/// The messages that one exchange adds: 1 to 16 of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    id: TurnId,
    messages: Vec<NewMessage>,
}

impl Turn {
    /// Checks the number of messages and gives the turn an id.
    ///
    /// # Errors
    ///
    /// [`Invalid::TurnLength`].
    pub fn new(messages: Vec<NewMessage>) -> Result<Self, Invalid> {
        Self::with_id(TurnId::generate(), messages)
    }

    /// The same for a turn that was given its id before its messages were there.
    ///
    /// # Errors
    ///
    /// [`Invalid::TurnLength`].
    pub fn with_id(id: TurnId, messages: Vec<NewMessage>) -> Result<Self, Invalid> {
        if messages.is_empty() || messages.len() > TURN_MESSAGES_MAX {
            return Err(Invalid::TurnLength);
        }
        Ok(Self { id, messages })
    }

    /// The turn's id.
    #[must_use]
    pub const fn id(&self) -> TurnId {
        self.id
    }

    /// The messages in the order in which they were said.
    #[must_use]
    pub fn messages(&self) -> &[NewMessage] {
        &self.messages
    }
}

/// A turn on its way to a store.
#[derive(Debug, Clone, PartialEq)]
pub struct Append {
    /// The conversation that it belongs to.
    pub key: ConversationKey,
    /// What is added.
    pub turn: Turn,
    /// Commit only onto exactly this version.
    pub if_version: Option<Version>,
    /// The version that the turn answers: what was erased since must not come back with it.
    pub read_version: Option<Version>,
    /// The request that the turn completes, where it came with a key.
    pub completes: Option<Completion>,
}

impl Append {
    /// A turn that is committed whatever the session's version, and completes no request.
    #[must_use]
    pub const fn new(key: ConversationKey, turn: Turn) -> Self {
        Self {
            key,
            turn,
            if_version: None,
            read_version: None,
            completes: None,
        }
    }
}

/// What a store says of a turn that is committed for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The session's version with this turn.
    pub version: Version,
    /// The rows, in the order of the turn's messages.
    pub messages: Vec<CommittedMessage>,
}

impl Committed {
    /// The turn's messages as a history shows them, ids and times included.
    pub fn views<'a>(&'a self, turn: &'a Turn) -> impl Iterator<Item = MessageView<'a>> + Clone {
        self.messages
            .iter()
            .zip(turn.messages())
            .map(|(row, message)| MessageView {
                id: row.id,
                role: message.role(),
                content: message.content().into(),
                created_at: row.created_at,
                status: message.status(),
            })
    }
}

/// The row of one committed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommittedMessage {
    /// The row's id.
    pub id: MessageId,
    /// The row's time, to the microsecond.
    pub created_at: DateTime<Utc>,
}
