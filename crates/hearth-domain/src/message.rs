//! A message: as a caller sends it, as a store keeps it, and as a history shows it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::ids::MessageId;
use crate::invalid::Invalid;
use crate::limits::CONTENT_BYTES_MAX;
use crate::role::Role;

/// Whether a message is all that was meant to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// It is whole.
    #[default]
    Complete,
    /// The model broke off: this is what came.
    Incomplete,
}

impl Status {
    /// The word that metadata keeps and clients see for a message that is not whole.
    pub const INCOMPLETE: &'static str = "incomplete";

    /// Reads the `status` member of a row's metadata; anything but `incomplete` is a whole message.
    #[must_use]
    pub fn from_metadata(word: Option<&str>) -> Self {
        if word == Some(Self::INCOMPLETE) {
            Self::Incomplete
        } else {
            Self::Complete
        }
    }
}

/// A message that is not stored yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    role: Role,
    content: String,
    created_at: Option<DateTime<Utc>>,
    metadata: Option<Value>,
}

impl NewMessage {
    /// Checks and takes over a message.
    ///
    /// # Errors
    ///
    /// [`Invalid::ContentLength`] or [`Invalid::NulCharacter`].
    pub fn new(role: Role, content: impl Into<String>) -> Result<Self, Invalid> {
        let content = content.into();
        if content.is_empty() || content.len() > CONTENT_BYTES_MAX {
            return Err(Invalid::ContentLength);
        }
        if content.contains('\0') {
            return Err(Invalid::NulCharacter);
        }
        Ok(Self {
            role,
            content,
            created_at: None,
            metadata: None,
        })
    }

    /// The same message with a time of its own, as an import has it; else the store's time of the commit is taken.
    #[must_use]
    pub const fn at(mut self, created_at: DateTime<Utc>) -> Self {
        self.created_at = Some(created_at);
        self
    }

    /// The same message with metadata: model, status, usage.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Value) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Who says it.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// What is said: 1 to 32,768 bytes without U+0000.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// The message's own time, where it has one.
    #[must_use]
    pub const fn created_at(&self) -> Option<DateTime<Utc>> {
        self.created_at
    }

    /// Model, status, usage.
    #[must_use]
    pub const fn metadata(&self) -> Option<&Value> {
        self.metadata.as_ref()
    }

    /// Whether it is whole, by its metadata.
    #[must_use]
    pub fn status(&self) -> Status {
        status_of(self.metadata.as_ref())
    }
}

/// A stored message with all that its row holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The row's id.
    pub id: MessageId,
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub content: String,
    /// When, to the microsecond.
    pub created_at: DateTime<Utc>,
    /// Model, status, usage; whatever another program put there.
    pub metadata: Option<Value>,
}

impl Message {
    /// Whether it is whole, by its metadata.
    #[must_use]
    pub fn status(&self) -> Status {
        status_of(self.metadata.as_ref())
    }

    /// The message as a history shows it.
    #[must_use]
    pub fn view(&self) -> MessageView<'_> {
        MessageView {
            id: self.id,
            role: self.role,
            content: Cow::Borrowed(&self.content),
            created_at: self.created_at,
            status: self.status(),
        }
    }
}

/// A message of a history, borrowed from where it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageView<'a> {
    /// The row's id.
    pub id: MessageId,
    /// Who said it.
    pub role: Role,
    /// What was said; owned only where the JSON bytes had to be unescaped.
    pub content: Cow<'a, str>,
    /// When, to the microsecond.
    pub created_at: DateTime<Utc>,
    /// Whether it is whole.
    pub status: Status,
}

fn status_of(metadata: Option<&Value>) -> Status {
    Status::from_metadata(
        metadata
            .and_then(|metadata| metadata.get("status"))
            .and_then(Value::as_str),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_have_bounds() {
        let check = |content: String, expected: Result<(), Invalid>| {
            assert_eq!(NewMessage::new(Role::User, content).map(|_| ()), expected);
        };
        check("a".into(), Ok(()));
        check("a".repeat(32_768), Ok(()));
        check(String::new(), Err(Invalid::ContentLength));
        check("a".repeat(32_769), Err(Invalid::ContentLength));
        check("a\0".into(), Err(Invalid::NulCharacter));
    }

    #[test]
    fn status_is_read_from_metadata() {
        let check = |metadata: Value, expected: Status| {
            assert_eq!(
                NewMessage::new(Role::User, "a")
                    .unwrap()
                    .with_metadata(metadata)
                    .status(),
                expected
            );
        };
        check(serde_json::json!({"status": "incomplete"}), Status::Incomplete);
        check(serde_json::json!({"status": 7}), Status::Complete);
        check(serde_json::json!("anything"), Status::Complete);
    }
}
