//! `pgbench`, PostgreSQL's own load generator: the other side of whatever the store does.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_testkit::postgres::programs;

use crate::measure::{float, percentile};

/// A script and how it is run.
#[derive(Debug, Clone)]
pub(crate) struct Pgbench {
    /// In pgbench's own language.
    pub(crate) script: String,
    pub(crate) clients: u32,
}

/// What one run came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) transactions_per_second: f64,
    pub(crate) p50_microseconds: f64,
    pub(crate) p99_microseconds: f64,
}

impl Pgbench {
    /// Runs the script, prepared, for so long; gives transactions a second.
    ///
    /// # Errors
    ///
    /// Where pgbench is missing or fails, or a transaction does.
    pub(crate) fn transactions_per_second(&self, url: &str, duration: Duration) -> Result<f64> {
        self.run(url, duration, &[])
    }

    /// The same, and how long the transactions took.
    ///
    /// # Errors
    ///
    /// As [`transactions_per_second`](Self::transactions_per_second).
    pub(crate) fn load(&self, url: &str, duration: Duration) -> Result<Load> {
        let folder = tempfile::tempdir().context("failed to make a folder for pgbench's log")?;
        let prefix = format!("--log-prefix={}", folder.path().join("log").display());
        let transactions_per_second = self.run(url, duration, &["--log", &prefix])?;
        let mut times = Vec::new();
        for log in std::fs::read_dir(folder.path())? {
            times.extend(times_in(&std::fs::read_to_string(log?.path())?)?);
        }
        ensure!(!times.is_empty(), "pgbench logged nothing");
        Ok(Load {
            transactions_per_second,
            p50_microseconds: float(percentile(&mut times, 50)),
            p99_microseconds: float(percentile(&mut times, 99)),
        })
    }

    fn run(&self, url: &str, duration: Duration, further: &[&str]) -> Result<f64> {
        let mut script = tempfile::NamedTempFile::new().context("failed to write pgbench's script")?;
        script.write_all(self.script.as_bytes())?;
        let threads = std::thread::available_parallelism()?.get();
        let output = Command::new(program()?)
            .args(["--no-vacuum", "--protocol=prepared"])
            .arg(format!("--client={}", self.clients))
            .arg(format!("--jobs={}", threads.min(usize::try_from(self.clients)?)))
            .arg(format!("--time={}", duration.as_secs().max(1)))
            .args(further)
            .arg("--file")
            .arg(script.path())
            .arg(url)
            .output()
            .context("failed to run pgbench")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pgbench failed: {errors}");
        parse(&text).with_context(|| format!("pgbench's answer is not understood: {text}{errors}"))
    }
}

/// The times in a log, in microseconds: the third field of each line.
fn times_in(log: &str) -> Result<Vec<u64>> {
    let time = |line: &str| line.split_whitespace().nth(2)?.parse().ok();
    let read = |line: &str| time(line).with_context(|| format!("pgbench's log is not understood: {line}"));
    log.lines().map(read).collect()
}

/// Beside PostgreSQL's other programs: what stands on the `PATH` may be of another version.
fn program() -> Result<PathBuf> {
    let beside = programs::find()?.join("pgbench");
    Ok(if beside.is_file() {
        beside
    } else {
        "pgbench".into()
    })
}

fn parse(text: &str) -> Option<f64> {
    // Releases before 15 do not count them: a failure ends the client there.
    let failed = text
        .lines()
        .find_map(|line| line.strip_prefix("number of failed transactions: "));
    if failed.is_some_and(|failed| !failed.starts_with("0 ")) {
        return None;
    }
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = "))?;
    tps.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_read() {
        let log = "0 1 812 0 1700000000 123456\n3 1 1200 0 1700000000 123999\n";
        assert_eq!(times_in(log).unwrap(), [812, 1_200]);
        assert!(times_in("0 1 failed 0 1 1\n").is_err());
    }

    #[test]
    fn answers_are_parsed() {
        let answer = |failed: &str| {
            format!(
                "transaction type: x.sql\nnumber of failed transactions: {failed}\nlatency average = 0.7 ms\n\
                 tps = 11800.250000 (without initial connection time)\n"
            )
        };
        assert_eq!(parse(&answer("0 (0.000%)")), Some(11_800.25));
        assert_eq!(parse(&answer("3 (0.010%)")), None);
        assert_eq!(
            parse("tps = 100.5 (excluding connections establishing)"),
            Some(100.5)
        );
        assert_eq!(parse("nothing"), None);
    }
}
