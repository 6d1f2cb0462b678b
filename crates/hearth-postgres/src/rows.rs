//! Rows as they come from the database, and how they become what the ports speak of.

pub(crate) mod committed;
pub(crate) mod key;
pub(crate) mod message;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod session;
pub(crate) mod window;

use crate::error::Fault;
use hearth_domain::{Role, Version};

/// The role of a row, which another program may have written.
pub(crate) fn role_of(id: i64, word: &str) -> Result<Role, Fault> {
    word.parse().map_err(|_| unknown_role(id))
}

fn unknown_role(id: i64) -> Fault {
    Fault::failed(format!(
        "the role of row {id} of chatbot_messages is none of user, assistant, system, tool"
    ))
}

/// A version as it is stored.
pub(crate) fn version_of(stored: i64) -> Result<Version, Fault> {
    Version::try_from(stored).map_err(|_| Fault::failed("a version of chatbot_sessions is negative"))
}
