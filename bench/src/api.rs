//! The calls of the server's API that rows make themselves. Load comes from wrk.

use anyhow::{Context, Result, ensure};
use hearth_domain::ConversationKey;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::dataset::Dataset;

/// Sessions that one call of warm-up names, at most.
const WARM_UP: u64 = 1_000;

/// A client of one server.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: Client,
    /// `http://host:port`.
    address: String,
}

impl Api {
    /// A client that names this key in every call, where there is one.
    ///
    /// # Errors
    ///
    /// Where the key cannot stand in a header.
    pub(crate) fn new(address: String, key: Option<&str>) -> Result<Self> {
        hearth_testkit::crypto::install();
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))?);
        }
        let client = Client::builder().default_headers(headers).build()?;
        Ok(Self { client, address })
    }

    /// Loads all sessions of a dataset, a thousand a call.
    ///
    /// # Errors
    ///
    /// Where a call fails, or not every session was found.
    pub(crate) async fn warm_up(&self, dataset: &Dataset) -> Result<()> {
        let url = format!("{}/chatbot/v1/sessions/warm-up", self.address);
        let mut begin = 0;
        while begin < dataset.sessions {
            let end = dataset.sessions.min(begin + WARM_UP);
            let sessions: Vec<Value> = (begin..end)
                .map(|session| {
                    let key = dataset.key(session);
                    json!({
                        "department": key.department.as_str(),
                        "user": key.user.as_str(),
                        "chatsession_id": key.session.as_str(),
                    })
                })
                .collect();
            let body = json!({ "sessions": sessions });
            let response = self.client.post(&url).json(&body).send().await?;
            let counts: Value = response.error_for_status()?.json().await?;
            ensure!(
                counts.get("found").and_then(Value::as_u64) == Some(end - begin),
                "sessions were not found: {counts}"
            );
            begin = end;
        }
        let loaded = self
            .number("/chatbot/health/detailed", "/cache_stats/loaded_sessions_count")
            .await?;
        ensure!(
            loaded == dataset.sessions,
            "{loaded} of {} sessions are loaded: the budget is too small",
            dataset.sessions
        );
        Ok(())
    }

    /// Reads of histories since the server started, by what answered them: `memory`, `store`, `new`, `failed`.
    ///
    /// # Errors
    ///
    /// Where the server does not say.
    pub(crate) async fn reads(&self, source: &str) -> Result<u64> {
        self.number("/chatbot/v1/performance", &format!("/reads/{source}"))
            .await
    }

    /// Reads that memory did not answer, since the server started.
    ///
    /// # Errors
    ///
    /// Where the server does not say.
    pub(crate) async fn reads_past_memory(&self) -> Result<u64> {
        let mut reads = 0;
        for source in ["store", "new", "failed"] {
            reads += self.reads(source).await?;
        }
        Ok(reads)
    }

    /// Commits one exchange, and gives the version that the session has with it.
    ///
    /// # Errors
    ///
    /// Where it was not committed.
    pub(crate) async fn append(&self, key: &ConversationKey, exchange: [&str; 2]) -> Result<u64> {
        let [query, response] = exchange;
        let body = json!({ "messages": [
            { "role": "user", "content": query },
            { "role": "assistant", "content": response },
        ]});
        let sent = self.client.post(self.messages_url(key)).json(&body).send();
        version(sent.await?).await
    }

    /// Reads a session, and gives the version of what came.
    ///
    /// # Errors
    ///
    /// Where it was not read.
    pub(crate) async fn version(&self, key: &ConversationKey) -> Result<u64> {
        version(self.read(key).await?).await
    }

    /// Reads a session's messages.
    ///
    /// # Errors
    ///
    /// Where it was not read.
    pub(crate) async fn read(&self, key: &ConversationKey) -> Result<Response> {
        let response = self.client.get(self.messages_url(key)).send().await?;
        Ok(response.error_for_status()?)
    }

    /// Whether the server hears of other replicas' commits; none where it does not say.
    ///
    /// # Errors
    ///
    /// Where it does not answer.
    pub(crate) async fn hears_of_others(&self) -> Result<Option<bool>> {
        let health = self.get("/chatbot/health/detailed").await?;
        Ok(health.pointer("/coherence/connected").and_then(Value::as_bool))
    }

    async fn number(&self, path: &str, pointer: &str) -> Result<u64> {
        let number = self.get(path).await?.pointer(pointer).and_then(Value::as_u64);
        number.with_context(|| format!("{path} has no {pointer}"))
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let response = self.client.get(format!("{}{path}", self.address)).send().await?;
        Ok(response.error_for_status()?.json().await?)
    }

    /// Ids of the benchmark need no escapes.
    fn messages_url(&self, key: &ConversationKey) -> String {
        format!(
            "{}/chatbot/v1/sessions/{}/messages?department={}&user={}",
            self.address, key.session, key.department, key.user
        )
    }
}

async fn version(response: Response) -> Result<u64> {
    let answer: Value = response.error_for_status()?.json().await?;
    let version = answer.get("version").and_then(Value::as_u64);
    version.context("the answer has no version")
}
