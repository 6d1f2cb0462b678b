//! The messages of a request, in a form that every server takes.

use std::borrow::Cow;

use hearth_domain::Role;
use hearth_domain::json::write_string;
use hearth_domain::ports::Prompt;

/// What introduces a stored tool result.
const TOOL_RESULT: &str = "Tool result:\n";

/// What stands between two messages that are sent as one.
const JOINT: &str = "\n\n";

/// Who says something to a model, or is said to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    System,
    User,
    Assistant,
}

impl Side {
    const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// Appends the messages as a JSON array.
pub(super) fn write_messages(out: &mut Vec<u8>, prompt: &Prompt) {
    let mut said = Said::default();
    if let Some(system) = &prompt.system {
        said.add(Side::System, Cow::Borrowed(system));
    }
    let stored = prompt.messages().filter(|message| message.role == Role::System);
    stored.for_each(|message| said.add(Side::System, message.content));
    for message in prompt.messages() {
        match message.role {
            Role::System => {}
            Role::User => said.add(Side::User, message.content),
            Role::Assistant => said.add(Side::Assistant, message.content),
            Role::Tool => said.add(Side::User, format!("{TOOL_RESULT}{}", message.content).into()),
        }
    }
    said.add(Side::User, Cow::Borrowed(&prompt.query));
    said.write(out);
}

/// Messages of which no two neighbours are of one side.
#[derive(Default)]
struct Said<'a>(Vec<(Side, Cow<'a, str>)>);

impl<'a> Said<'a> {
    fn add(&mut self, side: Side, content: Cow<'a, str>) {
        match self.0.last_mut() {
            Some((last, text)) if *last == side => {
                let text = text.to_mut();
                text.push_str(JOINT);
                text.push_str(&content);
            }
            Some(_) | None => self.0.push((side, content)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut separator = b'[';
        for (side, content) in &self.0 {
            out.push(separator);
            out.extend_from_slice(b"{\"role\":\"");
            out.extend_from_slice(side.as_str().as_bytes());
            out.extend_from_slice(b"\",\"content\":");
            write_string(out, content);
            out.push(b'}');
            separator = b',';
        }
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use hearth_domain::{Department, History, MessageId, MessageView, Status, Version, WindowLimits};
    use serde_json::{Value, json};

    use super::*;

    fn check(system: Option<&str>, stored: &[(Role, &str)], expected: &Value) {
        let rows: Vec<MessageView<'_>> = stored
            .iter()
            .zip(1..)
            .map(|((role, content), id)| MessageView {
                id: MessageId(id),
                role: *role,
                content: Cow::Borrowed(*content),
                created_at: DateTime::UNIX_EPOCH,
                status: Status::Complete,
            })
            .collect();
        let prompt = Prompt {
            department: Department::new("d").unwrap(),
            system: system.map(Into::into),
            history: History::from_rows(&rows, Version::ZERO, WindowLimits::default()).unwrap(),
            skipped: 0,
            query: "q".into(),
            stream: false,
            traceparent: None,
        };
        let mut out = Vec::new();
        write_messages(&mut out, &prompt);
        let written: Value = serde_json::from_slice(&out).unwrap();
        let short: Vec<Value> = written
            .as_array()
            .unwrap()
            .iter()
            .map(|message| json!([message["role"], message["content"]]))
            .collect();
        assert_eq!(&Value::from(short), expected);
    }

    #[test]
    fn sides_alternate_and_one_system_message_leads() {
        check(None, &[], &json!([["user", "q"]]));
        check(
            Some("s"),
            &[(Role::User, "a \"b\"\n"), (Role::Assistant, "c")],
            &json!([
                ["system", "s"],
                ["user", "a \"b\"\n"],
                ["assistant", "c"],
                ["user", "q"]
            ]),
        );
        check(
            None,
            &[(Role::User, "a"), (Role::User, "b")],
            &json!([["user", "a\n\nb\n\nq"]]),
        );
        check(
            Some("s"),
            &[
                (Role::User, "a"),
                (Role::Tool, "12"),
                (Role::Assistant, "b"),
                (Role::Assistant, "c"),
                (Role::System, "t"),
            ],
            &json!([
                ["system", "s\n\nt"],
                ["user", "a\n\nTool result:\n12"],
                ["assistant", "b\n\nc"],
                ["user", "q"]
            ]),
        );
        check(
            None,
            &[(Role::Assistant, "Welcome!")],
            &json!([["assistant", "Welcome!"], ["user", "q"]]),
        );
    }
}
