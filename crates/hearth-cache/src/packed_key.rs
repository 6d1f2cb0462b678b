//! The key as the memory store keeps it: the three ids in one block, a third of the size of the key itself. It is looked up by the key,
//! without making one.

use std::hash::{Hash, Hasher};

use hearth_domain::{ConversationKey, Department, UserId};
use quick_cache::Equivalent;

/// The three ids in one block, with the ends of the first two. Two are equal only where all three ids are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackedKey {
    text: Box<str>,
    department_end: u16,
    user_end: u16,
}

impl PackedKey {
    pub(crate) fn new(key: &ConversationKey) -> Self {
        let (department, user, session) = parts_of(key);
        let department_end = department.len();
        let user_end = department_end + user.len();
        let mut text = String::with_capacity(user_end + session.len());
        text.push_str(department);
        text.push_str(user);
        text.push_str(session);
        // An id has at most 128 characters, which is 512 bytes.
        let end = |end| u16::try_from(end).unwrap_or(u16::MAX);
        Self {
            text: text.into_boxed_str(),
            department_end: end(department_end),
            user_end: end(user_end),
        }
    }

    /// The key again; nothing where the ids are none, which no key leads to.
    pub(crate) fn unpack(&self) -> Option<ConversationKey> {
        let (department, user, session) = self.parts();
        ConversationKey::parse(department, user, session).ok()
    }

    /// Whether it is of one of a user's sessions.
    pub(crate) fn is_of(&self, department: &Department, user: &UserId) -> bool {
        let (its_department, its_user, _) = self.parts();
        its_department == department.as_str() && its_user == user.as_str()
    }

    /// The size of its heap block.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.text.len()
    }

    fn parts(&self) -> (&str, &str, &str) {
        let (department, rest) = self
            .text
            .split_at_checked(self.department_end.into())
            .unwrap_or_default();
        let user_len = usize::from(self.user_end) - usize::from(self.department_end);
        let (user, session) = rest.split_at_checked(user_len).unwrap_or_default();
        (department, user, session)
    }
}

fn parts_of(key: &ConversationKey) -> (&str, &str, &str) {
    (key.department.as_str(), key.user.as_str(), key.session.as_str())
}

impl Hash for PackedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // As the key's own: the three ids as texts, one after the other.
        self.parts().hash(state);
    }
}

impl Equivalent<PackedKey> for ConversationKey {
    fn equivalent(&self, packed: &PackedKey) -> bool {
        parts_of(self) == packed.parts()
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use hearth_testkit::build::key;

    use super::*;

    #[test]
    fn it_is_the_key_and_no_other() {
        let hasher = RandomState::new();
        let keys = [
            key("d", "u", "s"),
            key("du", "s", "s"),
            key("d", "us", "s"),
            key(
                "ü".repeat(128).as_str(),
                "ü".repeat(128).as_str(),
                "ü".repeat(128).as_str(),
            ),
        ];
        for one in &keys {
            let packed = PackedKey::new(one);
            assert_eq!(packed.unpack().as_ref(), Some(one));
            assert_eq!(hasher.hash_one(&packed), hasher.hash_one(one));
            for other in &keys {
                assert_eq!(other.equivalent(&packed), one == other, "{one} and {other}");
            }
        }
    }
}
