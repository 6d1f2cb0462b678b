//! One SQL intent a file. Statements that take arrays, or that Diesel's own language has no words for, are texts of their own; each is
//! fixed, so that a connection prepares and plans it once.

mod annul_batch;
mod append_plain;
mod append_statement;
mod append_turns;
mod batch_answer;
mod blank_answers;
mod claim_request;
mod commit_refusal;
mod complete_request;
mod delete_commits;
mod delete_messages;
mod end_session;
mod erase_session;
mod erase_user;
mod find_keys;
mod forget_requests;
mod insert_key;
mod inspect_messages;
mod list_sessions;
mod load_windows;
mod message_page;
mod ping;
mod raise_erased;
mod recent_messages;
mod release_request;
mod response_of_turn;
mod revoke_key;
mod session_keys;
mod user_sessions;

pub(crate) use annul_batch::{AnnulBatch, Annulment};
pub(crate) use append_turns::AppendTurns;
pub(crate) use claim_request::{ClaimAnswer, ClaimRequest};
pub(crate) use commit_refusal::CommitRefusal;
pub(crate) use complete_request::CompleteRequest;
pub(crate) use delete_commits::DeleteCommits;
pub(crate) use end_session::EndSession;
pub(crate) use erase_session::EraseSession;
pub(crate) use erase_user::EraseUser;
pub(crate) use find_keys::{FindKey, ListKeys};
pub(crate) use forget_requests::ForgetRequests;
pub(crate) use insert_key::InsertKey;
pub(crate) use inspect_messages::{ColumnRow, InspectMessages, RelationRow, USABLE_INDEX};
pub(crate) use list_sessions::ListSessions;
pub(crate) use load_windows::LoadWindows;
pub(crate) use message_page::{Direction, MessagePage};
pub(crate) use ping::Ping;
pub(crate) use recent_messages::RecentMessages;
pub(crate) use release_request::ReleaseRequest;
pub(crate) use response_of_turn::ResponseOfTurn;
pub(crate) use revoke_key::RevokeKey;
pub(crate) use session_keys::SessionKeys;

/// Says that a type is one statement of one fixed text: a connection then caches it by the type alone, which Diesel does by itself only
/// for statements that are written in its own language.
macro_rules! fixed_statement {
    ($statement:ident $(<$lifetime:lifetime>)?, $row:ty) => {
        impl $(<$lifetime>)? diesel::query_builder::Query for $statement $(<$lifetime>)? {
            type SqlType = $row;
        }

        impl $(<$lifetime>)? diesel::query_builder::QueryId for $statement $(<$lifetime>)? {
            type QueryId = fixed_statement!(@static $statement $(<$lifetime>)?);
            const HAS_STATIC_QUERY_ID: bool = true;
        }
    };
    (@static $statement:ident <$lifetime:lifetime>) => { $statement<'static> };
    (@static $statement:ident) => { $statement };
}
pub(crate) use fixed_statement;

/// Three arrays of texts: the keys of a statement, side by side.
#[derive(Default)]
pub(crate) struct KeyColumns {
    pub(crate) departments: Vec<String>,
    pub(crate) users: Vec<String>,
    pub(crate) sessions: Vec<String>,
}

impl KeyColumns {
    pub(crate) fn push(&mut self, key: &hearth_domain::ConversationKey) {
        self.departments.push(key.department.as_str().to_owned());
        self.users.push(key.user.as_str().to_owned());
        self.sessions.push(key.session.as_str().to_owned());
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Writes them as three arguments of `unnest`.
    pub(crate) fn push_to<'b>(
        &'b self,
        out: &mut diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>,
    ) -> diesel::QueryResult<()> {
        use diesel::sql_types::{Array, Text};
        out.push_bind_param::<Array<Text>, _>(&self.departments)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.users)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.sessions)
    }
}

impl<'a> Extend<&'a hearth_domain::ConversationKey> for KeyColumns {
    fn extend<I: IntoIterator<Item = &'a hearth_domain::ConversationKey>>(&mut self, keys: I) {
        keys.into_iter().for_each(|key| self.push(key));
    }
}
