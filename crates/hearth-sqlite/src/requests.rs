//! Requests with a key. One writer does all of this, so that what is read here is not changed by anybody before it is written.

use std::time::Duration;

use diesel::{OptionalExtension, RunQueryDsl, SqliteConnection};
use hearth_domain::ports::{Claim, Claimed, Clock, PastAnswer, SystemClock};
use hearth_domain::{ClaimOwner, Committed, CommittedMessage, MessageId, RequestKey, SessionId};
use serde_json::Value;

use crate::error::Fault;
use crate::queries::requests;
use crate::rows::{read_time, read_version, stored_time};

/// A row: body, session, state, owner, end of the lease, answer, what the commit brought.
type Row = (
    Vec<u8>,
    String,
    String,
    Option<Vec<u8>>,
    i64,
    Option<String>,
    Option<String>,
);

fn now_us() -> i64 {
    stored_time(SystemClock::default().utc())
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Claims a request, or says what became of it.
pub(crate) fn claim(connection: &mut SqliteConnection, claim: &Claim) -> Result<Claimed, Fault> {
    let request = &claim.request;
    let find = requests::Find {
        department: request.department.as_str(),
        user: request.user.as_str(),
        endpoint: request.endpoint.as_str(),
        key: request.key.as_str(),
    };
    let Some(row) = find.get_result::<Row>(connection).optional()? else {
        insert(connection, claim)?;
        return Ok(Claimed::Granted {
            session: claim.session.clone(),
        });
    };
    let (body, session, state, owner, lease_until_us, answer, committed) = row;
    if body != claim.body.0 {
        return Ok(Claimed::OtherBody);
    }
    let session = SessionId::new(&session).map_err(|_| Fault::Request { column: "session_id" })?;
    match state.as_str() {
        "answered" => Ok(Claimed::Answered(PastAnswer {
            session,
            answer: read_answer(answer.as_deref())?,
            committed: committed.as_deref().map(read_committed).transpose()?,
        })),
        "erased" => Ok(Claimed::Erased),
        _ => {
            let is_another = owner.is_some_and(|owner| owner != claim.owner.0.as_bytes());
            if is_another && lease_until_us > now_us() {
                return Ok(Claimed::Running);
            }
            grant(connection, claim)?;
            Ok(Claimed::Granted { session })
        }
    }
}

fn insert(connection: &mut SqliteConnection, claim: &Claim) -> Result<(), Fault> {
    let now_us = now_us();
    let request = &claim.request;
    let row = requests::Insert {
        department: request.department.as_str(),
        user: request.user.as_str(),
        endpoint: request.endpoint.as_str(),
        key: request.key.as_str(),
        body_hash: &claim.body.0,
        session: claim.session.as_str(),
        owner: claim.owner.0.as_bytes(),
        lease_until_us: now_us.saturating_add(micros(claim.lease)),
        created_at_us: now_us,
    };
    row.execute(connection)?;
    Ok(())
}

fn grant(connection: &mut SqliteConnection, claim: &Claim) -> Result<(), Fault> {
    let request = &claim.request;
    let grant = requests::Grant {
        owner: claim.owner.0.as_bytes(),
        lease_until_us: now_us().saturating_add(micros(claim.lease)),
        department: request.department.as_str(),
        user: request.user.as_str(),
        endpoint: request.endpoint.as_str(),
        key: request.key.as_str(),
    };
    grant.execute(connection)?;
    Ok(())
}

/// Whether a request is this owner's to complete.
pub(crate) fn is_owned(
    connection: &mut SqliteConnection,
    request: &RequestKey,
    owner: ClaimOwner,
) -> Result<bool, Fault> {
    let find = requests::FindOwned {
        department: request.department.as_str(),
        user: request.user.as_str(),
        endpoint: request.endpoint.as_str(),
        key: request.key.as_str(),
        owner: owner.0.as_bytes(),
    };
    Ok(find.get_result::<(i64,)>(connection).optional()?.is_some())
}

/// Notes the answer of a request, if it is its owner's.
pub(crate) fn complete(
    connection: &mut SqliteConnection,
    request: &RequestKey,
    owner: ClaimOwner,
    answer: &Value,
    committed: Option<&Committed>,
) -> Result<bool, Fault> {
    let committed = committed.map(stored_committed);
    let complete = requests::Complete {
        answer: &answer.to_string(),
        committed: committed.as_deref(),
        department: request.department.as_str(),
        user: request.user.as_str(),
        endpoint: request.endpoint.as_str(),
        key: request.key.as_str(),
        owner: owner.0.as_bytes(),
    };
    Ok(complete.execute(connection)? > 0)
}

/// Gives a claim back, if it is its owner's.
pub(crate) fn release(
    connection: &mut SqliteConnection,
    request: &RequestKey,
    owner: ClaimOwner,
) -> Result<(), Fault> {
    let release = requests::Release {
        department: request.department.as_str(),
        user: request.user.as_str(),
        endpoint: request.endpoint.as_str(),
        key: request.key.as_str(),
        owner: owner.0.as_bytes(),
    };
    release.execute(connection)?;
    Ok(())
}

/// Forgets some of the requests that are old enough.
pub(crate) fn forget(connection: &mut SqliteConnection, age: Duration, limit: u16) -> Result<usize, Fault> {
    let now_us = now_us();
    let forget = requests::Forget {
        limit: i64::from(limit),
        created_at_us: now_us.saturating_sub(micros(age)),
        now_us,
    };
    Ok(forget.execute(connection)?)
}

/// Version, then id and time of each message.
type StoredCommitted = (i64, Vec<(i64, i64)>);

fn stored_committed(committed: &Committed) -> String {
    let rows = committed.messages.iter();
    let rows: Vec<_> = rows
        .map(|row| serde_json::json!([row.id, stored_time(row.created_at)]))
        .collect();
    serde_json::json!([committed.version, rows]).to_string()
}

fn read_committed(text: &str) -> Result<Committed, Fault> {
    let unusable = || Fault::Request { column: "committed" };
    let (version, rows): StoredCommitted = serde_json::from_str(text).map_err(|_| unusable())?;
    let messages = rows.into_iter().map(|(id, created_at_us)| {
        Ok(CommittedMessage {
            id: MessageId(id),
            created_at: read_time(created_at_us).ok_or_else(unusable)?,
        })
    });
    Ok(Committed {
        version: read_version(version)?,
        messages: messages.collect::<Result<_, Fault>>()?,
    })
}

fn read_answer(text: Option<&str>) -> Result<Value, Fault> {
    let answer = text.and_then(|text| serde_json::from_str(text).ok());
    answer.ok_or(Fault::Request { column: "answer" })
}
