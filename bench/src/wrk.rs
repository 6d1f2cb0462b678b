//! `wrk`, the load generator over HTTP.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hearth_testkit::postgres::programs;

/// What one run of wrk came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_microseconds: f64,
    pub(crate) p99_microseconds: f64,
}

/// Connections, unless a row says otherwise.
const CONNECTIONS: u32 = 32;

/// The end of each script: the answer in one line, in units that need no guessing. A script that ends before its time leaves the microseconds
/// that it took in `elapsed`.
const REPORT: &str = r#"
local threads = {}
function setup(thread)
  table.insert(threads, thread)
end
function done(summary, latency, requests)
  local e = summary.errors
  local microseconds = summary.duration
  for _, thread in ipairs(threads) do
    microseconds = thread:get("elapsed") or microseconds
  end
  io.write(string.format("\nhearth-bench %.0f %.0f %.0f %.0f %.0f\n", summary.requests, microseconds,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

/// Runs a script against an address, `http://host:port`, for so long: one thread, 32 connections.
///
/// # Errors
///
/// Where wrk is missing or fails, or any request does.
pub(crate) fn run(address: &str, script: &str, duration: Duration) -> Result<Load> {
    run_with(CONNECTIONS, address, script, duration)
}

/// The same with so many connections.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_with(connections: u32, address: &str, script: &str, duration: Duration) -> Result<Load> {
    let mut file = tempfile::Builder::new().suffix(".lua").tempfile()?;
    file.write_all(script.as_bytes())?;
    file.write_all(REPORT.as_bytes())?;
    let output = Command::new(program()?)
        .args(["--threads", "1", "--latency", "--timeout", "30s"])
        .arg("--connections")
        .arg(connections.to_string())
        .arg("--duration")
        .arg(format!("{}s", duration.as_secs().max(1)))
        .arg("--script")
        .arg(file.path())
        .arg(address)
        .output()
        .context("failed to run wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "wrk failed: {text}{errors}");
    parse(&text).with_context(|| format!("in wrk's answer: {text}{errors}"))
}

fn parse(text: &str) -> Result<Load> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("hearth-bench "))
        .context("the report is missing")?;
    let numbers: Vec<f64> = line
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .context("the report is no row of numbers")?;
    let [requests, microseconds, p50, p99, failed] = numbers.as_slice() else {
        bail!("the report has {} numbers", numbers.len());
    };
    ensure!(*failed < 0.5, "{failed} requests failed");
    ensure!(*requests > 0.5, "no request was answered");
    Ok(Load {
        requests_per_second: requests / (microseconds / 1e6),
        p50_microseconds: *p50,
        p99_microseconds: *p99,
    })
}

/// Where wrk is; installs it with `apt-get` where it is missing and this process is root.
///
/// # Errors
///
/// What a person has to install.
pub(crate) fn program() -> Result<PathBuf> {
    if let Some(found) = on_path() {
        return Ok(found);
    }
    const MISSING: &str =
        "wrk was not found: install it (Debian and Ubuntu: `apt-get install wrk`; macOS: `brew install wrk`)";
    if !programs::is_root()? || !Path::new("/usr/bin/apt-get").exists() {
        bail!(MISSING);
    }
    let installed = Command::new("apt-get")
        .args(["install", "-y", "--no-install-recommends", "wrk"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .context(MISSING)?;
    let errors = String::from_utf8_lossy(&installed.stderr);
    on_path().with_context(|| format!("{MISSING}; apt-get says: {errors}"))
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join("wrk"))
        .find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_parsed() {
        let text = "Running 1s test @ http://127.0.0.1:1\nRequests/sec: 1\n\nhearth-bench 50000 2000000 610 1250 0\n";
        assert_eq!(
            parse(text).unwrap(),
            Load {
                requests_per_second: 25_000.0,
                p50_microseconds: 610.0,
                p99_microseconds: 1_250.0
            }
        );
        for (refused, why) in [
            ("hearth-bench 50000 2000000 610 1250 3\n", "3 requests failed"),
            ("hearth-bench 0 2000000 0 0 0\n", "no request was answered"),
            ("hearth-bench 1 2\n", "the report has 2 numbers"),
            ("", "the report is missing"),
        ] {
            assert_eq!(parse(refused).unwrap_err().to_string(), why);
        }
    }
}
