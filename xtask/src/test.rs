//! Every test, on a machine that has no more than a toolchain: PostgreSQL's programs are found or installed, one throw-away
//! cluster serves all test programs, and nothing is left running, however this ends.

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use hearth_testkit::postgres::{self, Cluster, Options, cluster::SHARED_URL_VARIABLE, programs};
use serde_json::Value;

use crate::report::progress;
use crate::{cargo, child};

/// The variable that names the built server to the tests that run it.
const BINARY_VARIABLE: &str = "HEARTH_BIN";

/// Runs `cargo test` with `arguments`, for the whole workspace where they name no package, and gives its exit code.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    postgres::install()?;
    progress(format_args!(
        "PostgreSQL's programs are in {}",
        programs::find()?.display()
    ));
    let binary = build()?;
    progress(format_args!("the server under test is {}", binary.display()));
    // The cluster watches this process and stops when it ends, a kill included; see its documentation.
    let cluster = Cluster::start(&Options::default())?;
    let url = cluster.url("postgres");
    progress(format_args!("started a throw-away PostgreSQL at {url}"));
    let ended = child::run(
        cargo::command(&["test"])
            .args((!name_a_package(arguments)).then_some("--workspace"))
            .args(arguments)
            .env(SHARED_URL_VARIABLE, url)
            .env(BINARY_VARIABLE, binary),
    )?;
    drop(cluster);
    progress("stopped PostgreSQL");
    if !ended.is_success() || !arguments.is_empty() {
        return Ok(ended.code());
    }
    // The model checker takes the place of the cache's locks, so its tests are a build of their own.
    progress("the interleavings of the cache, under a model checker");
    let checked = child::run(
        cargo::command(&["test", "--package", "hearth-cache", "--lib"]).args(["--features", "shuttle"]),
    )?;
    if !checked.is_success() {
        return Ok(checked.code());
    }
    // So are those of the server that exports spans. With the whole workspace chosen, what both builds have in common is built once.
    progress("the export of spans");
    let exported = child::run(
        cargo::command(&["test", "--workspace", "--test", "otlp"]).args(["--features", "hearth-api/otlp"]),
    )?;
    Ok(exported.code())
}

/// Whether cargo's own arguments choose packages; `--workspace` would overrule them.
fn name_a_package(arguments: &[String]) -> bool {
    let of_cargo = arguments.iter().take_while(|argument| *argument != "--");
    of_cargo
        .into_iter()
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
}

/// Builds the `hearth` binary and says where it is.
fn build() -> Result<PathBuf> {
    let output = cargo::command(&["build", "--package", "hearth-api", "--bin", "hearth"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("failed to run cargo build")?;
    ensure!(output.status.success(), "the server does not build");
    executable(&output.stdout).context("cargo build did not say where the server is")
}

/// The executable that cargo's messages name, one JSON object a line.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .find_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_chosen_by_cargo_s_arguments_alone() {
        for (arguments, named) in [
            (vec![], false),
            (vec!["-p", "hearth-cache"], true),
            (vec!["--package=hearth-cache"], true),
            (vec!["--test", "it", "--", "-p"], false),
        ] {
            let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
            assert_eq!(name_a_package(&arguments), named, "{arguments:?}");
        }
    }

    #[test]
    fn the_executable_is_found_among_cargo_s_messages() {
        let messages = br#"{"reason":"compiler-artifact","executable":null}
{"reason":"compiler-artifact","executable":"/t/debug/hearth"}
{"reason":"build-finished","success":true}
"#;
        assert_eq!(executable(messages), Some(PathBuf::from("/t/debug/hearth")));
        assert_eq!(executable(b"{\"executable\":null}\n"), None);
    }
}
