//! Statements that find sessions. Each walks the index from one session to the next, so that it costs sessions, not messages. Their rows
//! come as they are found: whoever has enough stops reading.

use diesel::sql_types::{BigInt, Nullable, Text};

use crate::statement::statement;

statement! {
    /// The sessions of a user that have messages, in the order of their ids.
    SessionsOfUser { department: Text, user: Text } -> (Text),
    "with recursive
     asked (department, user_id) as (values (?, ?)),
     found (session_id) as (
         select (
             select min(m.session_id) from chatbot_messages m
             where m.department = asked.department and m.user_id = asked.user_id
         )
         from asked
         union all
         select (
             select min(m.session_id) from chatbot_messages m
             where m.department = asked.department and m.user_id = asked.user_id and m.session_id > found.session_id
         )
         from found, asked where found.session_id is not null
     )
     select session_id from found where session_id is not null"
}

statement! {
    /// The sessions of a user with their version, their first and newest time, and their end; newest activity first, then by id.
    SummariesOfUser { department: Text, user: Text } -> (Text, BigInt, BigInt, BigInt, Nullable<BigInt>),
    "with recursive
     asked (department, user_id) as (values (?, ?)),
     found (session_id) as (
         select (
             select min(m.session_id) from chatbot_messages m
             where m.department = asked.department and m.user_id = asked.user_id
         )
         from asked
         union all
         select (
             select min(m.session_id) from chatbot_messages m
             where m.department = asked.department and m.user_id = asked.user_id and m.session_id > found.session_id
         )
         from found, asked where found.session_id is not null
     )
     select found.session_id, coalesce(s.version, 0),
         (
             select m.created_at_us from chatbot_messages m
             where m.department = asked.department and m.user_id = asked.user_id and m.session_id = found.session_id
             order by m.id limit 1
         ),
         (
             select m.created_at_us from chatbot_messages m
             where m.department = asked.department and m.user_id = asked.user_id and m.session_id = found.session_id
             order by m.id desc limit 1
         ) as last_active_at_us,
         s.ended_at_us
     from asked, found
     left join chatbot_sessions s
         on s.department = asked.department and s.user_id = asked.user_id and s.session_id = found.session_id
     where found.session_id is not null
     order by last_active_at_us desc, found.session_id"
}

statement! {
    /// The keys after a key, in their order: the user's next session, or the department's next user, or the next department. One comparison of
    /// the three as a row would say the same, but SQLite then seeks by the department alone.
    KeysAfter { department: Text, user: Text, session: Text } -> (Text, Text, Text),
    "with recursive found (department, user_id, session_id) as (
         values (?, ?, ?)
         union all
         select m.department, m.user_id, m.session_id from found, chatbot_messages m
         where m.id = coalesce((
             select n.id from chatbot_messages n
             where n.department = found.department and n.user_id = found.user_id and n.session_id > found.session_id
             order by n.session_id limit 1
         ), (
             select n.id from chatbot_messages n
             where n.department = found.department and n.user_id > found.user_id
             order by n.user_id, n.session_id limit 1
         ), (
             select n.id from chatbot_messages n
             where n.department > found.department
             order by n.department, n.user_id, n.session_id limit 1
         ))
     )
     select department, user_id, session_id from found limit -1 offset 1"
}

statement! {
    /// The keys of the newest messages, newest first, each as often as it comes.
    KeysOfNewestMessages { limit: BigInt } -> (Text, Text, Text),
    "select department, user_id, session_id from chatbot_messages order by id desc limit ?"
}

#[cfg(test)]
mod tests {
    use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types};

    use super::*;
    use crate::config::SqliteConfig;
    use crate::connection::Place;
    use crate::migrate::run_pending;
    use crate::queries::messages::{NewestRows, RowsFrom, RowsUpTo};
    use crate::queries::turns::ResponseOfTurn;

    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = sql_types::Text)]
        detail: String,
    }

    /// How SQLite goes about a statement, as far as the messages are concerned.
    fn searches(text: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::prepare(&SqliteConfig::new(directory.path().join("hearth.db"))).unwrap();
        let mut connection = place.open_writer().unwrap();
        run_pending(&mut connection, &place).unwrap();
        let explain = format!("explain query plan {}", text.replace('?', "'x'"));
        let steps = sql_query(explain).load::<Step>(&mut connection).unwrap();
        let searches = steps.into_iter().map(|step| step.detail);
        searches
            .filter_map(|step| {
                let (_, search) = step.rsplit_once("chatbot_messages")?;
                Some(search.trim_start_matches("_by_session ").to_owned())
            })
            .collect()
    }

    #[test]
    fn every_search_begins_in_the_index_at_its_place() {
        let of_user = "(department=? AND user_id=?)";
        let next = "(department=? AND user_id=? AND session_id>?)";
        let session = "(department=? AND user_id=? AND session_id=?)";
        assert_eq!(searches(SessionsOfUser::TEXT), [of_user, next]);
        assert_eq!(searches(SummariesOfUser::TEXT), [of_user, next, session, session]);
        assert_eq!(
            searches(KeysAfter::TEXT),
            [next, "(department=? AND user_id>?)", "(department>?)"]
        );
        assert_eq!(
            searches(KeysOfNewestMessages::TEXT),
            [""],
            "backwards through the table itself"
        );
        assert_eq!(searches(NewestRows::TEXT), [session]);
        assert_eq!(searches(ResponseOfTurn::TEXT), [session]);
        assert_eq!(
            searches(RowsUpTo::TEXT),
            ["(department=? AND user_id=? AND session_id=? AND id<?)"]
        );
        assert_eq!(
            searches(RowsFrom::TEXT),
            ["(department=? AND user_id=? AND session_id=? AND id>?)"]
        );
    }
}
