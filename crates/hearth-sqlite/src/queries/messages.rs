//! Statements on `chatbot_messages`.

use diesel::sql_types::{BigInt, Nullable, Text};

use crate::statement::statement;

statement! {
    /// The newest rows of a session for its history, newest first: the index is walked backwards, whatever the session's length.
    NewestRows { department: Text, user: Text, session: Text, limit: BigInt }
    -> (BigInt, Text, Text, BigInt, Nullable<Text>),
    "select id, role, content, created_at_us, json_extract(metadata, '$.status') from chatbot_messages
     where department = ? and user_id = ? and session_id = ? order by id desc limit ?"
}

statement! {
    /// Whole rows up to an id, newest first.
    RowsUpTo { department: Text, user: Text, session: Text, newest: BigInt, limit: BigInt }
    -> (BigInt, Text, Text, BigInt, Nullable<Text>),
    "select id, role, content, created_at_us, metadata from chatbot_messages
     where department = ? and user_id = ? and session_id = ? and id <= ? order by id desc limit ?"
}

statement! {
    /// Whole rows from an id on, oldest first.
    RowsFrom { department: Text, user: Text, session: Text, oldest: BigInt, limit: BigInt }
    -> (BigInt, Text, Text, BigInt, Nullable<Text>),
    "select id, role, content, created_at_us, metadata from chatbot_messages
     where department = ? and user_id = ? and session_id = ? and id >= ? order by id limit ?"
}

statement! {
    /// Adds one row and returns its id.
    Insert {
        department: Text, user: Text, session: Text, role: Text, content: Text, created_at_us: BigInt, metadata: Nullable<Text>,
    }
    -> (BigInt),
    "insert into chatbot_messages (department, user_id, session_id, role, content, created_at_us, metadata)
     values (?, ?, ?, ?, ?, ?, ?) returning id"
}

statement! {
    /// Deletes the rows of a session.
    DeleteSession { department: Text, user: Text, session: Text } -> (),
    "delete from chatbot_messages where department = ? and user_id = ? and session_id = ?"
}

statement! {
    /// Deletes the rows of a user.
    DeleteUser { department: Text, user: Text } -> (),
    "delete from chatbot_messages where department = ? and user_id = ?"
}

statement! {
    /// Touches the table, so that it answers whether it can be read.
    Probe { rows: BigInt } -> (BigInt),
    "select count(*) from (select 1 from chatbot_messages limit ?)"
}
