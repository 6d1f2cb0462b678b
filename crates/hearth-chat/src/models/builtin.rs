//! The built-in model: needs no network, understands nothing, and says so. Its answers show the history at work.

use std::future::{Future, ready};
use std::pin::Pin;

use hearth_domain::ports::{Answer, ChatModel, Deltas, ModelError, Prompt};
use hearth_domain::{Department, Status};

use crate::prompt::responses;

/// Characters of a query that the answer quotes.
const QUOTED_CHARS_MAX: usize = 200;

/// The built-in model.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuiltinModel;

impl ChatModel for BuiltinModel {
    fn name(&self, _department: &Department) -> &'static str {
        "builtin"
    }

    fn answer<'a>(
        &'a self,
        prompt: Prompt,
        deltas: &'a mut dyn Deltas,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, ModelError>> + Send + 'a>> {
        let given = match responses(&prompt) {
            0 => "no earlier response".to_owned(),
            1 => "1 earlier response".to_owned(),
            responses => format!("{responses} earlier responses"),
        };
        let text = format!(
            "This is Hearth's built-in model: it needs no network and understands nothing. You said \"{}\". \
             It was given {given} of this conversation.",
            quoted(&prompt.query),
        );
        if prompt.stream {
            text.split_inclusive(' ').for_each(|word| deltas.delta(word));
        }
        Box::pin(ready(Ok(Answer {
            text,
            status: Status::Complete,
            usage: None,
        })))
    }
}

fn quoted(query: &str) -> String {
    match query.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{}…", query.get(..end).unwrap_or_default()),
        None => query.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use chrono::DateTime;
    use hearth_domain::{History, MessageId, MessageView, Role, Version, WindowLimits};

    use super::*;

    #[derive(Default)]
    struct Pieces(String);

    impl Deltas for Pieces {
        fn delta(&mut self, text: &str) {
            self.0.push_str(text);
        }
    }

    async fn answer(query: &str) -> String {
        answer_given(History::empty(Version::ZERO), 0, query).await
    }

    async fn answer_given(history: History, skipped: usize, query: &str) -> String {
        let prompt = Prompt {
            department: Department::new("sales").unwrap(),
            system: None,
            history,
            skipped,
            query: query.into(),
            stream: true,
            traceparent: None,
        };
        let mut pieces = Pieces::default();
        let answer = BuiltinModel.answer(prompt, &mut pieces).await.unwrap();
        assert_eq!(answer.text, pieces.0);
        answer.text
    }

    #[tokio::test]
    async fn it_names_the_query_and_what_it_was_given() {
        let text = answer("Hello").await;
        assert!(text.contains("\"Hello\""), "{text}");
        assert!(text.contains("no earlier response"), "{text}");
    }

    #[tokio::test]
    async fn what_the_prompt_leaves_out_was_not_given() {
        let roles = [Role::User, Role::Assistant, Role::User, Role::Assistant];
        let rows: Vec<MessageView<'_>> = (1..)
            .zip(roles)
            .map(|(id, role)| MessageView {
                id: MessageId(id),
                role,
                content: Cow::Borrowed("text"),
                created_at: DateTime::UNIX_EPOCH,
                status: Status::Complete,
            })
            .collect();
        let history = History::from_rows(&rows, Version::ZERO, WindowLimits::default()).unwrap();
        let text = answer_given(history, 2, "Hello").await;
        assert!(text.contains("given 1 earlier response "), "{text}");
    }

    #[tokio::test]
    async fn a_long_query_is_quoted_in_part() {
        let text = answer(&"ü".repeat(16_384)).await;
        assert!(text.len() < 1_000, "{}", text.len());
        assert!(text.contains(&format!("{}…", "ü".repeat(QUOTED_CHARS_MAX))));
    }
}
