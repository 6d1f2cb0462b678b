//! A dialogue as a line of JSON: what `hearth import` takes and `hearth export` writes.

use chrono::{DateTime, Utc};
use hearth_domain::limits::TURN_MESSAGES_MAX;
use hearth_domain::{ConversationKey, Invalid, Message, NewMessage, Role, Turn};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A dialogue as a line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialogue {
    /// The tenant.
    pub department: String,
    /// The person.
    pub user: String,
    /// The conversation.
    pub chatsession_id: String,
    /// What was said, oldest first.
    pub messages: Vec<DialogueMessage>,
}

/// One message of a dialogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialogueMessage {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub content: String,
    /// When; the time of the import where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<DateTime<Utc>>,
    /// Model, status, usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
}

/// Why a line is no dialogue.
#[derive(Debug, thiserror::Error)]
pub enum DialogueError {
    /// It is not JSON of the right shape.
    #[error("is not a dialogue: {0}")]
    Json(#[from] serde_json::Error),
    /// An id or a content is out of bounds.
    #[error("{field} {rule}")]
    Invalid {
        /// Which one.
        field: String,
        /// The rule that it breaks.
        rule: Invalid,
    },
    /// It is something else than an object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// It has no messages.
    #[error("has no messages")]
    Empty,
}

impl Dialogue {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// [`DialogueError`].
    pub fn parse(line: &[u8]) -> Result<Self, DialogueError> {
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err(DialogueError::NotAnObject);
        }
        let dialogue: Self = serde_json::from_slice(line)?;
        if dialogue.messages.is_empty() {
            Err(DialogueError::Empty)
        } else {
            Ok(dialogue)
        }
    }

    /// A stored session as a dialogue.
    #[must_use]
    pub fn of(key: &ConversationKey, messages: Vec<Message>) -> Self {
        Self {
            department: key.department.to_string(),
            user: key.user.to_string(),
            chatsession_id: key.session.to_string(),
            messages: messages.into_iter().map(DialogueMessage::from).collect(),
        }
    }

    /// The conversation that it belongs to.
    ///
    /// # Errors
    ///
    /// [`DialogueError::Invalid`].
    pub fn key(&self) -> Result<ConversationKey, DialogueError> {
        let invalid = |field: &str| {
            let field = field.to_owned();
            move |rule| DialogueError::Invalid { field, rule }
        };
        Ok(ConversationKey::new(
            self.department.parse().map_err(invalid("department"))?,
            self.user.parse().map_err(invalid("user"))?,
            self.chatsession_id.parse().map_err(invalid("chatsession_id"))?,
        ))
    }

    /// Its turns from the message at `start` on: each question with its answers is one.
    ///
    /// # Errors
    ///
    /// [`DialogueError::Invalid`].
    pub fn turns(&self, start: usize) -> Result<Vec<Turn>, DialogueError> {
        let mut turns: Vec<Vec<NewMessage>> = Vec::new();
        for (index, message) in self.messages.iter().enumerate().skip(start) {
            let new = message.to_new().map_err(|rule| DialogueError::Invalid {
                field: format!("messages[{index}].content"),
                rule,
            })?;
            match turns.last_mut() {
                Some(turn) if !begins_turn(turn, message.role) => turn.push(new),
                Some(_) | None => turns.push(vec![new]),
            }
        }
        let whole = |messages| {
            Turn::new(messages).map_err(|rule| DialogueError::Invalid {
                field: "messages".to_owned(),
                rule,
            })
        };
        turns.into_iter().map(whole).collect()
    }
}

/// Whether a message of `role` begins another turn: a question does, unless only instructions stand before it, and so does what would make
/// the turn too long.
fn begins_turn(turn: &[NewMessage], role: Role) -> bool {
    let only_instructions = turn.iter().all(|message| message.role() == Role::System);
    (role == Role::User && !only_instructions) || turn.len() >= TURN_MESSAGES_MAX
}

impl DialogueMessage {
    /// Whether a stored message is this one.
    #[must_use]
    pub fn is(&self, stored: &Message) -> bool {
        self.role == stored.role && self.content == stored.content
    }

    fn to_new(&self) -> Result<NewMessage, Invalid> {
        let mut new = NewMessage::new(self.role, self.content.as_str())?;
        if let Some(created_at) = self.created_at {
            new = new.at(created_at);
        }
        if let Some(metadata) = &self.metadata {
            new = new.with_metadata(metadata.clone());
        }
        Ok(new)
    }
}

impl From<Message> for DialogueMessage {
    fn from(message: Message) -> Self {
        Self {
            role: message.role,
            content: message.content,
            created_at: Some(message.created_at),
            metadata: message.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(roles: &str, expected: &[usize]) {
        let role = |letter| match letter {
            'u' => Role::User,
            'a' => Role::Assistant,
            's' => Role::System,
            _ => Role::Tool,
        };
        let message = |letter| DialogueMessage {
            role: role(letter),
            content: "a".into(),
            created_at: None,
            metadata: None,
        };
        let dialogue = Dialogue {
            department: "d".into(),
            user: "u".into(),
            chatsession_id: "s".into(),
            messages: roles.chars().map(message).collect(),
        };
        let lengths: Vec<usize> = dialogue
            .turns(0)
            .unwrap()
            .iter()
            .map(|turn| turn.messages().len())
            .collect();
        assert_eq!(lengths, expected, "{roles}");
    }

    #[test]
    fn each_question_with_its_answers_is_a_turn() {
        check("ua", &[2]);
        check("uaua", &[2, 2]);
        check("uau", &[2, 1]);
        check("auaa", &[1, 3]);
        check("suata", &[5]);
        check("uu", &[1, 1]);
        check(&format!("u{}", "a".repeat(16)), &[16, 1]);
    }

    #[test]
    fn lines_that_are_no_dialogue_say_why() {
        let check = |line: &str, reason: &str| {
            let error = Dialogue::parse(line.as_bytes()).map_err(|error| error.to_string());
            assert!(
                error.as_ref().is_err_and(|error| error.contains(reason)),
                "{error:?}"
            );
        };
        check("{", "EOF");
        check(r#"["d","u","s",[["user","a"]]]"#, "object");
        check(
            r#"{"department":"d","user":"u","chatsession_id":"s","messages":[]}"#,
            "no messages",
        );
        check(r#"{"department":"d","user":"u","messages":[]}"#, "chatsession_id");
        check(
            r#"{"department":"d","user":"u","chatsession_id":"s","messages":[{"role":"bot","content":"a"}]}"#,
            "bot",
        );
    }
}
