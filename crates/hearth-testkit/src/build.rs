//! Keys, messages and turns in one word each. Every builder panics where the domain would refuse the value.

use hearth_domain::{Append, ConversationKey, NewMessage, Role, Turn};

/// The key of three texts.
#[must_use]
pub fn key(department: &str, user: &str, session: &str) -> ConversationKey {
    ConversationKey::parse(department, user, session).unwrap()
}

/// What a person says.
#[must_use]
pub fn user(content: &str) -> NewMessage {
    message(Role::User, content)
}

/// What a model answers.
#[must_use]
pub fn assistant(content: &str) -> NewMessage {
    message(Role::Assistant, content)
}

/// A message of any role.
#[must_use]
pub fn message(role: Role, content: &str) -> NewMessage {
    NewMessage::new(role, content).unwrap()
}

/// The turn of these messages.
#[must_use]
pub fn turn(messages: &[NewMessage]) -> Turn {
    Turn::new(messages.to_vec()).unwrap()
}

/// The turn that most turns are: a query and the response to it.
#[must_use]
pub fn exchange(query: &str, response: &str) -> Turn {
    turn(&[user(query), assistant(response)])
}

/// A turn on its way to a session, onto whatever version it has.
#[must_use]
pub fn append(key: &ConversationKey, turn: Turn) -> Append {
    Append::new(key.clone(), turn)
}
