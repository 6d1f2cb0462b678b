//! Entry points that need more than one command: the tests with their PostgreSQL, the checks, a developer's database.
//!
//! They are plain cargo programs (`cargo xtask …`), so that nothing but a Rust toolchain is needed to run them.

mod cargo;
mod child;
mod ci;
mod contract;
mod database;
mod layers;
mod licences;
mod package;
mod report;
mod test;
mod unused;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ci::Step;

/// Runs what needs more than one command.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run every test, with a throw-away PostgreSQL that this starts and stops
    Test {
        /// Given to `cargo test` as they are, as in: cargo xtask test -- -p hearth-postgres
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Run every check, or those that are named
    Ci {
        /// The checks to run, in the order of this list whatever the order given
        steps: Vec<Step>,
    },
    /// A throw-away PostgreSQL to develop against
    Db {
        #[command(subcommand)]
        command: Db,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Db {
    /// Start it, unless it runs, and print its URL
    Up,
    /// Stop it and remove its data
    Down,
    /// Be it: what `up` runs in the background
    #[command(hide = true)]
    Hold,
}

fn main() -> ExitCode {
    run(Cli::parse().task).unwrap_or_else(|error| {
        report::progress(format_args!("{error:#}"));
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Test { arguments } => test::run(&arguments),
        Task::Ci { steps } => ci::run(&steps),
        Task::Db { command: Db::Up } => database::up(),
        Task::Db { command: Db::Down } => database::down(),
        Task::Db { command: Db::Hold } => database::hold(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
