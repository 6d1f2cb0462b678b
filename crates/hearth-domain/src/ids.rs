//! Who talks and which conversation it is: validated ids, and the key that they form.

use std::fmt;

use chrono::{DateTime, Utc};
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::invalid::Invalid;
use crate::limits::ID_CHARS_MAX;

/// One rule for the three ids: they are printed in logs and compared byte for byte, so none may hold a control character.
fn check_id(text: &str) -> Result<(), Invalid> {
    if text.is_empty() || text.chars().nth(ID_CHARS_MAX).is_some() {
        return Err(Invalid::IdLength);
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::IdControlCharacter);
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to 128 characters, none of them a control character; compared byte for byte.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(CompactString);

        impl $name {
            /// Checks and takes over an id.
            ///
            /// # Errors
            ///
            /// [`Invalid::IdLength`] or [`Invalid::IdControlCharacter`].
            pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
                let text = text.as_ref();
                check_id(text)?;
                Ok(Self(CompactString::new(text)))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Bytes that this id holds on the heap; short ids hold none.
            #[must_use]
            pub fn heap_bytes(&self) -> usize {
                if self.0.is_heap_allocated() { self.0.capacity() } else { 0 }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }
    };
}

text_id! {
    /// The tenant that a conversation belongs to.
    Department
}
text_id! {
    /// The person, within a department, who talks.
    UserId
}
text_id! {
    /// One conversation; unique only within its department and user.
    SessionId
}

impl SessionId {
    /// An id for a session that Hearth creates itself: a UUID v7, unique without asking anybody.
    #[must_use]
    pub fn generate() -> Self {
        let mut buffer = Uuid::encode_buffer();
        Self(CompactString::new(
            Uuid::now_v7().hyphenated().encode_lower(&mut buffer),
        ))
    }
}

/// What names a conversation: always the three together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConversationKey {
    /// The tenant.
    pub department: Department,
    /// The person.
    pub user: UserId,
    /// The conversation.
    pub session: SessionId,
}

impl ConversationKey {
    /// The key of three checked ids.
    #[must_use]
    pub const fn new(department: Department, user: UserId, session: SessionId) -> Self {
        Self {
            department,
            user,
            session,
        }
    }

    /// Checks three texts and makes the key of them.
    ///
    /// # Errors
    ///
    /// The first id's [`Invalid`].
    pub fn parse(department: &str, user: &str, session: &str) -> Result<Self, Invalid> {
        Ok(Self::new(
            Department::new(department)?,
            UserId::new(user)?,
            SessionId::new(session)?,
        ))
    }

    /// Bytes that the three ids hold on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.department.heap_bytes() + self.user.heap_bytes() + self.session.heap_bytes()
    }
}

impl fmt::Display for ConversationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.department, self.user, self.session)
    }
}

/// The id of a message: the primary key of its row, growing within a conversation in the order of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct MessageId(pub i64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a turn: a UUID v7 that Hearth gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TurnId(pub Uuid);

impl TurnId {
    /// A new id, unique without asking anybody.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// When it was generated, by the clock of whoever did, to the millisecond; none where it is no UUID v7 and so none of Hearth's.
    #[must_use]
    pub fn generated_at(self) -> Option<DateTime<Utc>> {
        if self.0.get_version() != Some(uuid::Version::SortRand) {
            return None;
        }
        let (seconds, nanoseconds) = self.0.get_timestamp()?.to_unix();
        DateTime::from_timestamp(seconds.try_into().ok()?, nanoseconds)
    }
}

impl fmt::Display for TurnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many turns Hearth has committed to a session; an erase raises it too. Stores keep it as a signed 64-bit integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct Version(u64);

impl Version {
    /// The version of a session that Hearth never wrote to.
    pub const ZERO: Self = Self(0);

    /// Checks a number and makes a version of it.
    ///
    /// # Errors
    ///
    /// [`Invalid::Version`] where it does not fit into the store's signed 64-bit column.
    pub const fn new(number: u64) -> Result<Self, Invalid> {
        if number > i64::MAX.cast_unsigned() {
            Err(Invalid::Version)
        } else {
            Ok(Self(number))
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The version that the next committed turn gets.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number as a store keeps it.
    #[must_use]
    pub const fn to_stored(self) -> i64 {
        self.0.cast_signed()
    }
}

impl TryFrom<i64> for Version {
    type Error = Invalid;

    fn try_from(stored: i64) -> Result<Self, Invalid> {
        u64::try_from(stored).map(Self).map_err(|_| Invalid::Version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_bounds() {
        let check = |text: &str, expected: Result<(), Invalid>| {
            assert_eq!(SessionId::new(text).map(|_| ()), expected, "{text:?}");
        };
        check("1", Ok(()));
        check("a/b c%2F", Ok(()));
        check(&"ü".repeat(128), Ok(()));
        check("", Err(Invalid::IdLength));
        check(&"ü".repeat(129), Err(Invalid::IdLength));
        check("a\0b", Err(Invalid::IdControlCharacter));
        check("a\nb", Err(Invalid::IdControlCharacter));
    }

    #[test]
    fn keys_of_the_same_joined_text_differ() {
        let one = ConversationKey::parse("a/b", "c", "d").unwrap();
        let other = ConversationKey::parse("a", "b/c", "d").unwrap();
        assert_eq!(one.to_string(), other.to_string());
        assert_ne!(one, other);
    }

    #[test]
    fn versions_fit_the_store() {
        assert_eq!(Version::new(u64::MAX), Err(Invalid::Version));
        assert_eq!(Version::try_from(-1), Err(Invalid::Version));
        assert_eq!(Version::new(7).unwrap().next().to_stored(), 8);
    }

    #[test]
    fn generated_sessions_are_valid_and_differ() {
        let (one, other) = (SessionId::generate(), SessionId::generate());
        assert_ne!(one, other);
        assert_eq!(SessionId::new(one.as_str()), Ok(one));
    }

    #[test]
    fn a_turn_knows_when_it_was_generated() {
        let time = uuid::Timestamp::from_unix(uuid::NoContext, 1_700_000_000, 5_000_000);
        let at = DateTime::from_timestamp_millis(1_700_000_000_005);
        assert_eq!(TurnId(Uuid::new_v7(time)).generated_at(), at);
        assert!(TurnId::generate().generated_at() > at);
        assert_eq!(TurnId(Uuid::nil()).generated_at(), None);
    }
}
