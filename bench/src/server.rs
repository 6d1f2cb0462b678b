//! The server that is measured: a process of the release binary.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_testkit::poll::until;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::api::Api;
use crate::machine;

/// The variable that names a built server.
const BINARY_VARIABLE: &str = "HEARTH_BIN";

/// How long a server may take to come up.
const START_MAX: Duration = Duration::from_mins(1);

/// A running server; dropping it ends it.
pub(crate) struct Server {
    process: Child,
    /// `http://host:port`.
    pub(crate) address: String,
    pub(crate) api: Api,
    /// The API key that calls need, where they do.
    pub(crate) key: Option<String>,
    _folder: TempDir,
}

impl Server {
    /// Starts the server with these settings beside its defaults, and waits until it serves. Its log, the access lines included, goes to a
    /// file.
    ///
    /// # Errors
    ///
    /// Where it cannot be built, or ends: with its log.
    pub(crate) fn start(runtime: &Runtime, store_url: &str, settings: &[(&str, &str)]) -> Result<Self> {
        Self::launch(runtime, store_url, settings, None)
    }

    /// The same with `auth.mode = "keys"`, and a key that opens everything.
    ///
    /// # Errors
    ///
    /// As [`Server::start`]; or the key cannot be made.
    pub(crate) fn start_with_keys(
        runtime: &Runtime,
        store_url: &str,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let key = create_key(store_url)?;
        let settings = [settings, &[("HEARTH__AUTH__MODE", "keys")]].concat();
        Self::launch(runtime, store_url, &settings, Some(key))
    }

    fn launch(
        runtime: &Runtime,
        store_url: &str,
        settings: &[(&str, &str)],
        key: Option<String>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir().context("failed to make a folder for the server")?;
        let log = folder.path().join("server.log");
        let mut process = hearth(folder.path(), store_url)?
            .arg("serve")
            .env("HEARTH__SERVER__PORT", "0")
            .envs(settings.iter().copied())
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
        let address = address.context("the server does not say where it listens")?;
        Ok(Self {
            process,
            api: Api::new(address.clone(), key.as_deref())?,
            address,
            key,
            _folder: folder,
        })
    }

    /// The memory that the server takes.
    ///
    /// # Errors
    ///
    /// Where the system does not say.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        machine::resident_bytes(self.process.id()).context("the server's memory is not known")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already cannot be killed again.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// A command of the binary in a folder of its own, with nothing in its environment but the store.
///
/// # Errors
///
/// Where the binary cannot be built.
pub(crate) fn hearth(folder: &Path, store_url: &str) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command
        .env_clear()
        .env("HEARTH__STORE__URL", store_url)
        .current_dir(folder)
        .stdin(Stdio::null());
    Ok(command)
}

fn create_key(store_url: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let output = hearth(folder.path(), store_url)?
        .args([
            "keys",
            "create",
            "--all-departments",
            "--scopes",
            "read,chat,admin",
        ])
        .output()
        .context("failed to run hearth keys")?;
    ensure!(
        output.status.success(),
        "hearth keys failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// The server's binary: the one that is named, or the release build, made now.
///
/// # Errors
///
/// Where it does not build.
pub(crate) fn binary() -> Result<PathBuf> {
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
