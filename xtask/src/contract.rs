//! The contract, tried by Schemathesis: requests made from the server's own OpenAPI document, against the running server.
//!
//! Python and its package registry are asked for this alone, so a machine without them does without this check, and is told so.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo::{self, Metadata};
use crate::child::{self, Ended};
use crate::report::progress;

/// What Schemathesis is told, and which version of it.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/contract/schemathesis.toml");
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/contract/requirements.txt");

/// Tries the contract; nothing where Python is not there.
pub(crate) fn check(metadata: &Metadata) -> Result<Option<Ended>> {
    let home = metadata.target_directory.join("contract");
    std::fs::create_dir_all(&home).context("failed to make a folder beneath target")?;
    let Some(program) = schemathesis(&home)? else {
        progress(format_args!(
            "contract is left out: there is no Python with venv here"
        ));
        return Ok(None);
    };
    let built = child::run(&mut cargo::command(&[
        "build",
        "--package",
        "hearth-api",
        "--locked",
    ]))?;
    if !built.is_success() {
        return Ok(Some(built));
    }
    let server = Server::start(&metadata.target_directory.join("debug/hearth"), &home)?;
    let mut run = Command::new(program);
    run.args(["--config-file", CONFIG, "run", "--no-color"])
        .args(["--url", &server.address])
        .arg(format!("{}/chatbot/openapi.json", server.address))
        // It keeps what it found beside where it runs.
        .current_dir(&home);
    child::run(&mut run).map(Some)
}

/// The program, installed into a virtual environment beneath target unless it is there already.
fn schemathesis(home: &Path) -> Result<Option<PathBuf>> {
    let venv = home.join("venv");
    let wanted = std::fs::read_to_string(REQUIREMENTS).context("failed to read the wanted version")?;
    let installed = home.join("installed");
    let program = venv.join("bin/schemathesis");
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) && program.exists() {
        return Ok(Some(program));
    }
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(&venv)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    progress(format_args!("installing {} …", wanted.trim()));
    let mut install = Command::new(venv.join("bin/pip"));
    install.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        REQUIREMENTS,
    ]);
    ensure!(
        child::run(&mut install)?.is_success(),
        "pip did not install {}",
        wanted.trim()
    );
    std::fs::write(&installed, wanted).context("failed to note what is installed")?;
    Ok(Some(program))
}

/// A server over an embedded store of its own; it ends with this.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(binary: &Path, home: &Path) -> Result<Self> {
        let folder = home.join("server");
        let _absent = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let log = folder.join("log");
        let mut process = Command::new(binary)
            .env_clear()
            .env("HEARTH__SERVER__PORT", "0")
            .env("HEARTH__STORE__URL", "sqlite:hearth.db")
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to run {}", binary.display()))?;
        let lines = process.stderr.take().context("the server has no log")?;
        let mut lines = BufReader::new(lines);
        let mut server = Self {
            process,
            address: String::new(),
        };
        let mut line = String::new();
        while server.address.is_empty() {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                bail!("the server did not start");
            }
            server.address = address(&line).unwrap_or_default();
        }
        // Whatever else it says is for whoever looks for a finding's cause.
        let mut log = File::create(&log)?;
        std::thread::spawn(move || std::io::copy(&mut lines, &mut log));
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _killed = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// The address that a line of the log names.
fn address(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("serving on ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_the_log() {
        let check = |line: &str, found: Option<&str>| assert_eq!(address(line).as_deref(), found, "{line}");
        check(
            "INFO hearth: serving on http://127.0.0.1:80 a=1\n",
            Some("http://127.0.0.1:80"),
        );
        check("INFO hearth: database migrated\n", None);
    }
}
