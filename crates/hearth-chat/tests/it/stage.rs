//! What the tests stand on: replicas over one store, and a model that plays the part that it is given.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use hearth_cache::{Cache, CacheConfig, Spawner};
use hearth_chat::{Answered, Chat, ChatAnswer, ChatConfig, ChatError, ChatRequest, Idempotency, Timings};
use hearth_domain::ports::{
    Answer, ChatModel, Clock, Deltas, HistoryStore, ModelError, PageFrom, Prompt, Usage,
};
use hearth_domain::{
    BodyHash, Department, History, IdempotencyKey, MemoryStore, Message, NewMessage, Role, Status,
    WindowLimits,
};
use hearth_testkit::build;
use hearth_testkit::faulty_store::FaultyStore;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

pub(crate) type Store = FaultyStore<MemoryStore<RuntimeClock>>;

/// The runtime's time, which stands still and jumps where a test pauses it: leases run out in that time, too.
pub(crate) struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn utc(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + self.0.elapsed()
    }
}

/// An empty store.
pub(crate) fn empty_store() -> Store {
    FaultyStore::new(MemoryStore::new(RuntimeClock(Instant::now())))
}

/// What a model does when it is asked, one thing after the other.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Says this, piece by piece where it is asked to.
    Say(String),
    /// Says the number of responses that it was given.
    Count,
    /// Waits until the test lets it go on.
    Wait,
    /// Gives up.
    Fail,
    /// Never comes back.
    Hang,
    /// Panics.
    Panic,
}

pub(crate) fn say(text: &str) -> Act {
    Act::Say(text.to_owned())
}

/// A model that plays a part.
pub(crate) struct Actor {
    part: Mutex<Vec<Act>>,
    calls: AtomicUsize,
    queries: Mutex<Vec<String>>,
    waiting: watch::Sender<usize>,
    leave: Semaphore,
}

impl Actor {
    pub(crate) fn new(part: &[Act]) -> Arc<Self> {
        Arc::new(Self {
            part: Mutex::new(part.to_vec()),
            calls: AtomicUsize::new(0),
            queries: Mutex::default(),
            waiting: watch::Sender::new(0),
            leave: Semaphore::new(0),
        })
    }

    /// The part from the next call on.
    pub(crate) fn play(&self, part: &[Act]) {
        *self.part.lock().unwrap() = part.to_vec();
    }

    /// How often it was asked.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// What it was asked, in that order.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.queries.lock().unwrap().clone()
    }

    /// Waits until so many calls have come to a wait.
    pub(crate) async fn waits(&self, calls: usize) {
        let mut waiting = self.waiting.subscribe();
        waiting.wait_for(|arrived| *arrived >= calls).await.unwrap();
    }

    /// Lets so many calls go on.
    pub(crate) fn let_go(&self, calls: usize) {
        self.leave.add_permits(calls);
    }
}

impl ChatModel for Actor {
    fn name(&self, _department: &Department) -> &'static str {
        "actor"
    }

    fn answer<'a>(
        &'a self,
        prompt: Prompt,
        deltas: &'a mut dyn Deltas,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, ModelError>> + Send + 'a>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.queries.lock().unwrap().push(prompt.query.to_string());
        let part = self.part.lock().unwrap().clone();
        Box::pin(async move {
            let mut text = String::new();
            for act in part {
                let said = match act {
                    Act::Say(said) => said,
                    Act::Count => prompt.history.responses().to_string(),
                    Act::Wait => {
                        self.waiting.send_modify(|waiting| *waiting += 1);
                        self.leave.acquire().await.unwrap().forget();
                        continue;
                    }
                    Act::Fail => return Err(ModelError::Failed("out of order".into())),
                    Act::Hang => std::future::pending().await,
                    Act::Panic => panic!("the model panics, as the test asked for"),
                };
                if prompt.stream {
                    deltas.delta(&said);
                }
                text.push_str(&said);
            }
            Ok(Answer {
                text,
                status: Status::Complete,
                usage: Some(Usage {
                    prompt_tokens: 3,
                    completion_tokens: 1,
                }),
            })
        })
    }
}

/// A replica, its model, and the store that it may share with others.
pub(crate) struct Scene {
    pub(crate) store: Store,
    pub(crate) model: Arc<Actor>,
    pub(crate) cache: Cache<Store>,
    pub(crate) chat: Chat<Store>,
}

/// A replica of its own, with this configuration.
pub(crate) fn scene_of(part: &[Act], config: ChatConfig) -> Scene {
    replica(&empty_store(), Actor::new(part), config)
}

/// A replica of its own.
pub(crate) fn scene(part: &[Act]) -> Scene {
    scene_of(part, ChatConfig::default())
}

/// A replica over this store.
pub(crate) fn replica(store: &Store, model: Arc<Actor>, config: ChatConfig) -> Scene {
    let clock: Arc<dyn Clock> = Arc::new(RuntimeClock(Instant::now()));
    let spawner = Spawner::new(Handle::current());
    let cache = Cache::new(
        Arc::new(store.clone()),
        CacheConfig::default(),
        Arc::clone(&clock),
        spawner.clone(),
    );
    let chat = Chat::new(cache.clone(), model.clone(), clock, spawner, config);
    Scene {
        store: store.clone(),
        model,
        cache,
        chat,
    }
}

/// A request of the user `u` of the department `d`; without a session, Hearth makes one up.
pub(crate) fn request(session: Option<&str>) -> ChatRequest {
    let key = build::key("d", "u", session.unwrap_or("unused"));
    ChatRequest {
        department: key.department,
        user: key.user,
        session: session.map(|_| key.session),
        query: NewMessage::new(Role::User, "Hello").unwrap(),
        history: true,
        min_version: None,
        if_version: None,
        idempotency: None,
        observer: None,
    }
}

/// The same request with a key.
pub(crate) fn keyed(session: Option<&str>, key: &str) -> ChatRequest {
    ChatRequest {
        idempotency: Some(idempotency(key, 0)),
        ..request(session)
    }
}

/// A key, and the hash of a body.
pub(crate) fn idempotency(key: &str, body: u8) -> Idempotency {
    Idempotency {
        key: IdempotencyKey::new(key).unwrap(),
        body: BodyHash([body; 32]),
    }
}

/// Asks something else.
pub(crate) fn asking(query: &str, request: ChatRequest) -> ChatRequest {
    ChatRequest {
        query: NewMessage::new(Role::User, query).unwrap(),
        ..request
    }
}

/// An answer without what every attempt measures anew.
pub(crate) fn content(answered: &Answered) -> ChatAnswer {
    ChatAnswer {
        timings: Timings::default(),
        ..answered.answer.clone()
    }
}

impl Scene {
    pub(crate) async fn ask(&self, session: &str) -> Result<ChatAnswer, ChatError> {
        let answered = self.chat.answer(request(Some(session))).await?;
        assert!(!answered.replayed, "it has no key");
        Ok(answered.answer)
    }

    pub(crate) async fn stored(&self, session: &str) -> History {
        let keys = [build::key("d", "u", session)];
        let lookups = self.store.inner().load(&keys, WindowLimits::default()).await;
        lookups.unwrap().pop().unwrap().into_history()
    }

    /// The rows of a session, oldest first.
    pub(crate) async fn rows(&self, session: &str) -> Vec<Message> {
        let key = build::key("d", "u", session);
        let page = self.store.inner().page(&key, PageFrom::Oldest, 10_000).await;
        page.unwrap().messages
    }
}
