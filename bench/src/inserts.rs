//! The statements of programs that write a turn themselves, as scripts of pgbench: the other side of appends. A turn is two messages of
//! 200 bytes, added to a session at random; whatever a statement does is one transaction, and one trip to PostgreSQL.

use anyhow::Result;

use crate::dataset::{Dataset, FIRST};
use crate::pgbench::Pgbench;

/// Inserts the two messages, and no more: what most programs do.
///
/// # Errors
///
/// Where the dataset says nothing.
pub(crate) fn plain_turn(dataset: &Dataset, clients: u32) -> Result<Pgbench> {
    let messages = messages(dataset, "")?;
    Ok(pgbench(dataset, clients, &messages))
}

/// Inserts the two messages, raises the session's version, and tells others of it: what Hearth does for a turn.
///
/// # Errors
///
/// Where the dataset says nothing.
pub(crate) fn told_turn(dataset: &Dataset, clients: u32) -> Result<Pgbench> {
    let key = key(dataset);
    let messages = messages(dataset, " FROM raised")?;
    let statement = format!(
        "WITH raised AS ( \
             INSERT INTO chatbot_sessions AS s (department, user_id, session_id, version, started_at, last_active_at) \
             VALUES ({key}, 1, clock_timestamp(), clock_timestamp()) \
             ON CONFLICT (department, user_id, session_id) DO UPDATE \
             SET version = s.version + 1, last_active_at = excluded.last_active_at, ended_at = NULL \
             RETURNING s.department, s.user_id, s.session_id, s.version \
         ), added AS ({messages}) \
         SELECT pg_notify('hearth_changes', '[\"00000000-0000-7000-8000-000000000000\",[' || \
             json_build_array(department, user_id, session_id, version)::text || ']]') FROM raised"
    );
    Ok(pgbench(dataset, clients, &statement))
}

/// Inserts one message: what a program that was there before Hearth does.
///
/// # Errors
///
/// Where the dataset says nothing.
pub(crate) fn one_message(dataset: &Dataset, clients: u32) -> Result<Pgbench> {
    let [query, _] = dataset.exchange()?;
    let statement = format!(
        "INSERT INTO chatbot_messages (department, user_id, session_id, role, content) \
         VALUES ({}, 'user', {})",
        key(dataset),
        sql_text(query)
    );
    Ok(pgbench(dataset, clients, &statement))
}

fn messages(dataset: &Dataset, from: &str) -> Result<String> {
    let [query, response] = dataset.exchange()?.map(sql_text);
    let key = key(dataset);
    Ok(if from.is_empty() {
        format!(
            "INSERT INTO chatbot_messages (department, user_id, session_id, role, content) \
             VALUES ({key}, 'user', {query}), ({key}, 'assistant', {response})"
        )
    } else {
        format!(
            "INSERT INTO chatbot_messages (department, user_id, session_id, role, content) \
             SELECT department, user_id, session_id, role, content{from} \
             CROSS JOIN (VALUES ('user', {query}), ('assistant', {response})) AS said (role, content)"
        )
    })
}

fn pgbench(dataset: &Dataset, clients: u32, statement: &str) -> Pgbench {
    let last = FIRST + dataset.sessions - 1;
    Pgbench {
        script: format!("\\set n random({FIRST}, {last})\n{statement};\n"),
        clients,
    }
}

/// The key of session `:n`. These scripts are for sessions that have a user each.
fn key(dataset: &Dataset) -> String {
    format!(
        "'{}', 'user-' || :n, '{}' || :n",
        dataset.department, dataset.session_prefix
    )
}

/// A literal. A colon would begin a variable of pgbench's; none of our texts has one.
fn sql_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_one_statement_of_one_session() {
        let dataset = Dataset::synthetic(1_000);
        for pgbench in [
            plain_turn(&dataset, 32),
            told_turn(&dataset, 32),
            one_message(&dataset, 32),
        ] {
            let script = pgbench.unwrap().script;
            assert!(
                script.starts_with("\\set n random(100000000000, 100000000999)\n"),
                "{script}"
            );
            assert_eq!(script.matches(';').count(), 1, "{script}");
            let without_n = script.replace(":n", "").replace("::text", "");
            assert!(!without_n.contains(':'), "{script}");
        }
        assert_eq!(sql_text("it's"), "'it''s'");
    }
}
