//! Several servers on one database, each with a proxy before its change feed; and what one replica shows of what another one committed.

use std::time::{Duration, Instant};

use hearth_testkit::poll::until;
use serde_json::{Value, json};

use super::proxy::FeedProxy;
use crate::server::{DEADLINE, Server, messages_path};

/// The bound that servers of these tests are given.
pub(crate) const MAX_STALENESS: Duration = Duration::from_millis(500);

/// How far a server's coarse clock may be behind.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// When a read must show what was acknowledged before, at the latest.
pub(crate) const BOUND: Duration = MAX_STALENESS.saturating_add(CLOCK_STEP);

/// One of several servers on one database.
pub(crate) struct Replica {
    pub(crate) server: Server,
    pub(crate) proxy: FeedProxy,
}

impl Replica {
    /// Starts a server that listens through a proxy.
    pub(crate) async fn start(store: &str) -> Self {
        let proxy = FeedProxy::in_front_of(store).await;
        Self::start_behind(proxy, store).await
    }

    /// The same with a proxy that is there already.
    pub(crate) async fn start_behind(proxy: FeedProxy, store: &str) -> Self {
        let max_staleness = MAX_STALENESS.as_millis().to_string();
        let settings = [
            ("HEARTH__COHERENCE__URL", proxy.url()),
            ("HEARTH__COHERENCE__MAX_STALENESS_MS", &max_staleness),
            ("HEARTH__LOG__ACCESS", "false"),
            ("HEARTH__STORE__TIMEOUT_MS", "1000"),
            ("HEARTH__STORE__COMMIT_TIMEOUT_MS", "2000"),
        ];
        let server = Server::start_with(store, &settings).await;
        Self { server, proxy }
    }

    /// Several of them.
    pub(crate) async fn start_many<const N: usize>(store: &str) -> [Self; N] {
        let mut replicas = Vec::new();
        for _ in 0..N {
            replicas.push(Self::start(store).await);
        }
        replicas.try_into().ok().unwrap()
    }

    /// Appends a turn of one exchange to a session of `d` and `u`; returns its version.
    pub(crate) async fn append(&self, session: &str, query: &str) -> u64 {
        let turn = json!({"messages": [
            {"role": "user", "content": query}, {"role": "assistant", "content": "yes"},
        ]});
        let status = reqwest::StatusCode::CREATED;
        let committed = self.server.post(&messages_path(session), &turn, status).await;
        committed["version"].as_u64().unwrap()
    }

    /// Waits until the server's health says what it should.
    pub(crate) async fn is(&self, status: &str, is_connected: bool) {
        until(DEADLINE, async || {
            let health = self.server.get("/chatbot/health/detailed").await;
            health["status"] == status && health["coherence"]["connected"] == is_connected
        })
        .await;
    }

    /// Loads a session, and reads it until it is answered from memory.
    pub(crate) async fn holds(&self, session: &str) {
        until(DEADLINE, async || {
            self.server.history(session).await["source"] == "memory"
        })
        .await;
    }

    /// Reads a session again and again, until it shows what it should and the time is over in which it need not. Each read that began later
    /// must show it. Returns the last read.
    pub(crate) async fn shows(&self, session: &str, what: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let since = Instant::now();
        let mut last = Value::Null;
        until(DEADLINE, async || {
            let asked_after = since.elapsed();
            last = self.server.history(session).await;
            let must = asked_after > BOUND;
            let shows = expected(&last);
            assert!(
                shows || !must,
                "{what} is not shown {asked_after:?} later: {last}"
            );
            must
        })
        .await;
        last
    }
}

/// The contents of a history that persons wrote, in their order.
pub(crate) fn queries(history: &Value) -> Vec<&str> {
    let messages = history["messages"].as_array().unwrap();
    let of_users = messages.iter().filter(|message| message["role"] == "user");
    of_users
        .map(|message| message["content"].as_str().unwrap())
        .collect()
}
