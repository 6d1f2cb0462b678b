//! A developer's PostgreSQL: starts in the background, runs until it is told to stop, and takes its data with it.
//!
//! The process that holds it keeps a lock on a file for as long as it lives, so that a process id left in a file is never
//! taken for a running database.

use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};
use hearth_testkit::postgres::{self, Cluster, Options};

use crate::cargo::Metadata;
use crate::child;
use crate::report::{answer, progress};

/// Where the running database is described.
struct Place {
    dir: PathBuf,
}

impl Place {
    fn open() -> Result<Self> {
        let dir = Metadata::read()?.target_directory.join("hearth-db");
        std::fs::create_dir_all(&dir).with_context(|| format!("failed to make {}", dir.display()))?;
        Ok(Self { dir })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The lock, where nobody holds it: no database runs.
    fn lock(&self) -> Result<Option<File>> {
        let file = File::create(self.file("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// Starts the database unless it runs, and prints its URL.
pub(crate) fn up() -> Result<ExitCode> {
    let place = Place::open()?;
    let url = match place.lock()? {
        None => read(&place.file("url"))?,
        Some(lock) => {
            postgres::install()?;
            drop(lock);
            start(&place)?
        }
    };
    answer(url);
    Ok(ExitCode::SUCCESS)
}

/// Runs `hold` in the background and waits for the URL that it writes.
fn start(place: &Place) -> Result<String> {
    let log = place.file("log");
    let mut held = Command::new(std::env::current_exe()?)
        .args(["db", "hold"])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(&log)?)
        .spawn()
        .context("failed to start the database's holder")?;
    let mut url = String::new();
    let output = held.stdout.take().context("the holder has no standard output")?;
    BufReader::new(output).read_line(&mut url)?;
    if url.is_empty() {
        held.wait()?;
        bail!("PostgreSQL did not start:\n{}", read(&log)?);
    }
    progress("started a throw-away PostgreSQL; `cargo xtask db down` stops it and removes its data");
    Ok(url.trim().to_owned())
}

/// Stops the database and waits until it is gone.
pub(crate) fn down() -> Result<ExitCode> {
    let place = Place::open()?;
    if place.lock()?.is_some() {
        progress("no PostgreSQL runs");
        return Ok(ExitCode::SUCCESS);
    }
    let id: i64 = read(&place.file("pid"))?
        .parse()
        .context("failed to read who holds PostgreSQL")?;
    child::terminate(id)?;
    // The lock is free once the holder has stopped the server.
    File::create(place.file("lock"))?.lock()?;
    progress("stopped PostgreSQL and removed its data");
    Ok(ExitCode::SUCCESS)
}

/// Holds the database until this process is told to stop.
pub(crate) fn hold() -> Result<ExitCode> {
    let place = Place::open()?;
    let Some(lock) = place.lock()? else {
        bail!("another one runs already")
    };
    let cluster = Cluster::start(&Options::default())?;
    let url = cluster.url("postgres");
    std::fs::write(place.file("url"), &url)?;
    std::fs::write(place.file("pid"), std::process::id().to_string())?;
    answer(url);
    let waited = child::wait_for_stop();
    drop(cluster);
    drop(lock);
    waited.map(|()| ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    Ok(text.trim().to_owned())
}
