//! Every check that a change must pass beside the tests, one after the other until one is red.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::cargo::{self, Metadata};
use crate::child::{self, Ended};
use crate::report::progress;
use crate::{contract, layers, licences, package, unused};

/// One check. They are run in this order: the quick and the frequently red first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The code is formatted
    Fmt,
    /// No crate names what its layer may not
    Layers,
    /// Every dependency's licence is permissive
    Licences,
    /// Every dependency is used
    Unused,
    /// No lint warns
    Clippy,
    /// The documentation builds without a warning
    Doc,
    /// Every published crate packages and builds alone
    Package,
    /// The running server keeps its contract
    Contract,
}

/// How a check came out.
enum Outcome {
    Green,
    Red,
    Interrupted(ExitCode),
}

/// Runs `steps`, all of them where none is named, up to the first red one.
pub(crate) fn run(steps: &[Step]) -> Result<ExitCode> {
    let chosen = |step: &&Step| steps.is_empty() || steps.contains(step);
    for step in Step::value_variants().iter().filter(chosen) {
        let name = step.name();
        progress(format_args!("{name} …"));
        let (outcome, time) = timed(|| step.run());
        let seconds = time.as_secs_f32();
        match outcome {
            Ok(Outcome::Green) => {
                progress(format_args!("{name} is green after {seconds:.1} s"));
                continue;
            }
            Ok(Outcome::Interrupted(code)) => return Ok(code),
            Ok(Outcome::Red) => {}
            Err(error) => progress(format_args!("{error:#}")),
        }
        progress(format_args!(
            "{name} is red after {seconds:.1} s; to repeat it: cargo xtask ci {name}"
        ));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

impl Step {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn run(self) -> Result<Outcome> {
        match self {
            Self::Fmt => command(&mut cargo::command(&["fmt", "--all", "--check"])),
            Self::Clippy => of_each_build(|features| {
                let mut clippy = cargo::command(&["clippy", "--workspace", "--all-targets", "--locked"]);
                clippy.args(features).args(["--", "-D", "warnings"]);
                clippy
            }),
            Self::Doc => of_each_build(|features| {
                let mut doc = cargo::command(&["doc", "--workspace", "--no-deps", "--locked"]);
                doc.args(features).env("RUSTDOCFLAGS", "-D warnings");
                doc
            }),
            Self::Layers => findings(layers::check(&Metadata::read()?)),
            Self::Licences => findings(licences::check(&Metadata::read()?)),
            Self::Unused => findings(unused::check(&Metadata::read()?)?),
            Self::Package => command(&mut package::command(&Metadata::read()?)?),
            Self::Contract => Ok(contract::check(&Metadata::read()?)?.map_or(Outcome::Green, outcome)),
        }
    }
}

/// The features beside the default ones with which the code is checked as well, as cargo's arguments.
const BUILDS: [&[&str]; 2] = [&[], &["--features", "hearth-api/otlp"]];

/// A check of every build, up to the first red one.
fn of_each_build(check: impl Fn(&[&str]) -> Command) -> Result<Outcome> {
    for features in BUILDS {
        match command(&mut check(features))? {
            Outcome::Green => {}
            other @ (Outcome::Red | Outcome::Interrupted(_)) => return Ok(other),
        }
    }
    Ok(Outcome::Green)
}

fn command(command: &mut Command) -> Result<Outcome> {
    child::run(command).map(outcome)
}

fn outcome(ended: Ended) -> Outcome {
    match ended {
        Ended::Interrupted(_) => Outcome::Interrupted(ended.code()),
        Ended::Exited(_) if ended.is_success() => Outcome::Green,
        Ended::Exited(_) => Outcome::Red,
    }
}

/// A check of our own: red with a line for each finding.
fn findings(found: Vec<String>) -> Result<Outcome> {
    if found.is_empty() {
        return Ok(Outcome::Green);
    }
    bail!("{}", found.join("\n"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a check took is for a person to read; nothing depends on it"
)]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let outcome = work();
    (outcome, start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_make_a_check_red() {
        assert!(matches!(findings(Vec::new()), Ok(Outcome::Green)));
        let red = findings(vec!["a".to_owned(), "b".to_owned()])
            .map(|_| ())
            .unwrap_err();
        assert_eq!(red.to_string(), "a\nb");
    }

    #[test]
    fn a_program_s_failure_makes_a_check_red() {
        assert!(matches!(command(&mut Command::new("true")), Ok(Outcome::Green)));
        assert!(matches!(command(&mut Command::new("false")), Ok(Outcome::Red)));
    }

    #[test]
    fn one_red_build_makes_a_check_red() {
        let check = |red: usize| {
            let program = |features: &[&str]| if features.len() == red { "false" } else { "true" };
            of_each_build(|features| Command::new(program(features)))
        };
        assert!(matches!(check(0), Ok(Outcome::Red)));
        assert!(matches!(check(2), Ok(Outcome::Red)));
        assert!(matches!(check(9), Ok(Outcome::Green)));
    }

    #[test]
    fn steps_are_named_as_they_are_given() {
        for step in Step::value_variants() {
            assert_eq!(Step::from_str(&step.name(), false), Ok(*step));
        }
    }
}
