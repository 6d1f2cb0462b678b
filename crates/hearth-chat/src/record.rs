//! A chat's answer as the store keeps it for repeats: all that it says beside what the commit brings.

use std::error::Error;

use chrono::{DateTime, Utc};
use hearth_cache::Source;
use hearth_domain::ports::{PastAnswer, StoreError, Usage};
use hearth_domain::{Committed, ConversationKey, Department, Status, TurnId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::answer::{ChatAnswer, HistoryUse, Timings};
use crate::error::ChatError;

/// What a chat's answer says beside what the commit brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) turn_id: TurnId,
    pub(crate) response: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) incomplete: bool,
    pub(crate) model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<Usage>,
    /// None where history was off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<Given>,
    /// When the model had answered; the commit's time comes before it.
    pub(crate) answered_at: DateTime<Utc>,
}

/// What the model was given of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    source: Origin,
    responses: u16,
    truncated: bool,
}

/// Where a history came from, as the store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Origin {
    Memory,
    Store,
    New,
}

impl From<HistoryUse> for Given {
    fn from(history: HistoryUse) -> Self {
        Self {
            source: match history.source {
                Source::Memory => Origin::Memory,
                Source::Store => Origin::Store,
                Source::New => Origin::New,
            },
            responses: history.responses,
            truncated: history.truncated,
        }
    }
}

impl From<Given> for HistoryUse {
    fn from(given: Given) -> Self {
        Self {
            source: match given.source {
                Origin::Memory => Source::Memory,
                Origin::Store => Source::Store,
                Origin::New => Source::New,
            },
            responses: given.responses,
            truncated: given.truncated,
        }
    }
}

impl Record {
    /// The record as a store keeps it.
    pub(crate) fn to_value(&self) -> Result<Value, ChatError> {
        serde_json::to_value(self).map_err(unreadable)
    }

    /// The answer that it is a record of.
    pub(crate) fn answer(self, key: ConversationKey, committed: Option<&Committed>) -> ChatAnswer {
        let row = committed.and_then(|committed| committed.messages.last());
        ChatAnswer {
            key,
            turn: self.turn_id,
            response: self.response,
            status: if self.incomplete {
                Status::Incomplete
            } else {
                Status::Complete
            },
            model: self.model,
            message: row.map(|row| row.id),
            version: committed.map(|committed| committed.version),
            history: self.history.map(HistoryUse::from),
            usage: self.usage,
            created_at: row.map_or(self.answered_at, |row| row.created_at),
            timings: Timings::default(),
        }
    }
}

/// What is kept instead of an answer where the session was erased under the turn.
pub(crate) fn tombstone() -> Value {
    json!({ "session_erased": true })
}

/// Refuses the repeat of a request whose session was erased under it.
pub(crate) fn refuse_erased(past: &PastAnswer) -> Result<(), ChatError> {
    if past.answer == tombstone() {
        return Err(ChatError::SessionErased);
    }
    Ok(())
}

/// The answer that a request got before.
pub(crate) fn past_answer(
    department: &Department,
    user: &UserId,
    past: &PastAnswer,
) -> Result<ChatAnswer, ChatError> {
    refuse_erased(past)?;
    let record = Record::deserialize(&past.answer).map_err(unreadable)?;
    let key = ConversationKey::new(department.clone(), user.clone(), past.session.clone());
    Ok(record.answer(key, past.committed.as_ref()))
}

/// A record that is not one of ours.
pub(crate) fn unreadable(error: impl Error + Send + Sync + 'static) -> ChatError {
    ChatError::StoreAway(StoreError::Failed(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use hearth_domain::{CommittedMessage, MessageId, SessionId, Version};
    use hearth_testkit::build;
    use serde_json::json;

    use super::*;

    fn record() -> Record {
        Record {
            turn_id: TurnId::generate(),
            response: "Hello \u{1f525}".into(),
            incomplete: false,
            model: "m".into(),
            usage: None,
            history: None,
            answered_at: DateTime::UNIX_EPOCH,
        }
    }

    fn read_again(record: &Record, committed: Option<Committed>) -> ChatAnswer {
        let past = PastAnswer {
            session: SessionId::new("s").unwrap(),
            answer: record.to_value().unwrap(),
            committed,
        };
        past_answer(&Department::new("d").unwrap(), &UserId::new("u").unwrap(), &past).unwrap()
    }

    #[test]
    fn an_answer_is_read_as_it_was_given() {
        let key = build::key("d", "u", "s");
        let off = record();
        assert_eq!(read_again(&off, None), off.clone().answer(key.clone(), None));
        let given = |source| HistoryUse {
            source,
            responses: 7,
            truncated: true,
        };
        for source in [Source::Memory, Source::Store, Source::New] {
            let kept = Record {
                incomplete: true,
                usage: Some(Usage {
                    prompt_tokens: 3,
                    completion_tokens: 4,
                }),
                history: Some(given(source).into()),
                ..record()
            };
            let row = |id| CommittedMessage {
                id: MessageId(id),
                created_at: DateTime::from_timestamp_micros(id).unwrap(),
            };
            let committed = Committed {
                version: Version::new(9).unwrap(),
                messages: vec![row(1), row(2)],
            };
            let answer = read_again(&kept, Some(committed.clone()));
            assert_eq!(answer, kept.answer(key.clone(), Some(&committed)));
            assert_eq!(answer.history, Some(given(source)));
            assert_eq!(answer.status, Status::Incomplete);
            assert_eq!(answer.created_at, row(2).created_at);
        }
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        let past = PastAnswer {
            session: SessionId::new("s").unwrap(),
            answer: json!({"response": 1}),
            committed: None,
        };
        let read = past_answer(&Department::new("d").unwrap(), &UserId::new("u").unwrap(), &past);
        assert!(matches!(read, Err(ChatError::StoreAway(StoreError::Failed(_)))));
    }
}
