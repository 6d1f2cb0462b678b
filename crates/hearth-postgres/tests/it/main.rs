//! What PostgreSQL alone has to show: adoption, migrations, encryption, plans, faults.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

mod adoption;
mod commits;
mod doubts;
mod faults;
mod feed;
mod feed_stall;
mod fence;
mod grouping;
mod legacy;
mod loads;
mod log;
mod notices;
mod refused_turns;
mod request_crowds;
mod requests;
mod runtimes;
mod schema;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod trigger;
mod troubles;
mod unfit_rows;

use std::time::Duration;

use hearth_domain::ports::{AppendError, HistoryStore};
use hearth_domain::{Append, Committed, ConversationKey, NewMessage, Role, Turn, WindowLimits};
use tokio_postgres::Client;

fn key(session: &str) -> ConversationKey {
    ConversationKey::parse("support", "ada", session).unwrap()
}

/// A turn of a question and its answer.
fn append(session: &str, question: &str) -> Append {
    let messages = [(Role::User, question), (Role::Assistant, "answer")];
    let message = |(role, content)| NewMessage::new(role, content).unwrap();
    let turn = Turn::new(messages.into_iter().map(message).collect()).unwrap();
    Append::new(key(session), turn)
}

async fn append_one(store: &impl HistoryStore, append: Append) -> Result<Committed, AppendError> {
    let mut answers = store.append(&[append]).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// The contents of a session's window.
async fn contents(store: &impl HistoryStore, session: &str) -> Vec<String> {
    let mut lookups = store
        .load(&[key(session)], WindowLimits::default())
        .await
        .unwrap();
    let history = lookups.remove(0).into_history();
    history
        .messages()
        .map(|message| message.content.into_owned())
        .collect()
}

/// Ends the store's connections.
const TERMINATE_STORE: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                               WHERE application_name = 'hearth' AND datname = current_database()";

/// Whether a statement of the store waits for a lock.
const WAITS_FOR_LOCK: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'hearth'
                              AND datname = current_database() AND wait_event_type = 'Lock'";

/// Waits until a query's one value is true.
async fn until(client: &Client, query: &str) {
    let polling = async {
        let mut poll = tokio::time::interval(Duration::from_millis(10));
        while !client.query_one(query, &[]).await.unwrap().get::<_, bool>(0) {
            poll.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), polling)
        .await
        .unwrap();
}
