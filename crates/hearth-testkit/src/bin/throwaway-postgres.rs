//! Starts a throw-away PostgreSQL, prints its URL, and stops it when standard input ends or the process does.

use std::io::Read;

use hearth_testkit::postgres::{Cluster, Options};

#[expect(clippy::print_stdout, reason = "the URL is this program's answer")]
fn main() -> anyhow::Result<()> {
    let cluster = Cluster::start(&Options::default())?;
    println!("{}", cluster.url("postgres"));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
