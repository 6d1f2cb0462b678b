//! What the trigger costs a program that was there before Hearth: its inserts into a table that carries it, against one that does not.

use std::time::Duration;

use anyhow::Result;
use tokio::runtime::Runtime;

use super::row_07::SESSIONS;
use crate::bench::Bench;
use crate::in_process;
use crate::inserts;
use crate::measure::{Figure, Goal, Group};
use crate::pgbench::Load;
use crate::rounds::{Pairs, take_turns};
use crate::server::Server;

const CLIENTS: [u32; 2] = [1, 32];
const WARM_UP: Duration = Duration::from_secs(1);

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let dataset = bench.synthetic(SESSIONS);
    let (with, without) = (
        dataset.clone().named("with_trigger"),
        dataset.clone().named("without_trigger"),
    );
    let with = bench.database()?.with(&with)?;
    let without = bench.database()?.with(&without)?;
    let database = bench.database()?;
    database.add_trigger(&with)?;
    database.settle(&with)?;
    database.settle(&without)?;
    // Somebody listens in both: that is what the trigger is for.
    let runtime = in_process::runtime()?;
    let _listening = [listen(&runtime, &with)?, listen(&runtime, &without)?];
    let mut figures = Vec::new();
    for clients in CLIENTS {
        let pgbench = inserts::one_message(&dataset, clients)?;
        for url in [&with, &without] {
            pgbench.transactions_per_second(url, WARM_UP)?;
        }
        let duration = bench.arguments.duration();
        let [ours, theirs] = take_turns(
            bench.arguments.rounds,
            [&mut || pgbench.load(&with, duration), &mut || {
                pgbench.load(&without, duration)
            }],
        )?;
        figures.push(figure(clients, &ours, &theirs));
    }
    Ok(figures)
}

/// A server whose feed listens in a database.
fn listen(runtime: &Runtime, url: &str) -> Result<Server> {
    let server = Server::start(runtime, url, &[])?;
    let hears = runtime.block_on(server.api.hears_of_others())?;
    anyhow::ensure!(hears == Some(true), "the server does not listen: {hears:?}");
    Ok(server)
}

fn figure(clients: u32, ours: &[Load], theirs: &[Load]) -> Figure {
    let values = |side: &[Load], value: fn(&Load) -> f64| side.iter().map(value).collect::<Vec<_>>();
    let rates = |side: &[Load]| values(side, |load| load.transactions_per_second);
    let pairs = Pairs::new(rates(ours), rates(theirs));
    let p50 = |load: &Load| load.p50_microseconds;
    let times = Pairs::new(values(ours, p50), values(theirs, p50));
    Figure {
        row: "trigger",
        group: Group::Replicas,
        figure: format!("inserts of another program with the trigger, {clients} client(s)"),
        against: "without the trigger; a server listens to both".to_owned(),
        goal: Goal::Reported,
        outcome: pairs.ratio(),
        ours: Some(pairs.ours("tps")),
        theirs: Some(pairs.theirs("tps")),
        notes: vec![format!(
            "an insert takes {} longer at p50: {} against {}",
            times.difference("µs"),
            times.ours("µs"),
            times.theirs("µs")
        )],
    }
}
