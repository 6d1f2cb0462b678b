//! One throw-away PostgreSQL server.
//!
//! The server is started by a small shell script that holds a pipe from this process. The kernel closes the pipe when the process
//! ends, a `kill -9` included; then the script stops the server and removes its directory.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};

use super::programs::{self, Account};

/// The environment variable with the URL of a running cluster's superuser, which tests then share instead of starting one.
pub const SHARED_URL_VARIABLE: &str = "HEARTH_TEST_POSTGRES";

/// How often another port is tried: between choosing a free port and binding it another program may take it.
const PORTS_TRIED_MAX: u32 = 5;

/// What a cluster is to be like.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether commits survive a crash of the machine: fsync and full page writes as PostgreSQL has them. Else they are off, which is
    /// several times as fast. Commits stay synchronous, so that a crash of the server alone loses nothing either way.
    pub durable: bool,
    /// Further settings, as in `postgresql.conf`; values are written as they are.
    pub settings: Vec<(String, String)>,
    /// The server's certificate, where it is to offer TLS.
    pub tls: Option<Tls>,
}

impl Options {
    /// These options with one more setting; a text value brings its own quotes.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A server's certificate and its key.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate chain.
    pub certificate_pem: String,
    /// The private key.
    pub key_pem: String,
}

/// A running cluster; dropping it stops the server and removes its directory.
#[derive(Debug)]
pub struct Cluster {
    directory: PathBuf,
    port: u16,
    guard: Mutex<Guard>,
}

#[derive(Debug)]
struct Guard {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    /// Makes a cluster and starts it; blocks until it accepts connections, some seconds at most.
    ///
    /// # Errors
    ///
    /// Where PostgreSQL is not installed, or does not start: with the end of its log.
    pub fn start(options: &Options) -> Result<Self> {
        let programs = programs::find()?;
        let account = programs::account()?;
        let mut cluster = Self::prepare(&programs, account)?;
        initdb(&programs, account, &cluster.data())?;
        cluster.write_tls(account, options)?;
        for _ in 0..PORTS_TRIED_MAX {
            cluster.port = free_port()?;
            write_settings(&cluster, options)?;
            if cluster.command("start").is_ok() {
                return Ok(cluster);
            }
        }
        bail!("PostgreSQL did not start:\n{}", cluster.log_tail());
    }

    /// The guard is started before there is anything to clean up.
    fn prepare(programs: &Path, account: Option<Account>) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("hearth-postgres-")
            .tempdir()
            .context("failed to make a temporary directory")?
            .keep();
        own(&directory, account)?;
        let mut command = as_account(Command::new("sh"), account);
        let mut process = command
            .args(["-c", include_str!("guard.sh"), "hearth-postgres-guard"])
            .args([programs, &directory])
            .current_dir(&directory)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to run sh")?;
        let commands = process.stdin.take();
        let answers = process
            .stdout
            .take()
            .context("the guard has no standard output")?;
        Ok(Self {
            directory,
            port: 0,
            guard: Mutex::new(Guard {
                process,
                commands,
                answers: BufReader::new(answers),
            }),
        })
    }

    /// Stops the server as a crash would: no checkpoint, every connection cut.
    ///
    /// # Errors
    ///
    /// Where it was not running.
    pub fn stop_immediate(&self) -> Result<()> {
        self.command("stop")
    }

    /// Starts the server again after [`stop_immediate`](Self::stop_immediate): same port, same data.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub fn start_again(&self) -> Result<()> {
        self.command("start")
    }

    /// The superuser's URL of a database.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What the server has logged so far; with `log_statement=all` among the settings every statement is there.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    pub fn log(&self) -> Result<String> {
        let log =
            std::fs::read(self.directory.join("server.log")).context("failed to read the server's log")?;
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn command(&self, word: &str) -> Result<()> {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        let commands = guard.commands.as_mut().context("the guard is gone")?;
        writeln!(commands, "{word}").context("the guard is gone")?;
        let mut answer = String::new();
        guard
            .answers
            .read_line(&mut answer)
            .context("the guard is gone")?;
        drop(guard);
        ensure!(
            answer.trim() == "ok",
            "PostgreSQL did not {word}:\n{}",
            self.log_tail()
        );
        Ok(())
    }

    fn write_tls(&self, account: Option<Account>, options: &Options) -> Result<()> {
        let Some(tls) = &options.tls else { return Ok(()) };
        for (name, pem) in [("server.crt", &tls.certificate_pem), ("server.key", &tls.key_pem)] {
            let path = self.data().join(name);
            std::fs::write(&path, pem).with_context(|| format!("failed to write {name}"))?;
            own(&path, account)?;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        const LINES: usize = 20;
        let files = ["control.log", "server.log"].map(|name| self.directory.join(name));
        let logs = files
            .iter()
            .filter_map(|path| std::fs::read_to_string(path).ok())
            .collect::<String>();
        let lines: Vec<&str> = logs.lines().collect();
        let skipped = lines.len().saturating_sub(LINES);
        lines.get(skipped..).unwrap_or_default().join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let guard = self.guard.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(guard.commands.take());
        // The guard ends by itself; waiting only makes sure that nothing is left once this returns.
        drop(guard.process.wait());
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to find a free port")?;
    Ok(listener.local_addr()?.port())
}

fn own(path: &Path, account: Option<Account>) -> Result<()> {
    if let Some(Account { uid, gid }) = account {
        chown(path, Some(uid), Some(gid))
            .with_context(|| format!("failed to give {} to PostgreSQL", path.display()))?;
    }
    Ok(())
}

fn as_account(mut command: Command, account: Option<Account>) -> Command {
    if let Some(Account { uid, gid }) = account {
        command.uid(uid).gid(gid);
    }
    command
}

fn initdb(programs: &Path, account: Option<Account>, data: &Path) -> Result<()> {
    let mut command = as_account(Command::new(programs.join("initdb")), account);
    let output = command
        .args(["-U", "postgres", "-A", "trust", "-E", "UTF8"])
        .args(["--no-locale", "--no-sync", "-D"])
        .arg(data)
        .current_dir("/")
        .output()
        .context("failed to run initdb")?;
    ensure!(
        output.status.success(),
        "initdb failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn write_settings(cluster: &Cluster, options: &Options) -> Result<()> {
    let mut settings = vec![
        ("listen_addresses", "'127.0.0.1'".to_owned()),
        ("unix_socket_directories", "''".to_owned()),
        ("port", cluster.port.to_string()),
        ("max_connections", "300".to_owned()),
    ];
    if !options.durable {
        settings.extend(["fsync", "full_page_writes"].map(|name| (name, "off".to_owned())));
    }
    if options.tls.is_some() {
        settings.push(("ssl", "on".to_owned()));
    }
    let further = options
        .settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()));
    let lines: String = settings
        .into_iter()
        .chain(further)
        .map(|(name, value)| format!("{name} = {value}\n"))
        .collect();
    // initdb made the file; root writes into it without changing its owner.
    std::fs::write(cluster.data().join("postgresql.auto.conf"), lines).context("failed to write the settings")
}

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

enum Shared {
    Elsewhere(&'static str),
    Ours(&'static Cluster),
}

/// The cluster that all tests of this process share, started when first asked for; nothing where [`SHARED_URL_VARIABLE`] names a
/// running one.
///
/// # Errors
///
/// As [`Cluster::start`].
pub fn shared() -> Result<Option<&'static Cluster>> {
    with_shared(|shared| match shared {
        Shared::Elsewhere(_) => None,
        Shared::Ours(cluster) => Some(*cluster),
    })
}

/// The superuser's URL of the shared cluster, which is started when first asked for.
///
/// # Errors
///
/// As [`Cluster::start`].
pub fn shared_url() -> Result<String> {
    with_shared(|shared| match shared {
        Shared::Elsewhere(url) => (*url).to_owned(),
        Shared::Ours(cluster) => cluster.url("postgres"),
    })
}

fn with_shared<T>(answer: impl FnOnce(&Shared) -> T) -> Result<T> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if shared.is_none() {
        *shared = Some(match std::env::var(SHARED_URL_VARIABLE) {
            Ok(url) => Shared::Elsewhere(url.leak()),
            // Never dropped: the end of the process closes the guard's pipe.
            Err(_) => Shared::Ours(Box::leak(Box::new(Cluster::start(&Options::default())?))),
        });
    }
    shared.as_ref().map(answer).context("the shared cluster is gone")
}
