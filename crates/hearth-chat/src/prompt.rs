//! What the model is asked: the window, then the query.

use std::sync::Arc;

use hearth_domain::ports::Prompt;
use hearth_domain::{History, Version};

/// The prompt of a query; without a history where the caller wants none.
pub(crate) fn prompt(history: Option<&History>, query: &str) -> Prompt {
    Prompt {
        history: history.cloned().unwrap_or_else(|| History::empty(Version::ZERO)),
        query: Arc::from(query),
    }
}
