//! A turn without a model. It does not wait for the session's chats: the store commits in the order of arrival.

use hearth_domain::ports::{HistoryStore, RequestLog};
use hearth_domain::{Append, ClaimOwner, Endpoint, TurnId};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::answer::Appended;
use crate::chat::Room;
use crate::error::ChatError;
use crate::record::{refuse_erased, unreadable};
use crate::request::{AppendRequest, Idempotency};
use crate::requests::{Begun, Keyed, Note, Past, refused};

/// What the answer to an append says beside what the commit brings.
#[derive(Debug, Serialize, Deserialize)]
struct AppendRecord {
    turn_id: TurnId,
}

impl<S: HistoryStore + RequestLog> Room<S> {
    /// Commits a turn that came without a key: a repeat commits another one.
    pub(crate) async fn append_unkeyed(&self, request: AppendRequest) -> Result<Appended, ChatError> {
        let turn = request.turn.id();
        let committed = self.commit(bare(request)).await.map_err(refused)?;
        Ok(Appended {
            turn,
            committed,
            replayed: false,
        })
    }

    /// Commits a turn once, however often it is asked for with its key.
    pub(crate) async fn append_once(
        &self,
        request: AppendRequest,
        idempotency: &Idempotency,
    ) -> Result<Appended, ChatError> {
        let key = &request.key;
        let keyed = Keyed {
            request: idempotency.request(&key.department, &key.user, Endpoint::Append),
            body: idempotency.body,
            session: key.session.clone(),
            deadline: Instant::now() + self.config.turn_timeout,
        };
        loop {
            let mut attempt = match self.begin(&keyed).await? {
                Begun::Answered(past) => return appended(&past, true),
                Begun::Granted(attempt) => attempt,
            };
            let held = attempt.take_held();
            let replayed = held.is_some();
            let note = match held {
                Some(note) => note,
                None => note(&request, &keyed, attempt.owner)?,
            };
            if let Some(past) = self.settle(attempt, note).await? {
                return appended(&past, replayed);
            }
        }
    }
}

fn bare(request: AppendRequest) -> Append {
    Append {
        if_version: request.if_version,
        ..Append::new(request.key, request.turn)
    }
}

fn note(request: &AppendRequest, keyed: &Keyed, owner: ClaimOwner) -> Result<Note, ChatError> {
    let record = AppendRecord {
        turn_id: request.turn.id(),
    };
    let record = serde_json::to_value(record).map_err(unreadable)?;
    Ok(Note::turn(bare(request.clone()), &keyed.request, owner, record))
}

fn appended(past: &Past, replayed: bool) -> Result<Appended, ChatError> {
    refuse_erased(past)?;
    let record = AppendRecord::deserialize(&past.answer).map_err(unreadable)?;
    let committed = past.committed.clone().ok_or(ChatError::SessionErased)?;
    Ok(Appended {
        turn: record.turn_id,
        committed,
        replayed,
    })
}
