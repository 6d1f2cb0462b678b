//! A chat over a model of one's own, in one process: the second answer knows the first.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use hearth_cache::{Cache, CacheConfig, Spawner};
use hearth_chat::{Chat, ChatConfig, ChatRequest};
use hearth_domain::ports::{Answer, ChatModel, Deltas, ModelError, Prompt, SystemClock};
use hearth_domain::{Department, MemoryStore, NewMessage, Role, SessionId, Status, UserId};

/// Repeats what was said first.
struct Parrot;

impl ChatModel for Parrot {
    fn name(&self, _department: &Department) -> &'static str {
        "parrot"
    }

    fn answer<'a>(
        &'a self,
        prompt: Prompt,
        _deltas: &'a mut dyn Deltas,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, ModelError>> + Send + 'a>> {
        let first = prompt
            .messages()
            .next()
            .map(|message| message.content.into_owned());
        let text = first.unwrap_or_else(|| "You have not said anything before.".to_owned());
        Box::pin(ready(Ok(Answer {
            text,
            status: Status::Complete,
            usage: None,
        })))
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Arc::new(SystemClock::default());
    let spawner = Spawner::new(tokio::runtime::Handle::current());
    let store = Arc::new(MemoryStore::default());
    let cache = Cache::new(store, CacheConfig::default(), clock.clone(), spawner.clone());
    let chat = Chat::new(cache, Arc::new(Parrot), clock, spawner, ChatConfig::default());

    for query in ["Polly wants a cracker", "What did I say?"] {
        let request = ChatRequest {
            department: Department::new("zoo")?,
            user: UserId::new("keeper")?,
            session: Some(SessionId::new("1")?),
            query: NewMessage::new(Role::User, query)?,
            history: true,
            min_version: None,
            if_version: None,
            idempotency: None,
            observer: None,
        };
        let answer = chat.answer(request).await?.answer;
        println!("{query} -> {} ({:?})", answer.response, answer.history);
    }
    Ok(())
}
