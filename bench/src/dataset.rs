//! What the sessions of a measurement say: sessions are numbered, and their keys and messages follow from the number, so that SQL, a Lua
//! script and this program make the same ones.

use std::borrow::Cow;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, Utc};
use hearth_domain::{ConversationKey, History, MessageId, MessageView, Role, Status, Version, WindowLimits};
use hearth_testkit::build;
use hearth_testkit::dialogues::{self, Dialogue};

/// Added to a session's number in its ids, so that all of them have twelve digits.
pub(crate) const FIRST: u64 = 100_000_000_000;

/// When all messages were written, in microseconds since the epoch; stored times have microseconds.
const WRITTEN_AT_MICROSECONDS: i64 = 1_767_225_600_123_456;

/// Numbered sessions.
#[derive(Debug, Clone)]
pub(crate) struct Dataset {
    /// As it stands in the table and in names of databases.
    pub(crate) name: &'static str,
    pub(crate) department: &'static str,
    /// What a session id begins with; the number follows.
    pub(crate) session_prefix: &'static str,
    pub(crate) users: Users,
    /// What is said; session n says what is at n modulo its length.
    pub(crate) said: Vec<Vec<Said>>,
    pub(crate) sessions: u64,
}

/// How user ids follow from a session's number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Users {
    /// `user-` and the session's twelve digits: each session has a user of its own.
    OneASession,
    /// `worker-` and three digits: 900 users share the sessions.
    Workers,
}

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) role: Role,
    pub(crate) content: String,
}

impl Dataset {
    /// Sessions of 10 messages of 200 bytes under ids as Hearth makes them: UUIDs.
    pub(crate) fn synthetic(sessions: u64) -> Self {
        Self::of_size("synthetic", sessions, 10, 200)
    }

    /// The same sessions under another name, so that they get a database of their own.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Sessions of so many messages of so many bytes.
    pub(crate) fn of_size(name: &'static str, sessions: u64, messages: usize, bytes: usize) -> Self {
        const CONTENT: &str = "How long should an egg boil until it is neither soft nor hard, and what changes if it comes \
                               straight from the fridge? Please answer in minutes, and say at which height above sea level that is tr";
        let said = (0..messages)
            .map(|place| Said {
                role: if place % 2 == 0 {
                    Role::User
                } else {
                    Role::Assistant
                },
                content: CONTENT.chars().cycle().take(bytes).collect(),
            })
            .collect();
        Self {
            name,
            department: "bench",
            session_prefix: "01996b3e-0000-7000-8000-",
            users: Users::OneASession,
            said: vec![said],
            sessions,
        }
    }

    /// Real dialogues, repeated under other ids of the same lengths as their own.
    pub(crate) fn dialogues(dialogues: &[Dialogue], sessions: u64) -> Self {
        let said = dialogues.iter().map(|dialogue| {
            let messages = dialogue.messages.iter().map(|message| Said {
                role: message.role,
                content: message.content.clone(),
            });
            messages.collect()
        });
        Self {
            name: "dialogues",
            department: "coffee",
            session_prefix: "dlg-881444f3-24fc-4e54-ac61-",
            users: Users::Workers,
            said: said.collect(),
            sessions,
        }
    }

    /// The key of a session.
    pub(crate) fn key(&self, session: u64) -> ConversationKey {
        let user = match self.users {
            Users::OneASession => format!("user-{}", FIRST + session),
            Users::Workers => format!("worker-{}", 100 + session % 900),
        };
        build::key(
            self.department,
            &user,
            &format!("{}{}", self.session_prefix, FIRST + session),
        )
    }

    /// The keys of these sessions.
    pub(crate) fn keys(&self, sessions: &[u64]) -> Vec<ConversationKey> {
        sessions.iter().map(|session| self.key(*session)).collect()
    }

    /// All sessions in an order that a seed chooses.
    pub(crate) fn shuffled(&self, seed: u64) -> Vec<u64> {
        let mut order: Vec<u64> = (0..self.sessions).collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
        order
    }

    /// The session of a key that [`Dataset::key`] made.
    pub(crate) fn session_of(&self, key: &ConversationKey) -> Option<u64> {
        let number: u64 = key
            .session
            .as_str()
            .strip_prefix(self.session_prefix)?
            .parse()
            .ok()?;
        number
            .checked_sub(FIRST)
            .filter(|session| *session < self.sessions)
    }

    /// What a session says.
    pub(crate) fn messages(&self, session: u64) -> &[Said] {
        let place = usize::try_from(session).unwrap_or(0).checked_rem(self.said.len());
        place
            .and_then(|place| self.said.get(place))
            .map_or(&[], Vec::as_slice)
    }

    /// What one turn of a session adds: a query and its response.
    pub(crate) fn exchange(&self) -> Result<[&str; 2]> {
        let said = self.said.first().context("nothing is said")?;
        let [query, response, ..] = said.as_slice() else {
            bail!("less than an exchange is said");
        };
        Ok([&query.content, &response.content])
    }

    /// A session's history, as a store would load it.
    pub(crate) fn history(&self, session: u64) -> Result<History> {
        let created_at: DateTime<Utc> =
            DateTime::from_timestamp_micros(WRITTEN_AT_MICROSECONDS).context("the time is out of range")?;
        // As long as those of a table that holds these sessions and no more.
        let first = i64::try_from(session * 16 + 1)?;
        let views: Vec<MessageView<'_>> = (first..)
            .zip(self.messages(session))
            .map(|(id, said)| MessageView {
                id: MessageId(id),
                role: said.role,
                content: Cow::Borrowed(&said.content),
                created_at,
                status: Status::Complete,
            })
            .collect();
        Ok(History::from_rows(
            &views,
            Version::new(5)?,
            WindowLimits::default(),
        )?)
    }

    /// All messages, and the bytes of their contents.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let (mut messages, mut bytes) = (0, 0);
        for session in 0..self.sessions {
            let said = self.messages(session);
            messages += crate::measure::count(said.len());
            bytes += said
                .iter()
                .map(|said| crate::measure::count(said.content.len()))
                .sum::<u64>();
        }
        (messages, bytes)
    }
}

/// Reads real dialogues: the named file, else the one beside the checkout, else the sample of the test kit. Says where they are from.
///
/// # Errors
///
/// Where a file is there and cannot be read.
pub(crate) fn read_dialogues(named: Option<&Path>) -> Result<(Vec<Dialogue>, String)> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/dialogues.jsonl");
    let path = named.or_else(|| beside.is_file().then_some(beside.as_path()));
    let Some(path) = path else {
        let sample = dialogues::sample();
        let source = format!("{} dialogues of the sample", sample.len());
        return Ok((sample, source));
    };
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let read: Vec<Dialogue> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} has a line that is no dialogue", path.display()))?;
    ensure!(!read.is_empty(), "{} has no dialogue", path.display());
    let source = format!("{} real dialogues", read.len());
    Ok((read, source))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_follow_from_numbers_and_back() {
        let sample = dialogues::sample();
        for dataset in [Dataset::synthetic(2_000), Dataset::dialogues(&sample, 2_000)] {
            let keys: HashSet<ConversationKey> = (0..2_000).map(|session| dataset.key(session)).collect();
            assert_eq!(keys.len(), 2_000);
            for session in [0, 7, 1_999] {
                assert_eq!(dataset.session_of(&dataset.key(session)), Some(session));
            }
            assert_eq!(dataset.session_of(&dataset.key(2_000)), None);
        }
    }

    #[test]
    fn ids_of_dialogues_have_the_length_of_their_own() {
        let sample = dialogues::sample();
        let own = sample.first().unwrap().key();
        let other = Dataset::dialogues(&sample, 10).key(3);
        assert_eq!(other.department, own.department);
        assert_eq!(other.user.as_str().len(), own.user.as_str().len());
        assert_eq!(other.session.as_str().len(), own.session.as_str().len());
    }

    #[test]
    fn histories_hold_what_was_said() {
        let long = Dataset::of_size("long", 3, 60, 1_000).history(1).unwrap();
        assert_eq!((long.len(), long.responses()), (60, 30));
        assert!(long.messages().all(|message| message.content.len() == 1_000));
        let synthetic = Dataset::synthetic(3);
        let history = synthetic.history(2).unwrap();
        assert_eq!((history.len(), history.responses()), (10, 5));
        assert!(history.messages().all(|message| message.content.len() == 200));
        assert_eq!(synthetic.totals(), (30, 6_000));
        let real = Dataset::dialogues(&dialogues::sample(), 100);
        assert_eq!(real.history(57).unwrap().len(), real.messages(7).len());
    }

    #[test]
    fn orders_are_complete_and_differ_by_seed() {
        let dataset = Dataset::synthetic(1_000);
        let (one, other) = (dataset.shuffled(1), dataset.shuffled(2));
        assert_ne!(one, other);
        assert_eq!(one, dataset.shuffled(1));
        assert_eq!(one.iter().collect::<HashSet<_>>().len(), 1_000);
    }
}
