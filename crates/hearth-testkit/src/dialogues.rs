//! Fifty conversations that people really had, for tests that want input which nobody here made up. `data/NOTICE.md` says whose they are.

use hearth_domain::{ConversationKey, Role, Turn};
use serde::Deserialize;

use crate::build;

/// The sample as it lies in the tree: JSON Lines, in the format of `hearth import`.
pub const SAMPLE_JSONL: &str = include_str!("../data/dialogues-50.jsonl");

/// One conversation from its first to its last message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialogue {
    /// The tenant.
    pub department: String,
    /// The customer.
    pub user: String,
    /// The conversation's id.
    #[serde(rename = "chatsession_id")]
    pub session: String,
    /// What was said, oldest first.
    pub messages: Vec<DialogueMessage>,
}

/// One message of a dialogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialogueMessage {
    /// The customer or the agent.
    pub role: Role,
    /// What was said.
    pub content: String,
}

impl Dialogue {
    /// The conversation's key.
    #[must_use]
    pub fn key(&self) -> ConversationKey {
        build::key(&self.department, &self.user, &self.session)
    }

    /// The dialogue as turns: each question with its answers, an unanswered last question alone.
    #[must_use]
    pub fn turns(&self) -> Vec<Turn> {
        self.messages
            .chunk_by(|_, next| next.role.is_answer())
            .map(|messages| {
                let messages: Vec<_> = messages
                    .iter()
                    .map(|message| build::message(message.role, &message.content))
                    .collect();
                build::turn(&messages)
            })
            .collect()
    }
}

/// The sample: all shapes occur, and several dialogues of one user.
#[must_use]
pub fn sample() -> Vec<Dialogue> {
    SAMPLE_JSONL
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use super::*;

    #[test]
    fn the_sample_has_every_shape() {
        let sample = sample();
        assert_eq!(sample.len(), 50);
        let lengths: BTreeSet<usize> = sample.iter().map(|dialogue| dialogue.messages.len()).collect();
        assert_eq!(lengths, BTreeSet::from([2, 3, 4, 6, 8]));
        let contents = sample.iter().flat_map(|dialogue| &dialogue.messages);
        assert!(
            contents
                .map(|message| &message.content)
                .any(|content| !content.is_ascii())
        );
        let mut of_user: HashMap<&str, usize> = HashMap::new();
        for dialogue in &sample {
            *of_user.entry(&dialogue.user).or_default() += 1;
        }
        assert!(of_user.values().any(|dialogues| *dialogues >= 8));
        let keys: BTreeSet<ConversationKey> = sample.iter().map(Dialogue::key).collect();
        assert_eq!(keys.len(), 50);
    }

    #[test]
    fn turns_are_questions_with_their_answers() {
        for dialogue in sample() {
            let turns = dialogue.turns();
            let said: usize = turns.iter().map(|turn| turn.messages().len()).sum();
            assert_eq!(said, dialogue.messages.len());
            for turn in &turns {
                let roles: Vec<Role> = turn.messages().iter().map(|message| message.role()).collect();
                assert!(roles == [Role::User, Role::Assistant] || roles == [Role::User]);
            }
        }
    }
}
