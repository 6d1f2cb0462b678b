//! API keys: who may call, what, and for which departments.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};

use crate::ids::Department;
use crate::invalid::Invalid;
use crate::limits::KEY_ID_CHARS;

/// The public part of an API key: 16 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Box<str>);

impl KeyId {
    /// Checks and takes over an id.
    ///
    /// # Errors
    ///
    /// [`Invalid::KeyId`].
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != KEY_ID_CHARS || !text.bytes().all(hexadecimal) {
            return Err(Invalid::KeyId);
        }
        Ok(Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SHA-256 of a key's secret, which itself is kept nowhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

/// One thing that a key may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// To read sessions and messages.
    Read,
    /// To chat, append, warm up one session, end and erase.
    Chat,
    /// To warm up many, and to see figures and details.
    Admin,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Read, Self::Chat, Self::Admin];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Chat => "chat",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let named = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        named.ok_or(Invalid::Scope)
    }
}

/// The departments that a key may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departments {
    /// All of them.
    All,
    /// These.
    Only(BTreeSet<Department>),
}

impl Departments {
    /// Whether a department is among them.
    #[must_use]
    pub fn contain(&self, department: &Department) -> bool {
        match self {
            Self::All => true,
            Self::Only(departments) => departments.contains(department),
        }
    }
}

/// An API key as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public part.
    pub id: KeyId,
    /// What its secret is compared with.
    pub secret: SecretHash,
    /// What people call it.
    pub label: String,
    /// Where it may be used.
    pub departments: Departments,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
}
