//! A request that came with an `Idempotency-Key`: what names it, who works on it, and what its repeats are answered.

use std::fmt;

use serde_json::Value;
use uuid::Uuid;

use crate::ids::{Department, UserId};
use crate::invalid::Invalid;
use crate::limits::IDEMPOTENCY_KEY_CHARS_MAX;

/// What a caller sends as `Idempotency-Key`: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// Checks and takes over a key.
    ///
    /// # Errors
    ///
    /// [`Invalid::IdempotencyKey`].
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > IDEMPOTENCY_KEY_CHARS_MAX || !visible {
            return Err(Invalid::IdempotencyKey);
        }
        Ok(Self(text.into()))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What was asked for: a key means one request of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// A chat turn.
    Chat,
    /// A turn without a model.
    Append,
}

impl Endpoint {
    /// The word that a store keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Append => "append",
        }
    }
}

/// What names a request: always the four together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestKey {
    /// The tenant.
    pub department: Department,
    /// The person.
    pub user: UserId,
    /// What was asked for.
    pub endpoint: Endpoint,
    /// The caller's key.
    pub key: IdempotencyKey,
}

/// The SHA-256 of all that a request says: a repeat says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BodyHash(pub [u8; 32]);

/// One attempt at a request. A request that is taken over has another owner, and the one before can commit nothing for it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimOwner(pub Uuid);

impl ClaimOwner {
    /// A new owner, unique without asking anybody.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for ClaimOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the commit of a turn notes for repeats of its request, in the same transaction: the turn is committed only while the request is
/// still its owner's.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The request.
    pub request: RequestKey,
    /// Who claimed it.
    pub owner: ClaimOwner,
    /// What the answer says beside what the commit brings (version, ids and times), which the store keeps with it.
    pub answer: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_bounds() {
        let check = |text: &str, valid: bool| {
            assert_eq!(IdempotencyKey::new(text).is_ok(), valid, "{text:?}");
        };
        check("a", true);
        check(&"k".repeat(255), true);
        check("!~{}\"", true);
        check("", false);
        check(&"k".repeat(256), false);
        check("a b", false);
        check("a\tb", false);
        check("ü", false);
    }
}
