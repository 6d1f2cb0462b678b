//! Statements that find turns.

use diesel::sql_types::{BigInt, Nullable, Text};

use crate::statement::statement;

statement! {
    /// The response whose metadata names a turn, among the newest messages of the user's sessions that were active last.
    ResponseOfTurn { department: Text, user: Text, turn: Text, sessions: BigInt, messages: BigInt }
    -> (Text, BigInt, Text, Text, BigInt, Nullable<Text>),
    "with
     asked (department, user_id, turn_id) as (values (?, ?, ?)),
     active (session_id) as (
         select s.session_id from asked, chatbot_sessions s
         where s.department = asked.department and s.user_id = asked.user_id
         order by s.last_active_at_us desc, s.session_id limit ?
     )
     select active.session_id, m.id, m.role, m.content, m.created_at_us, m.metadata
     from asked, active, chatbot_messages m
     where m.id in (
         select newest.id from chatbot_messages newest
         where newest.department = asked.department and newest.user_id = asked.user_id
             and newest.session_id = active.session_id
         order by newest.id desc limit ?
     )
     and m.role = 'assistant' and json_extract(m.metadata, '$.turn_id') = asked.turn_id
     limit 1"
}
