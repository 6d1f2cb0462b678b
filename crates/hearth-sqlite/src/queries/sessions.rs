//! Statements on `chatbot_sessions`.

use diesel::sql_types::{BigInt, Nullable, Text};

use crate::statement::statement;

statement! {
    /// The version of a session that has a row.
    CurrentVersion { department: Text, user: Text, session: Text } -> (BigInt),
    "select version from chatbot_sessions where department = ? and user_id = ? and session_id = ?"
}

statement! {
    /// The version of a session that has a row, and the version up to which it is erased.
    Fence { department: Text, user: Text, session: Text } -> (BigInt, Nullable<BigInt>),
    "select version, erased_version from chatbot_sessions where department = ? and user_id = ? and session_id = ?"
}

statement! {
    /// Raises a session's version for one turn, makes its row where there is none, and reopens it.
    RaiseVersion { department: Text, user: Text, session: Text, started_at_us: BigInt, last_active_at_us: BigInt }
    -> (BigInt),
    "insert into chatbot_sessions (department, user_id, session_id, version, started_at_us, last_active_at_us)
     values (?, ?, ?, 1, ?, ?)
     on conflict (department, user_id, session_id) do update
     set version = version + 1, last_active_at_us = excluded.last_active_at_us, ended_at_us = null
     returning version"
}

statement! {
    /// Notes the end of a session that has messages, unless an end is noted.
    End { department: Text, user: Text, session: Text, ended_at_us: BigInt } -> (),
    "with asked (department, user_id, session_id, now_us) as (values (?, ?, ?, ?))
     insert into chatbot_sessions
         (department, user_id, session_id, version, started_at_us, last_active_at_us, ended_at_us)
     select department, user_id, session_id, 0, now_us, now_us, now_us from asked
     where exists (
         select 1 from chatbot_messages m
         where m.department = asked.department and m.user_id = asked.user_id and m.session_id = asked.session_id
     )
     on conflict (department, user_id, session_id) do update
     set ended_at_us = coalesce(chatbot_sessions.ended_at_us, excluded.ended_at_us)"
}

statement! {
    /// Notes that everything up to a session's version is erased, and raises the version.
    Erase { department: Text, user: Text, session: Text, started_at_us: BigInt, last_active_at_us: BigInt } -> (BigInt),
    "insert into chatbot_sessions
         (department, user_id, session_id, version, erased_version, started_at_us, last_active_at_us)
     values (?, ?, ?, 1, 0, ?, ?)
     on conflict (department, user_id, session_id) do update
     set erased_version = version, version = version + 1
     returning version"
}

statement! {
    /// Makes rows for those sessions of a user that only their messages know.
    AdoptUser { started_at_us: BigInt, last_active_at_us: BigInt, department: Text, user: Text } -> (),
    "insert into chatbot_sessions (department, user_id, session_id, version, started_at_us, last_active_at_us)
     select distinct department, user_id, session_id, 0, ?, ? from chatbot_messages where department = ? and user_id = ?
     on conflict (department, user_id, session_id) do nothing"
}

statement! {
    /// The same as [`Erase`] for all sessions of a user that have rows.
    EraseUser { department: Text, user: Text } -> (),
    "update chatbot_sessions set erased_version = version, version = version + 1 where department = ? and user_id = ?"
}
