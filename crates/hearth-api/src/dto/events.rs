//! The data of a stream's events.

use hearth_domain::{ConversationKey, TurnId};
use serde::Serialize;
use utoipa::ToSchema;

/// The event `turn`: the model is about to be asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct TurnStarted<'a> {
    #[schema(value_type = String, format = "uuid")]
    turn_id: TurnId,
    chatsession_id: &'a str,
    department: &'a str,
    user: &'a str,
}

impl<'a> TurnStarted<'a> {
    /// What a turn's stream begins with.
    #[must_use]
    pub fn new(turn_id: TurnId, key: &'a ConversationKey) -> Self {
        Self {
            turn_id,
            chatsession_id: key.session.as_str(),
            department: key.department.as_str(),
            user: key.user.as_str(),
        }
    }
}

/// The event `delta`: the next piece of the response.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delta<'a> {
    /// The piece.
    pub text: &'a str,
}
