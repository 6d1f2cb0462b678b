//! The server that is measured: a process of the release binary over a PostgreSQL database.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_testkit::poll::until;
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::dataset::Dataset;
use crate::machine;

/// The variable that names a built server.
const BINARY_VARIABLE: &str = "HEARTH_BIN";

/// How long a server may take to come up.
const START_MAX: Duration = Duration::from_mins(1);

/// Sessions that one call of warm-up names, at most.
const WARM_UP: u64 = 1_000;

/// A running server; dropping it ends it.
pub(crate) struct Server {
    process: Child,
    /// `http://host:port`.
    pub(crate) address: String,
    client: Client,
    _folder: TempDir,
}

impl Server {
    /// Starts the server with these settings beside its defaults, and waits until it serves.
    ///
    /// # Errors
    ///
    /// Where it cannot be built, or ends: with its log.
    pub(crate) fn start(runtime: &Runtime, store_url: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir().context("failed to make a folder for the server")?;
        let log = folder.path().join("server.log");
        let mut process = Command::new(binary()?)
            .arg("serve")
            .env_clear()
            .env("HEARTH__STORE__URL", store_url)
            .env("HEARTH__SERVER__PORT", "0")
            .envs(settings.iter().copied())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("failed to run the server")?;
        let mut address = None;
        let mut ended = false;
        runtime.block_on(until(START_MAX, async || {
            ended = process.try_wait().is_ok_and(|status| status.is_some());
            address = fs::read_to_string(&log).ok().as_deref().and_then(address_in);
            ended || address.is_some()
        }));
        ensure!(!ended, "the server ended: {}", fs::read_to_string(&log)?);
        Ok(Self {
            process,
            address: address.context("the server does not say where it listens")?,
            client: Client::new(),
            _folder: folder,
        })
    }

    /// Loads all sessions of a dataset through the API, a thousand a call.
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

    /// Reads that memory did not answer, since the server started.
    ///
    /// # Errors
    ///
    /// Where the server does not say.
    pub(crate) async fn reads_past_memory(&self) -> Result<u64> {
        let mut reads = 0;
        for source in ["store", "new", "failed"] {
            let pointer = format!("/reads/{source}");
            reads += self.number("/chatbot/v1/performance", &pointer).await?;
        }
        Ok(reads)
    }

    /// The memory that the server takes.
    ///
    /// # Errors
    ///
    /// Where the system does not say.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        machine::resident_bytes(self.process.id()).context("the server's memory is not known")
    }

    async fn number(&self, path: &str, pointer: &str) -> Result<u64> {
        let response = self.client.get(format!("{}{path}", self.address)).send().await?;
        let answer: Value = response.error_for_status()?.json().await?;
        let number = answer.pointer(pointer).and_then(Value::as_u64);
        number.with_context(|| format!("{path} has no {pointer}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already cannot be killed again.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// The server's binary: the one that is named, or the release build, made now.
fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(BINARY_VARIABLE) {
        return Ok(path.into());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--release", "--package", "hearth-api", "--bin", "hearth"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .context("failed to run cargo build")?;
    ensure!(output.status.success(), "the server does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .context("cargo build did not say where the server is")
}

/// The first address in a log.
fn address_in(log: &str) -> Option<String> {
    let rest = log.get(log.find("http://127.0.0.1:")?..)?;
    let end = rest.find(|character: char| character.is_whitespace() || character == '"')?;
    rest.get(..end).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_once_it_is_whole() {
        assert_eq!(
            address_in("INFO serving address=http://127.0.0.1:4567 pid=1\n").as_deref(),
            Some("http://127.0.0.1:4567")
        );
        assert_eq!(address_in("INFO serving address=http://127.0.0.1:45"), None);
        assert_eq!(address_in("INFO"), None);
    }
}
