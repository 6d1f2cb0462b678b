//! What the model is asked: the system prompt, then the window or its newest part, then the query.

mod budget;

use std::collections::HashMap;
use std::sync::Arc;

use hearth_domain::ports::Prompt;
use hearth_domain::{Department, History, Role, Version};

/// What prompts are made of beside the conversation.
#[derive(Debug, Clone, Default)]
pub struct PromptConfig {
    /// What a model is told before all else.
    pub system: Option<Arc<str>>,
    /// What it is told in these departments instead; an empty text tells it nothing.
    pub departments: HashMap<Department, Arc<str>>,
    /// Tokens in a prompt, at most; zero where the window alone bounds it.
    ///
    /// Tokens are estimated, deliberately high: one for each three bytes of content, and four a message. Text in Latin letters has
    /// fewer; Chinese, Japanese and Korean in UTF-8 come out about right with current tokenizers. Leave room for the response.
    pub max_tokens: u32,
}

impl PromptConfig {
    /// What a department's model is told before all else.
    #[must_use]
    pub fn system(&self, department: &Department) -> Option<&Arc<str>> {
        self.departments
            .get(department)
            .or(self.system.as_ref())
            .filter(|text| !text.is_empty())
    }
}

/// The prompt of a query; without a history where the caller wants none.
///
/// The history's oldest exchanges, a question with its answers each, are left out as a whole where the budget or the providers' caches
/// ask for it: see [`budget::first_kept`].
pub(crate) fn prompt(
    config: &PromptConfig,
    department: &Department,
    history: Option<&History>,
    query: &str,
    stream: bool,
) -> Prompt {
    let system = config.system(department).cloned();
    let history = history.cloned().unwrap_or_else(|| History::empty(Version::ZERO));
    let skipped = budget::first_kept(&history, system.as_deref(), query, config.max_tokens);
    Prompt {
        department: department.clone(),
        system,
        history,
        skipped,
        query: Arc::from(query),
        stream,
        traceparent: None,
    }
}

/// The responses that the prompt gives to the model.
pub(crate) fn responses(prompt: &Prompt) -> u16 {
    let left_out = prompt.history.roles().take(prompt.skipped);
    let left_out = left_out.filter(|role| *role == Role::Assistant).count();
    prompt
        .history
        .responses()
        .saturating_sub(u16::try_from(left_out).unwrap_or(u16::MAX))
}

/// Whether the session has older messages than the prompt gives to the model.
pub(crate) const fn is_truncated(prompt: &Prompt) -> bool {
    prompt.history.is_truncated() || prompt.skipped > 0
}

#[cfg(test)]
mod tests;
