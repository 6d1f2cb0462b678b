//! The server under test: a process of the real binary, its log, and a client.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use hearth_testkit::poll::until;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

/// How long a server may take to come up or to go: a hang guard.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The built `hearth` binary: the one that the caller of the tests built, or one that is built now.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("HEARTH_BIN") {
            return path.into();
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .args(["build", "--package", "hearth-api", "--bin", "hearth"])
            .status()
            .expect("cargo runs");
        assert!(built.success(), "the server does not build");
        let test = std::env::current_exe().unwrap();
        test.ancestors().nth(2).unwrap().join("hearth")
    })
}

/// A command of the binary, with an empty environment and an empty folder as its working directory.
pub(crate) fn hearth(folder: &Path, store: &str) -> Command {
    let mut command = Command::new(binary());
    command
        .env_clear()
        .env("HEARTH__STORE__URL", store)
        .env("HEARTH__SERVER__PORT", "0")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A running server.
pub(crate) struct Server {
    process: Child,
    log: Arc<Mutex<String>>,
    base: String,
    client: Client,
    _folder: TempDir,
}

impl Server {
    /// Starts a server over a store, and waits until it serves.
    pub(crate) async fn start(store: &str) -> Self {
        Self::start_with(store, &[]).await
    }

    /// The same with settings, as environment variables.
    pub(crate) async fn start_with(store: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = hearth(folder.path(), store);
        command.envs(settings.iter().copied());
        let mut process = command.spawn().expect("the server starts");
        let log = follow(&mut process);
        let mut base = None;
        until(DEADLINE, async || {
            assert!(
                process.try_wait().unwrap().is_none(),
                "the server ended: {}",
                log.lock().unwrap()
            );
            base = address(&log.lock().unwrap());
            base.is_some()
        })
        .await;
        let base = base.unwrap();
        hearth_testkit::crypto::install();
        Self {
            process,
            log,
            base,
            client: Client::new(),
            _folder: folder,
        }
    }

    /// What the server logged until now.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> &str {
        self.base.split_once("://").unwrap().1
    }

    /// Ends the server with SIGKILL, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status()
            .expect("kill is there");
        assert!(sent.success());
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until(DEADLINE, async || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    /// A request to a path beneath the server's address.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .timeout(DEADLINE)
    }

    /// A GET, answered 200 with JSON.
    pub(crate) async fn get(&self, path: &str) -> Value {
        json(
            self.request(Method::GET, path).send().await.unwrap(),
            StatusCode::OK,
        )
        .await
    }

    /// A POST of JSON, answered with `status`.
    pub(crate) async fn post(&self, path: &str, body: &Value, status: StatusCode) -> Value {
        json(
            self.request(Method::POST, path).json(body).send().await.unwrap(),
            status,
        )
        .await
    }

    /// A chat of department `d` and user `u`, answered 200.
    pub(crate) async fn chat(&self, session: &str, query: &str) -> Value {
        let body = serde_json::json!({
            "department": "d", "user": "u", "chatsession_id": session, "chatquery": query,
        });
        self.post("/chatbot/v1/chat", &body, StatusCode::OK).await
    }

    /// The history of a session of department `d` and user `u`.
    pub(crate) async fn history(&self, session: &str) -> Value {
        self.get(&messages_path(session)).await
    }
}

/// The path of a session's messages, for department `d` and user `u`.
pub(crate) fn messages_path(session: &str) -> String {
    format!("/chatbot/v1/sessions/{session}/messages?department=d&user=u")
}

/// The JSON of a response that has this status.
pub(crate) async fn json(response: Response, status: StatusCode) -> Value {
    let (actual, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(actual, status, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Runs a command to its end: exit code, standard output, standard error.
pub(crate) fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Arguments for a command, whatever they are made of.
pub(crate) fn with<'a>(command: &'a mut Command, arguments: &[&dyn AsRef<OsStr>]) -> &'a mut Command {
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    command
}

fn follow(process: &mut Child) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let written = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let mut log = written.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
    log
}

fn address(log: &str) -> Option<String> {
    let begin = ["http://127.0.0.1:", "https://127.0.0.1:"]
        .iter()
        .find_map(|url| log.find(url))?;
    let rest = &log[begin..];
    let end = rest.find(|character: char| character.is_whitespace() || character == '"')?;
    Some(rest[..end].to_owned())
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that a test has ended already cannot be killed again.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log.lock().unwrap());
        }
    }
}
