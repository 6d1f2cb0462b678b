//! Who said a message.

use serde::{Deserialize, Serialize};

use crate::invalid::Invalid;

/// Who said a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The model: a *response* is a turn's assistant message.
    Assistant,
    /// An instruction.
    System,
    /// The result of a tool call.
    Tool,
}

impl Role {
    /// The word that stores and clients see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
            Self::Tool => "tool",
        }
    }

    /// Whether this role only ever follows a question: an answer whose question was cut off says nothing.
    #[must_use]
    pub const fn is_answer(self) -> bool {
        match self {
            Self::Assistant | Self::Tool => true,
            Self::User | Self::System => false,
        }
    }
}

impl std::str::FromStr for Role {
    type Err = Invalid;

    fn from_str(word: &str) -> Result<Self, Invalid> {
        match word {
            "user" => Ok(Self::User),
            "assistant" => Ok(Self::Assistant),
            "system" => Ok(Self::System),
            "tool" => Ok(Self::Tool),
            _ => Err(Invalid::Role),
        }
    }
}
