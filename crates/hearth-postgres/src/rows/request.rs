//! Rows of `chatbot_requests`.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::sql_types::Text;
use diesel::{QueryResult, Queryable};
use hearth_domain::ports::{Claimed, PastAnswer};
use hearth_domain::{Committed, CommittedMessage, MessageId, RequestKey, SessionId};
use serde_json::Value;

use crate::error::Fault;
use crate::rows::version_of;

/// What names a request.
pub(crate) struct RequestKeyRow {
    pub(crate) department: String,
    pub(crate) user_id: String,
    pub(crate) endpoint: &'static str,
    pub(crate) key: String,
}

impl RequestKeyRow {
    pub(crate) fn of(request: &RequestKey) -> Self {
        Self {
            department: request.department.as_str().to_owned(),
            user_id: request.user.as_str().to_owned(),
            endpoint: request.endpoint.as_str(),
            key: request.key.as_str().to_owned(),
        }
    }

    /// Writes the four columns, side by side.
    pub(crate) fn push_to<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Text, _>(&self.department)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.user_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.endpoint)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.key)
    }
}

/// A request that was not granted.
#[derive(Queryable)]
pub(crate) struct RequestRow {
    same_body: bool,
    state: String,
    session_id: String,
    answer: Option<Value>,
    version: Option<i64>,
    ids: Option<Vec<i64>>,
    times: Option<Vec<DateTime<Utc>>>,
}

impl RequestRow {
    /// Says why it was not granted. One that is claimed may be free by now: the next attempt will see.
    pub(crate) fn claimed(self) -> Result<Claimed, Fault> {
        if !self.same_body {
            return Ok(Claimed::OtherBody);
        }
        match self.state.as_str() {
            "claimed" => Ok(Claimed::Running),
            "answered" => Ok(Claimed::Answered(self.past_answer()?)),
            "erased" => Ok(Claimed::Erased),
            _ => Err(Fault::failed("a state of chatbot_requests is none of Hearth's")),
        }
    }

    fn past_answer(self) -> Result<PastAnswer, Fault> {
        let session = session_of(&self.session_id)?;
        let committed = self
            .version
            .map(|version| {
                let ids = self.ids.unwrap_or_default().into_iter();
                let times = self.times.unwrap_or_default();
                let message = |(id, created_at)| CommittedMessage {
                    id: MessageId(id),
                    created_at,
                };
                let messages = ids.zip(times).map(message).collect();
                version_of(version).map(|version| Committed { version, messages })
            })
            .transpose()?;
        let answer = self
            .answer
            .ok_or_else(|| Fault::failed("an answered row of chatbot_requests has no answer"))?;
        Ok(PastAnswer {
            session,
            answer,
            committed,
        })
    }
}

/// A session id that Hearth wrote itself.
pub(crate) fn session_of(stored: &str) -> Result<SessionId, Fault> {
    SessionId::new(stored).map_err(|_| Fault::failed("a session id of chatbot_requests is not valid"))
}
