//! Rows as they come from the database, and how they become what the ports speak of.

pub(crate) mod committed;
pub(crate) mod key;
pub(crate) mod message;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod session;
pub(crate) mod stored;
pub(crate) mod window;

use crate::error::Fault;
use hearth_domain::Version;

/// A version as it is stored.
pub(crate) fn version_of(stored: i64) -> Result<Version, Fault> {
    Version::try_from(stored).map_err(|_| Fault::failed("a version of chatbot_sessions is negative"))
}
