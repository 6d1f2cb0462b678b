//! The cache over a store of one's own: run it with `cargo run -p hearth-cache --example own_store`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashMap;
use std::sync::Arc;

use hearth_cache::{Cache, CacheConfig, Source, Spawner};
use hearth_domain::ports::{
    AppendError, Clock, HistoryStore, Lookup, Page, PageFrom, StoreError, SystemClock,
};
use hearth_domain::{
    Append, Committed, CommittedMessage, ConversationKey, Department, History, Message, MessageId,
    NewMessage, Role, Turn, UserId, Version, WindowLimits,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

/// One lock around everything: the simplest store that keeps the contract, but for durability.
#[derive(Default)]
struct Notes(Mutex<HashMap<ConversationKey, (Version, Vec<Message>)>>);

impl HistoryStore for Notes {
    async fn load(&self, keys: &[ConversationKey], limits: WindowLimits) -> Result<Vec<Lookup>, StoreError> {
        let sessions = self.0.lock().await;
        let lookup = |key| match sessions.get(key) {
            None => Ok(Lookup::New(Version::ZERO)),
            Some((version, rows)) => {
                let rows: Vec<_> = rows.iter().map(Message::view).collect();
                Ok(Lookup::of(History::from_rows(&rows, *version, limits)?))
            }
        };
        keys.iter().map(lookup).collect()
    }

    async fn append(&self, appends: &[Append]) -> Vec<Result<Committed, AppendError>> {
        let mut sessions = self.0.lock().await;
        let commit = |append: &Append| {
            let (current, rows) = sessions.entry(append.key.clone()).or_default();
            if append.if_version.is_some_and(|expected| expected != *current) {
                return Err(AppendError::VersionConflict { current: *current });
            }
            *current = current.next();
            let mut messages = Vec::new();
            for message in append.turn.messages() {
                let id = MessageId(rows.last().map_or(1, |last| last.id.0 + 1));
                let created_at = message
                    .created_at()
                    .unwrap_or_else(|| SystemClock::default().utc());
                messages.push(CommittedMessage { id, created_at });
                let (role, content) = (message.role(), message.content().to_owned());
                let metadata = message.metadata().cloned();
                rows.push(Message {
                    id,
                    role,
                    content,
                    created_at,
                    metadata,
                });
            }
            Ok(Committed {
                version: *current,
                messages,
            })
        };
        appends.iter().map(commit).collect()
    }

    async fn erase(&self, key: &ConversationKey) -> Result<Version, StoreError> {
        let mut sessions = self.0.lock().await;
        let (version, rows) = sessions.entry(key.clone()).or_default();
        rows.clear();
        *version = version.next();
        Ok(*version)
    }

    // What follows the cache only hands through: pages of long sessions, ends, a user's erasure, health.
    async fn page(&self, key: &ConversationKey, from: PageFrom, limit: u16) -> Result<Page, StoreError> {
        let sessions = self.0.lock().await;
        let rows = sessions.get(key).map(|(_, rows)| &**rows).unwrap_or_default();
        let (range, newest) = match from {
            PageFrom::Newest => (0..rows.len(), true),
            PageFrom::Before(id) => (0..rows.partition_point(|row| row.id < id), true),
            PageFrom::Oldest => (0..rows.len(), false),
            PageFrom::After(id) => (rows.partition_point(|row| row.id <= id)..rows.len(), false),
        };
        let left_out = range.len().saturating_sub(limit.into());
        let skipped = range.start + if newest { left_out } else { 0 };
        let messages = rows
            .iter()
            .skip(skipped)
            .take(range.len() - left_out)
            .cloned()
            .collect();
        Ok(Page {
            messages,
            more: left_out > 0,
        })
    }

    async fn end(&self, _key: &ConversationKey) -> Result<(), StoreError> {
        Ok(())
    }

    async fn erase_user(
        &self,
        department: &Department,
        user: &UserId,
    ) -> Result<Vec<ConversationKey>, StoreError> {
        let mut sessions = self.0.lock().await;
        let of_user = sessions
            .iter_mut()
            .filter(|(key, _)| key.department == *department && key.user == *user);
        let erased = of_user.filter_map(|(key, (version, rows))| {
            *version = version.next();
            let had_messages = !rows.is_empty();
            rows.clear();
            had_messages.then(|| key.clone())
        });
        Ok(erased.collect())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::new(
        Arc::new(Notes::default()),
        CacheConfig::default(),
        Arc::new(SystemClock::default()),
        Spawner::new(Handle::current()),
    );
    let key = ConversationKey::parse("kitchen", "ada", "42")?;
    let append = Append {
        key: key.clone(),
        turn: Turn::new(vec![
            NewMessage::new(Role::User, "How long do eggs take?")?,
            NewMessage::new(Role::Assistant, "Seven minutes.")?,
        ])?,
        if_version: None,
        read_version: None,
        completes: None,
    };
    let committed = cache.append(append).await?;
    println!("committed version {}", committed.version);

    for name in ["first", "second"] {
        let reading = cache.history(&key).await?;
        println!(
            "the {name} read came from {} and has {} messages",
            reading.source().as_str(),
            reading.history().len(),
        );
    }
    assert_eq!(cache.history(&key).await?.source(), Source::Memory);

    let queries = cache.performance().figures.queries;
    println!(
        "{} query was issued, {} were saved",
        queries.issued, queries.saved
    );
    Ok(())
}
