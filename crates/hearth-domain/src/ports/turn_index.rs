//! Which response a turn came to.

use std::future::Future;

use crate::ids::{ConversationKey, Department, TurnId, UserId};
use crate::message::Message;
use crate::ports::history_store::StoreError;

/// Finds what a turn came to by its id, which the metadata of its response holds as `turn_id`: whoever lost a stream asks for it on any replica.
pub trait TurnIndex: Send + Sync + 'static {
    /// The response of a turn of this user, if it is among the newest [`TURN_SEARCH_MESSAGES_MAX`] messages of one of the user's
    /// [`TURN_SEARCH_SESSIONS_MAX`] sessions that were active last: a bound on the work, whatever was said since.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    ///
    /// [`TURN_SEARCH_MESSAGES_MAX`]: crate::limits::TURN_SEARCH_MESSAGES_MAX
    /// [`TURN_SEARCH_SESSIONS_MAX`]: crate::limits::TURN_SEARCH_SESSIONS_MAX
    fn find_turn(
        &self,
        department: &Department,
        user: &UserId,
        turn: TurnId,
    ) -> impl Future<Output = Result<Option<KeptTurn>, StoreError>> + Send;
}

/// A turn that was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptTurn {
    /// The conversation.
    pub key: ConversationKey,
    /// The response, with its metadata.
    pub response: Message,
}
