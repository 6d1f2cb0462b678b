//! Statements on `chatbot_requests`.

use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use crate::statement::statement;

statement! {
    /// What is known of a request.
    Find { department: Text, user: Text, endpoint: Text, key: Text }
    -> (Binary, Text, Text, Nullable<Binary>, BigInt, Nullable<Text>, Nullable<Text>),
    "select body_hash, session_id, state, owner, lease_until_us, answer, committed from chatbot_requests
     where department = ? and user_id = ? and endpoint = ? and key = ?"
}

statement! {
    /// Notes a request that is claimed for the first time.
    Insert {
        department: Text, user: Text, endpoint: Text, key: Text, body_hash: Binary, session: Text, owner: Binary,
        lease_until_us: BigInt, created_at_us: BigInt,
    }
    -> (),
    "insert into chatbot_requests
         (department, user_id, endpoint, key, body_hash, session_id, state, owner, lease_until_us, created_at_us)
     values (?, ?, ?, ?, ?, ?, 'claimed', ?, ?, ?)"
}

statement! {
    /// Gives a request to an owner.
    Grant { owner: Binary, lease_until_us: BigInt, department: Text, user: Text, endpoint: Text, key: Text } -> (),
    "update chatbot_requests set owner = ?, lease_until_us = ?
     where department = ? and user_id = ? and endpoint = ? and key = ?"
}

statement! {
    /// Finds a request that is this owner's to complete.
    FindOwned { department: Text, user: Text, endpoint: Text, key: Text, owner: Binary } -> (BigInt),
    "select id from chatbot_requests
     where department = ? and user_id = ? and endpoint = ? and key = ? and owner = ? and state = 'claimed'"
}

statement! {
    /// Notes the answer of a request that is this owner's.
    Complete {
        answer: Text, committed: Nullable<Text>, department: Text, user: Text, endpoint: Text, key: Text, owner: Binary,
    }
    -> (),
    "update chatbot_requests set state = 'answered', answer = ?, committed = ?
     where department = ? and user_id = ? and endpoint = ? and key = ? and owner = ? and state = 'claimed'"
}

statement! {
    /// Takes a request from its owner; its session and its body stay.
    Release { department: Text, user: Text, endpoint: Text, key: Text, owner: Binary } -> (),
    "update chatbot_requests set owner = null
     where department = ? and user_id = ? and endpoint = ? and key = ? and owner = ? and state = 'claimed'"
}

statement! {
    /// Blanks the answers about a session.
    EraseSession { department: Text, user: Text, session: Text } -> (),
    "update chatbot_requests set state = 'erased', answer = null, committed = null
     where department = ? and user_id = ? and session_id = ? and state = 'answered'"
}

statement! {
    /// Blanks the answers to a user.
    EraseUser { department: Text, user: Text } -> (),
    "update chatbot_requests set state = 'erased', answer = null, committed = null
     where department = ? and user_id = ? and state = 'answered'"
}

statement! {
    /// Deletes those of the oldest requests that are old enough and that nobody works on: it looks at no more rows than it may delete.
    Forget { limit: BigInt, created_at_us: BigInt, now_us: BigInt } -> (),
    "delete from chatbot_requests where id in (
         select id from (
             select id, created_at_us, state, owner, lease_until_us from chatbot_requests order by id limit ?
         )
         where created_at_us <= ? and (state <> 'claimed' or owner is null or lease_until_us <= ?)
     )"
}
