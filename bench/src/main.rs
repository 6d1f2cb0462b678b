#![doc = include_str!("../README.md")]

mod allocator;
mod api;
mod arguments;
mod bench;
mod canned;
mod crowd;
mod database;
mod dataset;
mod in_process;
mod inserts;
mod invented_store;
mod lone_client;
mod machine;
mod measure;
mod pgbench;
mod plot;
mod progress;
mod results;
mod rounds;
mod rows;
mod scripts;
mod server;
mod stopwatch;
mod table;
mod wrk;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use hearth_domain::ports::{Clock, SystemClock};

use crate::arguments::Arguments;
use crate::bench::Bench;
use crate::machine::Machine;
use crate::measure::Figure;
use crate::progress::say;
use crate::results::Results;

fn main() -> Result<ExitCode> {
    let at = SystemClock::default().utc();
    let arguments = Arguments::parse();
    if let Some(answer) = &arguments.canned {
        canned::serve(answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut bench = Bench::new(arguments)?;
    let (figures, failures) = rows::measure(&mut bench)?;
    std::io::stdout().write_all(table::render(&figures, &failures).as_bytes())?;
    let results = Results {
        at,
        machine: Machine::read(bench.postgres_version()),
        arguments: &bench.arguments,
        figures: &figures,
        failures: &failures,
    };
    let folder = bench.arguments.results.clone();
    for path in results.write(&folder.unwrap_or_else(results::default_folder))? {
        say(path.display());
    }
    let missed = figures.iter().any(Figure::is_missed);
    Ok(if missed || !failures.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
