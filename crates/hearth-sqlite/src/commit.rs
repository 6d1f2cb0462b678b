//! Committing turns: each is a job of the writer, so that turns which arrive together share a transaction.

use std::sync::Arc;

use diesel::{OptionalExtension, RunQueryDsl, SqliteConnection};
use futures_util::future::join_all;
use hearth_domain::ports::{AppendError, Clock, StoreError, SystemClock};
use hearth_domain::{Append, Committed, CommittedMessage, ConversationKey, MessageId, NewMessage, Version};

use crate::error::{Fault, shared};
use crate::queries::{messages, sessions};
use crate::requests;
use crate::rows::{read_time, read_version, stored_time};
use crate::undone::Undone;
use crate::writer::{Room, Writer};

/// Of the queue, what one call with more turns than the queue has places may take at once: this part.
const STEPS_A_QUEUE: usize = 4;

/// What a turn's row takes beside its contents, roughly.
const ROW_BYTES: usize = 128;

/// What became of one turn.
type Outcome = Result<Committed, AppendError>;

/// What became of one turn in a transaction that was committed: it is in, or it was kept out.
type Attempt = Result<Committed, Refusal>;

/// Why a turn was kept out.
enum Refusal {
    Erased,
    ClaimLost,
    AtVersion(Version),
}

/// Has turns committed, those of one session in their order, and answers each. They are on their way when this first waits.
pub(crate) async fn append(writer: &Arc<Writer>, appends: &[Append]) -> Vec<Outcome> {
    if appends.len() > writer.places() {
        return append_in_steps(writer, appends.to_vec()).await;
    }
    match writer.try_room(appends.len()) {
        Some(room) => commit(writer, room, appends).await,
        None => appends.iter().map(|_| Err(AppendError::Overloaded)).collect(),
    }
}

/// More turns than there are places: a part after the other, each when there is room.
async fn append_in_steps(writer: &Arc<Writer>, appends: Vec<Append>) -> Vec<Outcome> {
    let turns = appends.len();
    let steps = writer.runtime().spawn({
        let writer = Arc::clone(writer);
        async move {
            let mut outcomes = Vec::with_capacity(appends.len());
            for part in appends.chunks(writer.places().div_ceil(STEPS_A_QUEUE)) {
                match writer.room(part.len()).await {
                    Ok(room) => outcomes.extend(commit(&writer, room, part).await),
                    Err(undone) => outcomes.extend(part.iter().map(|_| Err(refused(undone.clone())))),
                }
            }
            outcomes
        }
    });
    let ended = |_| (0..turns).map(|_| Err(refused(Fault::BrokeOff.into()))).collect();
    steps.await.unwrap_or_else(ended)
}

/// Has turns committed in places that were taken for them.
async fn commit(writer: &Writer, mut room: Room, appends: &[Append]) -> Vec<Outcome> {
    let submit = |append: &Append| {
        let append = append.clone();
        room.submit(bytes(&append), move |connection| write(connection, &append))
    };
    let submitted: Vec<_> = appends.iter().map(submit).collect();
    room.send();
    let ended = submitted.into_iter().map(async |turn| {
        let attempt = writer.end_of(turn).await.map_err(refused)?;
        attempt.map_err(AppendError::from)
    });
    join_all(ended).await
}

fn bytes(append: &Append) -> usize {
    let messages = append.turn.messages().iter();
    messages.map(|message| message.content().len() + ROW_BYTES).sum()
}

impl From<Refusal> for AppendError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Erased => Self::Erased,
            Refusal::ClaimLost => Self::ClaimLost,
            Refusal::AtVersion(current) => Self::VersionConflict { current },
        }
    }
}

/// What is certain of a turn whose transaction has no outcome.
fn refused(undone: Undone) -> AppendError {
    match undone {
        Undone::NotBegun => AppendError::NotCommitted(StoreError::TimedOut),
        Undone::StillRunning => AppendError::Unknown(StoreError::TimedOut),
        Undone::Failed(fault) if fault.leaves_a_commit_open() => AppendError::Unknown(shared(&fault)),
        Undone::Failed(fault) => AppendError::NotCommitted(shared(&fault)),
    }
}

/// Raises the session's version, adds the turn's rows and completes its request, in the transaction that is open.
fn write(connection: &mut SqliteConnection, append: &Append) -> Result<Attempt, Fault> {
    if let Some(refusal) = keep_out(connection, append)? {
        return Ok(Err(refusal));
    }
    let key = &append.key;
    let now_us = stored_time(SystemClock::default().utc());
    let raised = sessions::RaiseVersion {
        department: key.department.as_str(),
        user: key.user.as_str(),
        session: key.session.as_str(),
        started_at_us: now_us,
        last_active_at_us: now_us,
    };
    let (version,) = raised.get_result::<(i64,)>(connection)?;
    let messages = append.turn.messages().iter();
    let committed = Committed {
        version: read_version(version)?,
        messages: messages
            .map(|message| insert(connection, key, message, now_us))
            .collect::<Result<_, _>>()?,
    };
    if let Some(it) = &append.completes {
        requests::complete(connection, &it.request, it.owner, &it.answer, Some(&committed))?;
    }
    Ok(Ok(committed))
}

/// What keeps a turn out, in this order: an erase that it would undo, a request that somebody else has, a version that it does not expect.
fn keep_out(connection: &mut SqliteConnection, append: &Append) -> Result<Option<Refusal>, Fault> {
    let (current, erased) = fence(connection, append)?;
    if erased.is_some_and(|erased| append.read_version.is_some_and(|read| read <= erased)) {
        return Ok(Some(Refusal::Erased));
    }
    if let Some(it) = &append.completes
        && !requests::is_owned(connection, &it.request, it.owner)?
    {
        return Ok(Some(Refusal::ClaimLost));
    }
    let conflicts = append.if_version.is_some_and(|expected| expected != current);
    Ok(conflicts.then_some(Refusal::AtVersion(current)))
}

/// The version of a turn's session, and the one up to which it is erased, where the turn asks for either.
fn fence(connection: &mut SqliteConnection, append: &Append) -> Result<(Version, Option<Version>), Fault> {
    if append.if_version.is_none() && append.read_version.is_none() {
        return Ok((Version::ZERO, None));
    }
    let fence = sessions::Fence {
        department: append.key.department.as_str(),
        user: append.key.user.as_str(),
        session: append.key.session.as_str(),
    };
    let row = fence.get_result::<(i64, Option<i64>)>(connection).optional()?;
    let Some((version, erased)) = row else {
        return Ok((Version::ZERO, None));
    };
    Ok((read_version(version)?, erased.map(read_version).transpose()?))
}

fn insert(
    connection: &mut SqliteConnection,
    key: &ConversationKey,
    message: &NewMessage,
    now_us: i64,
) -> Result<CommittedMessage, Fault> {
    let created_at_us = message.created_at().map_or(now_us, stored_time);
    let metadata = message.metadata().map(ToString::to_string);
    let row = messages::Insert {
        department: key.department.as_str(),
        user: key.user.as_str(),
        session: key.session.as_str(),
        role: message.role().as_str(),
        content: message.content(),
        created_at_us,
        metadata: metadata.as_deref(),
    };
    let (id,) = row.get_result::<(i64,)>(connection)?;
    Ok(CommittedMessage {
        id: MessageId(id),
        created_at: read_time(created_at_us).ok_or(Fault::Message {
            id,
            column: "created_at_us",
        })?,
    })
}

/// The version of a session, zero where Hearth never wrote to it.
pub(crate) fn current_version(
    connection: &mut SqliteConnection,
    key: &ConversationKey,
) -> Result<Version, Fault> {
    let current = sessions::CurrentVersion {
        department: key.department.as_str(),
        user: key.user.as_str(),
        session: key.session.as_str(),
    };
    let stored = current.get_result::<(i64,)>(connection).optional()?;
    stored.map_or(Ok(Version::ZERO), |(version,)| read_version(version))
}

#[cfg(test)]
mod tests;
