//! A model, a server, and what a test hears of an answer.

use std::sync::Arc;
use std::time::Duration;

use hearth_chat::models::openai::BaseUrl;
use hearth_chat::models::{OpenAiConfig, OpenAiModel};
use hearth_domain::ports::{Answer, ChatModel, Deltas, ModelError, ModelStatus, Prompt};
use hearth_domain::{Department, History, Version};
use hearth_testkit::clock::ManualClock;
use hearth_testkit::model_server::ModelServer;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// A hang guard.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A model in front of a test's server.
pub(crate) struct Scene {
    pub(crate) server: ModelServer,
    pub(crate) clock: ManualClock,
    pub(crate) model: Arc<OpenAiModel>,
}

/// With whatever the test changes in the configuration.
pub(crate) async fn scene_with(change: impl FnOnce(&mut OpenAiConfig)) -> Scene {
    let server = ModelServer::start().await;
    let clock = ManualClock::default();
    let mut config = OpenAiConfig::new(BaseUrl::parse(&server.base_url()).unwrap(), "test");
    config.retry_pause = Duration::from_millis(1);
    change(&mut config);
    let model = OpenAiModel::new(config, Arc::new(clock.clone()), Handle::current()).unwrap();
    Scene {
        server,
        clock,
        model: Arc::new(model),
    }
}

pub(crate) async fn scene() -> Scene {
    scene_with(|_| {}).await
}

/// A prompt without history.
pub(crate) fn prompt(query: &str, stream: bool) -> Prompt {
    Prompt {
        department: department("sales"),
        system: None,
        history: History::empty(Version::ZERO),
        skipped: 0,
        query: query.into(),
        stream,
        traceparent: None,
    }
}

pub(crate) fn department(name: &str) -> Department {
    Department::new(name).unwrap()
}

/// What is heard of an answer, to be watched while it grows.
#[derive(Clone)]
pub(crate) struct Heard(Arc<watch::Sender<String>>);

impl Heard {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(String::new())))
    }

    pub(crate) fn text(&self) -> String {
        self.0.borrow().clone()
    }

    /// Waits until exactly this was heard.
    pub(crate) async fn until(&self, text: &str) {
        let mut heard = self.0.subscribe();
        heard.wait_for(|heard| heard == text).await.unwrap();
    }
}

impl Deltas for Heard {
    fn delta(&mut self, text: &str) {
        self.0.send_modify(|heard| heard.push_str(text));
    }
}

impl Scene {
    /// What the model says of itself.
    pub(crate) fn model_status(&self) -> ModelStatus {
        self.model.status()
    }

    /// Asks "Hello?" and waits for the outcome; with what was heard of it.
    pub(crate) async fn ask(&self, stream: bool) -> (Result<Answer, ModelError>, String) {
        let mut heard = Heard::new();
        let outcome = self.model.answer(prompt("Hello?", stream), &mut heard).await;
        (outcome, heard.text())
    }

    /// The same in the background.
    pub(crate) fn asking(
        &self,
        stream: bool,
    ) -> (tokio::task::JoinHandle<Result<Answer, ModelError>>, Heard) {
        let heard = Heard::new();
        let (model, mut deltas) = (Arc::clone(&self.model), heard.clone());
        let asking = async move { model.answer(prompt("Hello?", stream), &mut deltas).await };
        (Handle::current().spawn(asking), heard)
    }
}

/// An error with all its causes, as a log has it.
pub(crate) fn told(error: &ModelError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
