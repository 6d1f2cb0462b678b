//! What the model is asked: the window, then the query.

use std::sync::Arc;

use hearth_domain::ports::Prompt;
use hearth_domain::{Department, History, Version};

/// The prompt of a query; without a history where the caller wants none.
pub(crate) fn prompt(department: &Department, history: Option<&History>, query: &str) -> Prompt {
    Prompt {
        department: department.clone(),
        system: None,
        history: history.cloned().unwrap_or_else(|| History::empty(Version::ZERO)),
        skipped: 0,
        query: Arc::from(query),
        stream: false,
    }
}
