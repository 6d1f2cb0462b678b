//! Ending and erasing, each in the transaction that is open.

use diesel::{RunQueryDsl, SqliteConnection};
use hearth_domain::ports::{Clock, SystemClock};
use hearth_domain::{ConversationKey, Department, SessionId, UserId, Version};

use crate::error::Fault;
use crate::queries::{index, messages, requests, sessions};
use crate::rows::{read_version, stored_time};

fn now_us() -> i64 {
    stored_time(SystemClock::default().utc())
}

/// Notes the end of a session that has messages.
pub(crate) fn end(connection: &mut SqliteConnection, key: &ConversationKey) -> Result<(), Fault> {
    let end = sessions::End {
        department: key.department.as_str(),
        user: key.user.as_str(),
        session: key.session.as_str(),
        ended_at_us: now_us(),
    };
    end.execute(connection)?;
    Ok(())
}

/// Deletes a session's rows, raises its version, and blanks the answers of its requests.
pub(crate) fn erase(connection: &mut SqliteConnection, key: &ConversationKey) -> Result<Version, Fault> {
    let (department, user, session) = (key.department.as_str(), key.user.as_str(), key.session.as_str());
    let now_us = now_us();
    let raise = sessions::Erase {
        department,
        user,
        session,
        started_at_us: now_us,
        last_active_at_us: now_us,
    };
    let (version,) = raise.get_result::<(i64,)>(connection)?;
    let delete = messages::DeleteSession {
        department,
        user,
        session,
    };
    delete.execute(connection)?;
    let blank = requests::EraseSession {
        department,
        user,
        session,
    };
    blank.execute(connection)?;
    read_version(version)
}

/// Deletes a user's rows, raises the versions of all of the user's sessions, blanks the answers of the user's requests, and says which
/// sessions had messages.
pub(crate) fn erase_user(
    connection: &mut SqliteConnection,
    department: &Department,
    user: &UserId,
) -> Result<Vec<ConversationKey>, Fault> {
    let (department_text, user_text) = (department.as_str(), user.as_str());
    let now_us = now_us();
    let with_messages = index::SessionsOfUser {
        department: department_text,
        user: user_text,
    };
    let with_messages = with_messages.load::<(String,)>(connection)?;
    let adopt = sessions::AdoptUser {
        started_at_us: now_us,
        last_active_at_us: now_us,
        department: department_text,
        user: user_text,
    };
    adopt.execute(connection)?;
    let raise = sessions::EraseUser {
        department: department_text,
        user: user_text,
    };
    raise.execute(connection)?;
    let delete = messages::DeleteUser {
        department: department_text,
        user: user_text,
    };
    delete.execute(connection)?;
    let blank = requests::EraseUser {
        department: department_text,
        user: user_text,
    };
    blank.execute(connection)?;
    // An id that Hearth would not have taken is gone as well, but no caller could name it.
    let ids = with_messages.into_iter();
    Ok(ids
        .filter_map(|(session,)| SessionId::new(session).ok())
        .map(|session| ConversationKey::new(department.clone(), user.clone(), session))
        .collect())
}
