//! Reading: histories, pages, lists.

use std::collections::HashSet;

use diesel::connection::DefaultLoadingMode;
use diesel::{Connection, OptionalExtension, RunQueryDsl, SqliteConnection};
use hearth_domain::limits::{TURN_SEARCH_MESSAGES_MAX, TURN_SEARCH_SESSIONS_MAX};
use hearth_domain::ports::{KeptTurn, Lookup, Page, PageFrom, SessionCursor, SessionPage, SessionSummary};
use hearth_domain::{ConversationKey, Department, History, MessageView, TurnId, UserId, WindowLimits};

use crate::commit::current_version;
use crate::error::Fault;
use crate::queries::{index, messages, turns};
use crate::rows::{self, HistoryRow, PageRow, SummaryRow, TurnRow};

/// How far back the most recent sessions are looked for, in messages: a bound on the work, whatever the size of the table.
const RECENT_MESSAGES_MAX: i64 = 200_000;

/// The histories of sessions, all of one snapshot.
pub(crate) fn load(
    connection: &mut SqliteConnection,
    keys: &[ConversationKey],
    limits: WindowLimits,
) -> Result<Vec<Lookup>, Fault> {
    connection.transaction(|connection| keys.iter().map(|key| load_one(connection, key, limits)).collect())
}

fn load_one(
    connection: &mut SqliteConnection,
    key: &ConversationKey,
    limits: WindowLimits,
) -> Result<Lookup, Fault> {
    let version = current_version(connection, key)?;
    let newest = messages::NewestRows {
        department: key.department.as_str(),
        user: key.user.as_str(),
        session: key.session.as_str(),
        limit: limits.rows_to_read(),
    };
    let rows: Vec<HistoryRow> = newest.load(connection)?;
    let views: Vec<MessageView<'_>> = rows.iter().rev().map(rows::view).collect::<Result<_, _>>()?;
    Ok(Lookup::of(History::from_rows(&views, version, limits)?))
}

/// A part of a session.
pub(crate) fn page(
    connection: &mut SqliteConnection,
    key: &ConversationKey,
    from: PageFrom,
    limit: u16,
) -> Result<Page, Fault> {
    // An id at the end of its range has nothing beyond it.
    let rows = match from {
        PageFrom::Newest => rows_up_to(connection, key, Some(i64::MAX), limit),
        PageFrom::Before(id) => rows_up_to(connection, key, id.0.checked_sub(1), limit),
        PageFrom::Oldest => rows_from(connection, key, Some(i64::MIN), limit),
        PageFrom::After(id) => rows_from(connection, key, id.0.checked_add(1), limit),
    }?;
    let limit = usize::from(limit);
    let more = rows.len() > limit;
    let kept = rows.into_iter().take(limit).map(rows::message);
    let mut messages = kept.collect::<Result<Vec<_>, _>>()?;
    if matches!(from, PageFrom::Newest | PageFrom::Before(_)) {
        messages.reverse();
    }
    Ok(Page { messages, more })
}

/// One row more than the page, newest first.
fn rows_up_to(
    connection: &mut SqliteConnection,
    key: &ConversationKey,
    newest: Option<i64>,
    limit: u16,
) -> Result<Vec<PageRow>, Fault> {
    let Some(newest) = newest else {
        return Ok(Vec::new());
    };
    let rows = messages::RowsUpTo {
        department: key.department.as_str(),
        user: key.user.as_str(),
        session: key.session.as_str(),
        newest,
        limit: i64::from(limit) + 1,
    };
    Ok(rows.load(connection)?)
}

/// One row more than the page, oldest first.
fn rows_from(
    connection: &mut SqliteConnection,
    key: &ConversationKey,
    oldest: Option<i64>,
    limit: u16,
) -> Result<Vec<PageRow>, Fault> {
    let Some(oldest) = oldest else {
        return Ok(Vec::new());
    };
    let rows = messages::RowsFrom {
        department: key.department.as_str(),
        user: key.user.as_str(),
        session: key.session.as_str(),
        oldest,
        limit: i64::from(limit) + 1,
    };
    Ok(rows.load(connection)?)
}

/// A part of a user's sessions.
pub(crate) fn list(
    connection: &mut SqliteConnection,
    department: &Department,
    user: &UserId,
    after: Option<&SessionCursor>,
    limit: u16,
) -> Result<SessionPage, Fault> {
    let limit = usize::from(limit);
    let all = index::SummariesOfUser {
        department: department.as_str(),
        user: user.as_str(),
    };
    let mut sessions: Vec<SessionSummary> = Vec::new();
    for row in all.load_iter::<SummaryRow, DefaultLoadingMode>(connection)? {
        let Some(summary) = rows::summary(row?).transpose()? else {
            continue;
        };
        if after.is_none_or(|after| is_after(&summary, after)) {
            sessions.push(summary);
        }
        if sessions.len() > limit {
            break;
        }
    }
    let more = sessions.len() > limit;
    sessions.truncate(limit);
    Ok(SessionPage { sessions, more })
}

fn is_after(summary: &SessionSummary, cursor: &SessionCursor) -> bool {
    summary.last_active_at < cursor.last_active_at
        || (summary.last_active_at == cursor.last_active_at && summary.session > cursor.session)
}

/// The keys of the sessions with the newest messages.
pub(crate) fn recent(connection: &mut SqliteConnection, limit: u16) -> Result<Vec<ConversationKey>, Fault> {
    let limit = usize::from(limit);
    let newest = index::KeysOfNewestMessages {
        limit: RECENT_MESSAGES_MAX,
    };
    let mut seen = HashSet::new();
    let mut keys = Vec::new();
    for row in newest.load_iter::<(String, String, String), DefaultLoadingMode>(connection)? {
        if keys.len() == limit {
            break;
        }
        let Some(key) = rows::key(row?) else { continue };
        if seen.insert(key.clone()) {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// The response of a turn, as far back as turns are looked for.
pub(crate) fn turn(
    connection: &mut SqliteConnection,
    department: &Department,
    user: &UserId,
    turn: TurnId,
) -> Result<Option<KeptTurn>, Fault> {
    let response = turns::ResponseOfTurn {
        department: department.as_str(),
        user: user.as_str(),
        turn: &turn.to_string(),
        sessions: TURN_SEARCH_SESSIONS_MAX.into(),
        messages: TURN_SEARCH_MESSAGES_MAX.into(),
    };
    let row: Option<TurnRow> = response.get_result(connection).optional()?;
    let Some((session, id, role, content, created_at_us, metadata)) = row else {
        return Ok(None);
    };
    let Some(key) = rows::key((department.to_string(), user.to_string(), session)) else {
        return Ok(None);
    };
    let response = rows::message((id, role, content, created_at_us, metadata))?;
    Ok(Some(KeptTurn { key, response }))
}

/// Keys in their order.
pub(crate) fn keys(
    connection: &mut SqliteConnection,
    department: Option<&Department>,
    after: Option<&ConversationKey>,
    limit: u16,
) -> Result<Vec<ConversationKey>, Fault> {
    // An empty text is before every id.
    let start = department.map_or(("", "", ""), |department| (department.as_str(), "", ""));
    let after = after.map_or(start, |after| {
        let after = (
            after.department.as_str(),
            after.user.as_str(),
            after.session.as_str(),
        );
        after.max(start)
    });
    let following = index::KeysAfter {
        department: after.0,
        user: after.1,
        session: after.2,
    };
    let mut keys = Vec::new();
    for row in following.load_iter::<(String, String, String), DefaultLoadingMode>(connection)? {
        let row = row?;
        let beyond = department.is_some_and(|department| row.0 != department.as_str());
        if beyond || keys.len() == usize::from(limit) {
            break;
        }
        keys.extend(rows::key(row));
    }
    Ok(keys)
}

/// Reads the table.
pub(crate) fn ping(connection: &mut SqliteConnection) -> Result<(), Fault> {
    let (_,) = messages::Probe { rows: 1 }.get_result::<(i64,)>(connection)?;
    Ok(())
}
