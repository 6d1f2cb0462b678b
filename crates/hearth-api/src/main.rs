//! The `hearth` binary: reads the command line and the settings, and runs one command.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use hearth_api::cli::{Cli, Command, ConfigCommand, KeysCommand, Stream};
use hearth_api::commands::{config_print, export, import, keys, migrate, serve};
use hearth_api::key_store::open_keys;
use hearth_api::open_store::{must_be_there, open_store};
use hearth_api::settings::{self, Loaded, Settings, Sources};
use hearth_api::telemetry;
use hearth_domain::ports::{StoreError, SystemClock};
use hearth_domain::{ConversationKey, Department, KeyId};
use indicatif::{ProgressBar, ProgressStyle};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The exit code of a wrong command line or wrong settings, as clap has it.
const USAGE: u8 = 2;

/// How long a program that has ended waits for a thread that hangs in the system.
const SHUTDOWN_MAX: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let sources = Sources {
        dir: cli.settings.config_dir.clone(),
        environment: std::env::vars_os().collect(),
        overrides: cli.settings.set.clone(),
    };
    let loaded = match settings::load(&sources) {
        Ok(loaded) => loaded,
        Err(refused) => return fail(USAGE, &refused.into()),
    };
    match run(cli.into_command(), &loaded) {
        Ok(code) => code,
        Err(error) => fail(1, &error),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "where a person looks for why the program ended"
)]
fn fail(code: u8, error: &anyhow::Error) -> ExitCode {
    eprintln!("hearth: {error:#}");
    ExitCode::from(code)
}

fn run(command: Command, loaded: &Loaded) -> anyhow::Result<ExitCode> {
    let settings = &loaded.settings;
    let logging = telemetry::init(&settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let ended = runtime.block_on(async {
        match command {
            Command::Serve => serve::run(settings, &logging).await.map(|()| ExitCode::SUCCESS),
            Command::Migrate(wanted) => migrate::run(&settings.store, wanted)
                .await
                .map(|()| ExitCode::SUCCESS),
            Command::Config {
                command: ConfigCommand::Print,
            } => print_settings(loaded),
            Command::Keys { command } => keys(settings, command).await,
            Command::Import { file } => import_from(settings, &file).await,
            Command::Export { department, file } => export_to(settings, department.as_ref(), &file).await,
        }
    });
    runtime.shutdown_timeout(SHUTDOWN_MAX);
    ended
}

fn print_settings(loaded: &Loaded) -> anyhow::Result<ExitCode> {
    match config_print::run(loaded, &mut io::stdout().lock()) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

#[expect(clippy::print_stderr, reason = "a command tells a person what it did")]
async fn keys(settings: &Settings, command: KeysCommand) -> anyhow::Result<ExitCode> {
    if !matches!(command, KeysCommand::Create(_)) {
        must_be_there(settings)?;
    }
    let store = open_keys(settings).await?;
    let mut out = io::stdout();
    match command {
        KeysCommand::Create(key) => {
            let id = keys::create(&store, &SystemClock::default(), key.into(), &mut out).await?;
            eprintln!("made the key {id}; it is shown this once, so put it where it is kept");
        }
        KeysCommand::List => keys::list(&store, &mut out).await?,
        KeysCommand::Revoke { id } => {
            let id = KeyId::new(&id).context("failed to read the id of the key")?;
            keys::revoke(&store, &id).await?;
            eprintln!("revoked the key {id}; running servers refuse it within seconds");
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stderr, reason = "a command tells a person what it did")]
async fn import_from(settings: &Settings, file: &Stream) -> anyhow::Result<ExitCode> {
    let store = open_store(settings).await?;
    let (input, bytes): (Box<dyn io::BufRead>, Option<u64>) = match file {
        Stream::Standard => (Box::new(BufReader::new(io::stdin())), None),
        Stream::File(path) => {
            let file = File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
            let bytes = file.metadata().ok().map(|metadata| metadata.len());
            (Box::new(BufReader::new(file)), bytes)
        }
    };
    let progress = progress(bytes);
    let mut report = |line: u64, reason: &str| {
        progress.suspend(|| eprintln!("line {line}: {reason}"));
    };
    let imported = import::run(&store, input, &progress, &mut report).await?;
    progress.finish_and_clear();
    eprintln!(
        "imported {} dialogues with {} messages; {} were there already, {} lines were refused",
        imported.added, imported.messages, imported.skipped, imported.refused
    );
    Ok(if imported.refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn progress(bytes: Option<u64>) -> ProgressBar {
    let Some(bytes) = bytes.filter(|_| io::stderr().is_terminal()) else {
        return ProgressBar::hidden();
    };
    let style = ProgressStyle::with_template("{bar:40} {percent}% {bytes}/{total_bytes} {elapsed}");
    let bar = ProgressBar::new(bytes);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[expect(clippy::print_stderr, reason = "a command tells a person what it did")]
async fn export_to(
    settings: &Settings,
    department: Option<&Department>,
    file: &Stream,
) -> anyhow::Result<ExitCode> {
    must_be_there(settings)?;
    let store = open_store(settings).await?;
    let mut report = |key: &ConversationKey, error: &StoreError| {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        eprintln!("session {key}: {}", cause.unwrap_or_else(|| error.to_string()));
    };
    let exported = match file {
        Stream::Standard => {
            let mut out = BufWriter::new(io::stdout().lock());
            export::run(&store, department, &mut out, &mut report).await?
        }
        Stream::File(path) => {
            let file = File::create(path).with_context(|| format!("failed to create {}", path.display()))?;
            export::run(&store, department, &mut BufWriter::new(file), &mut report).await?
        }
    };
    eprintln!(
        "exported {} sessions; {} could not be read",
        exported.written, exported.failed
    );
    Ok(if exported.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
