//! The order of a turn's steps, and what becomes of it when one of them fails or its caller goes away.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hearth_cache::{Cache, CacheConfig, Source, Spawner};
use hearth_chat::{Chat, ChatAnswer, ChatError, ChatRequest};
use hearth_domain::ports::{
    Answer, AppendError, ChatModel, Deltas, HistoryStore, ModelError, Prompt, SystemClock, Usage,
};
use hearth_domain::{Department, History, MemoryStore, NewMessage, Role, Status, Version, WindowLimits};
use hearth_testkit::build;
use hearth_testkit::faulty_store::{Call, FaultyStore, Point};
use tokio::runtime::Handle;

type Store = FaultyStore<MemoryStore>;

/// Answers with the number of responses that it was given, unless it is told to fail.
#[derive(Default)]
struct Counting {
    calls: AtomicUsize,
    mood: Mood,
}

#[derive(Default, Clone, Copy)]
enum Mood {
    #[default]
    Answers,
    Fails,
    Hangs,
    Panics,
    SaysNothing,
}

impl ChatModel for Counting {
    fn name(&self, _department: &Department) -> &'static str {
        "counting"
    }

    fn answer<'a>(
        &'a self,
        prompt: Prompt,
        _deltas: &'a mut dyn Deltas,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, ModelError>> + Send + 'a>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let text = match self.mood {
                Mood::Answers => prompt.history.responses().to_string(),
                Mood::SaysNothing => String::new(),
                Mood::Fails => return Err(ModelError::Failed("out of order".into())),
                Mood::Hangs => std::future::pending().await,
                Mood::Panics => panic!("the model panics"),
            };
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

struct Scene {
    store: Store,
    model: Arc<Counting>,
    chat: Chat<Store>,
    cache: Cache<Store>,
}

fn scene(mood: Mood) -> Scene {
    let store = FaultyStore::new(MemoryStore::default());
    let clock = Arc::new(SystemClock::default());
    let spawner = Spawner::new(Handle::current());
    let cache = Cache::new(
        Arc::new(store.clone()),
        CacheConfig::default(),
        clock.clone(),
        spawner.clone(),
    );
    let model = Arc::new(Counting {
        calls: AtomicUsize::new(0),
        mood,
    });
    let limit = Duration::from_millis(if matches!(mood, Mood::Hangs) { 50 } else { 60_000 });
    let chat = Chat::new(cache.clone(), model.clone(), clock, spawner, limit);
    Scene {
        store,
        model,
        chat,
        cache,
    }
}

fn request(session: Option<&str>) -> ChatRequest {
    let key = build::key("d", "u", session.unwrap_or("unused"));
    ChatRequest {
        department: key.department,
        user: key.user,
        session: session.map(|_| key.session),
        query: NewMessage::new(Role::User, "Hello").unwrap(),
        history: true,
        min_version: None,
        if_version: None,
    }
}

impl Scene {
    async fn ask(&self, session: &str) -> Result<ChatAnswer, ChatError> {
        self.chat.answer(request(Some(session))).await
    }

    fn model_calls(&self) -> usize {
        self.model.calls.load(Ordering::SeqCst)
    }

    async fn stored(&self, session: &str) -> History {
        let keys = [build::key("d", "u", session)];
        let mut lookups = self
            .store
            .inner()
            .load(&keys, WindowLimits::default())
            .await
            .unwrap();
        lookups.pop().unwrap().into_history()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_reads_asks_commits_and_answers() {
    let scene = scene(Mood::Answers);
    let first = scene.ask("1").await.unwrap();
    assert_eq!(
        (first.response.as_str(), first.version),
        ("0", Some(Version::new(1).unwrap()))
    );
    assert_eq!(first.history.unwrap().source, Source::New);
    let second = scene.ask("1").await.unwrap();
    assert_eq!(second.response, "1", "the model was given the first response");
    assert_eq!(second.history.unwrap().source, Source::Memory);
    let stored = scene.stored("1").await;
    assert_eq!(stored.responses(), 2);
    let memory = scene.cache.history(&build::key("d", "u", "1")).await.unwrap();
    assert_eq!(memory.history(), &stored, "memory followed before the answer");
    assert_eq!(scene.store.calls(Call::Load), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_history_no_model_is_asked() {
    let scene = scene(Mood::Answers);
    scene.store.fail(Call::Load, 1);
    assert!(matches!(scene.ask("1").await, Err(ChatError::History(_))));
    assert_eq!(scene.model_calls(), 0);
    assert_eq!(scene.ask("1").await.unwrap().response, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_known_to_be_away_no_model_is_asked() {
    let scene = scene(Mood::Answers);
    scene.ask("1").await.unwrap();
    scene.store.fail_everything();
    let first = scene.ask("1").await;
    assert!(
        matches!(first, Err(ChatError::Commit(AppendError::NotCommitted(_)))),
        "{first:?}"
    );
    let asked = scene.model_calls();
    for _ in 0..3 {
        assert!(matches!(scene.ask("1").await, Err(ChatError::StoreAway(_))));
    }
    assert_eq!(scene.model_calls(), asked);
    scene.store.recover();
    assert_eq!(
        scene.ask("1").await.unwrap().response,
        "1",
        "the refused turns left nothing behind"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_gives_no_answer_keeps_nothing() {
    for mood in [Mood::Fails, Mood::Hangs, Mood::Panics, Mood::SaysNothing] {
        let scene = scene(mood);
        let outcome = scene.ask("1").await;
        let expected_timeout = matches!(mood, Mood::Hangs);
        assert!(
            matches!(outcome, Err(ChatError::Model(ModelError::TimedOut)) if expected_timeout)
                || matches!(outcome, Err(ChatError::Model(ModelError::Failed(_))) if !expected_timeout),
            "{outcome:?}"
        );
        assert!(scene.stored("1").await.is_empty());
        assert_eq!(scene.store.calls(Call::Append), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_goes_away_does_not_stop_the_turn() {
    let scene = scene(Mood::Answers);
    let gate = scene.store.hold(Point::BeforeAppend);
    {
        let asking = scene.ask("1");
        tokio::pin!(asking);
        tokio::select! {
            _ = &mut asking => panic!("the commit is held"),
            () = gate.arrived(1) => {}
        }
    }
    gate.open();
    let key = build::key("d", "u", "1");
    hearth_testkit::poll::until(Duration::from_secs(60), async || {
        scene
            .cache
            .history(&key)
            .await
            .is_ok_and(|reading| reading.history().responses() == 1)
    })
    .await;
    assert_eq!(scene.stored("1").await.responses(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_made_up_asks_the_store_nothing_before_its_commit() {
    let scene = scene(Mood::Answers);
    let answer = scene.chat.answer(request(None)).await.unwrap();
    assert_eq!(answer.history.unwrap().source, Source::New);
    assert_eq!(scene.store.calls(Call::Load), 0);
    assert_eq!(scene.store.calls(Call::Ping), 0);
    let again = scene.ask(answer.key.session.as_str()).await.unwrap();
    assert_eq!((again.response.as_str(), scene.store.calls(Call::Load)), ("1", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_history_off_nothing_is_read_or_kept() {
    let scene = scene(Mood::Answers);
    scene.ask("1").await.unwrap();
    let off = ChatRequest {
        history: false,
        ..request(Some("1"))
    };
    let answer = scene.chat.answer(off).await.unwrap();
    assert_eq!(
        (answer.response.as_str(), answer.version, answer.history),
        ("0", None, None)
    );
    assert_eq!(scene.stored("1").await.responses(), 1);
    assert_eq!(scene.store.calls(Call::Append), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_told_before_the_model_is_asked() {
    let scene = scene(Mood::Answers);
    scene.ask("1").await.unwrap();
    for expected in [0, 2] {
        let if_version = Some(Version::new(expected).unwrap());
        let outcome = scene
            .chat
            .answer(ChatRequest {
                if_version,
                ..request(Some("1"))
            })
            .await;
        let Err(ChatError::Commit(AppendError::VersionConflict { current })) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(current.get(), 1);
    }
    assert_eq!(scene.model_calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn model_and_usage_are_kept_with_the_response() {
    let scene = scene(Mood::Answers);
    scene.ask("1").await.unwrap();
    let page = scene
        .store
        .inner()
        .page(
            &build::key("d", "u", "1"),
            hearth_domain::ports::PageFrom::Oldest,
            10,
        )
        .await
        .unwrap();
    let metadata: Vec<_> = page
        .messages
        .iter()
        .map(|message| message.metadata.clone())
        .collect();
    let expected = serde_json::json!({
        "model": "counting", "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    });
    assert_eq!(metadata, [None, Some(expected)]);
}
