//! A part of one session, read along its index.

use diesel::{ExpressionMethods, NullableExpressionMethods, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::rows::message::MessageRow;
use crate::rows::session::KeyRow;
use crate::schema::chatbot_messages::dsl;

/// Which way a page is read, and the id at which it begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direction {
    /// From this id on to older ones.
    Back(i64),
    /// From this id on to newer ones.
    Forth(i64),
}

/// Brings up to `limit` messages in the order in which they are read.
pub(crate) struct MessagePage {
    pub(crate) key: KeyRow,
    pub(crate) direction: Direction,
    pub(crate) limit: i64,
}

impl Intent for MessagePage {
    type Answer = Vec<MessageRow>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<MessageRow>> {
        let of_session = dsl::chatbot_messages
            .select((
                dsl::id,
                dsl::role.nullable(),
                dsl::content.nullable(),
                dsl::created_at.nullable(),
                dsl::metadata,
            ))
            .filter(dsl::department.eq(&self.key.department))
            .filter(dsl::user_id.eq(&self.key.user_id))
            .filter(dsl::session_id.eq(&self.key.session_id))
            .limit(self.limit);
        match self.direction {
            Direction::Back(id) => {
                let page = of_session.filter(dsl::id.le(id)).order(dsl::id.desc());
                page.load(connection).await
            }
            Direction::Forth(id) => {
                let page = of_session.filter(dsl::id.ge(id)).order(dsl::id.asc());
                page.load(connection).await
            }
        }
    }
}
