//! The rows of a session as the store has them, never from memory.

use crate::server::{Server, messages_path};

/// One message of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) role: String,
    pub(crate) content: String,
}

impl Row {
    fn of(message: &serde_json::Value) -> Self {
        Self {
            id: message["id"].as_i64().unwrap(),
            role: message["role"].as_str().unwrap().to_owned(),
            content: message["content"].as_str().unwrap().to_owned(),
        }
    }
}

/// All rows of a session of department `d` and user `u`, page by page from the store, oldest first.
pub(crate) async fn rows(server: &Server, session: &str) -> Vec<Row> {
    let mut pages = Vec::new();
    let mut before = String::new();
    loop {
        let page = server
            .get(&format!("{}&limit=200{before}", messages_path(session)))
            .await;
        let messages = page["messages"].as_array().unwrap();
        pages.push(messages.iter().map(Row::of).collect::<Vec<_>>());
        match page["before"].as_i64() {
            Some(id) => before = format!("&before={id}"),
            None => break,
        }
    }
    pages.reverse();
    pages.concat()
}
