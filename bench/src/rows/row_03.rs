//! A warm read in process, against a get from the bare map that the cache stands on: what the cache adds to it.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result};
use hearth_cache::{Cache, Source};
use hearth_domain::{ConversationKey, History};
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, UnitWeighter};
use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::dataset::Dataset;
use crate::in_process;
use crate::invented_store::InventedStore;
use crate::measure::{Figure, Goal, Group, count, float, number};
use crate::rounds::alternate;
use crate::stopwatch::Stopwatch;

const SESSIONS: u64 = 100_000;
const BUDGET_BYTES: u64 = 1 << 30;

/// What hearth-cache makes of the budget: the bare map has as many shards and as much room.
const SHARDS: usize = 64;
const ITEMS: usize = 1 << 18;

type Bare =
    quick_cache::sync::Cache<ConversationKey, Arc<History>, UnitWeighter, DefaultHashBuilder, Nothing>;

/// A life cycle without hooks.
#[derive(Debug, Clone, Copy)]
struct Nothing;

impl Lifecycle<ConversationKey, Arc<History>> for Nothing {
    type RequestState = ();
}

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let dataset = bench.synthetic(SESSIONS);
    let runtime = in_process::runtime()?;
    let store = Arc::new(InventedStore(dataset.clone()));
    let cache = in_process::cache(&store, BUDGET_BYTES, &runtime);
    in_process::load_all(&cache, &dataset, &runtime)?;
    let bare = bare(&dataset)?;
    [1, 2]
        .into_iter()
        .map(|threads| with_threads(bench, threads, &dataset, &runtime, &cache, &bare))
        .collect()
}

/// The same histories in a bare map.
fn bare(dataset: &Dataset) -> Result<Bare> {
    let options = OptionsBuilder::new()
        .shards(SHARDS)
        .estimated_items_capacity(ITEMS)
        .weight_capacity(count(ITEMS))
        .build()
        .ok()
        .context("quick_cache refuses its options")?;
    let bare = Bare::with_options(options, UnitWeighter, DefaultHashBuilder::default(), Nothing);
    for session in 0..dataset.sessions {
        bare.insert(dataset.key(session), Arc::new(dataset.history(session)?));
    }
    Ok(bare)
}

fn with_threads(
    bench: &Bench,
    threads: u64,
    dataset: &Dataset,
    runtime: &Runtime,
    cache: &Cache<InventedStore>,
    bare: &Bare,
) -> Result<Figure> {
    // In the order of their use, as the keys of requests are: fresh in the processor's cache, unlike what they lead to.
    let orders: Vec<Vec<ConversationKey>> = (0..threads)
        .map(|seed| dataset.keys(&dataset.shuffled(seed)))
        .collect();
    let pairs = alternate(
        bench.arguments.rounds,
        || {
            nanoseconds_each(bench, &orders, |keys| {
                runtime.block_on(async {
                    for key in keys {
                        let reading = cache.history(key).await.context("a warm read failed")?;
                        anyhow::ensure!(reading.source() == Source::Memory, "{key} was not in memory");
                        black_box(reading);
                    }
                    Ok(())
                })
            })
        },
        || {
            nanoseconds_each(bench, &orders, |keys| {
                for key in keys {
                    black_box(bare.get(key).context("the bare map lost a session")?);
                }
                Ok(())
            })
        },
    )?;
    Ok(Figure {
        row: "3",
        group: Group::Reads,
        figure: format!(
            "warm history(), {} sessions, {threads} thread(s)",
            number(float(dataset.sessions))
        ),
        against: "bare quick_cache get".to_owned(),
        goal: if threads == 1 {
            Goal::AtMost(1.3)
        } else {
            Goal::Reported
        },
        outcome: pairs.ratio(),
        ours: Some(pairs.ours("ns")),
        theirs: Some(pairs.theirs("ns")),
        notes: Vec::new(),
    })
}

/// Passes over all keys, one thread an order, until the time of a round is over; gives a thread's nanoseconds a read.
fn nanoseconds_each(
    bench: &Bench,
    orders: &[Vec<ConversationKey>],
    pass: impl Fn(&[ConversationKey]) -> Result<()> + Sync,
) -> Result<f64> {
    let duration = bench.arguments.duration();
    let passes = |keys: &[ConversationKey]| {
        let watch = Stopwatch::start();
        let mut reads = 0;
        while watch.elapsed() < duration {
            pass(keys)?;
            reads += count(keys.len());
        }
        anyhow::Ok(float(watch.nanoseconds()) / float(reads))
    };
    let times: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = orders.iter().map(|keys| scope.spawn(|| passes(keys))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().ok().context("a reader panicked")?)
            .collect::<Result<_>>()
    })?;
    Ok(times.iter().sum::<f64>() / float(count(times.len())))
}
