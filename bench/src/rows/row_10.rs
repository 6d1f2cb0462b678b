//! What loaded sessions take beyond what was said in them, and whether the cache knows how much that is.

use std::sync::Arc;

use anyhow::{Result, ensure};

use crate::allocator::allocated_bytes;
use crate::bench::Bench;
use crate::dataset::Dataset;
use crate::in_process;
use crate::invented_store::InventedStore;
use crate::measure::{Figure, Goal, Group, Series, count, float, number};

const SESSIONS: u64 = 100_000;
const BUDGET_BYTES: u64 = 1 << 30;

/// What a session and a message may take beyond contents.
const SESSION_BYTES_MAX: f64 = 350.0;
const MESSAGE_BYTES_MAX: f64 = 100.0;

/// One round's bytes.
struct Taken {
    allocated: f64,
    reported: f64,
}

/// What the sessions of a dataset hold, by arithmetic.
struct Held {
    sessions: f64,
    messages: f64,
    contents: f64,
    /// JSON around contents, and offsets.
    framing: f64,
}

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let synthetic = of_dataset(bench, &bench.synthetic(SESSIONS))?;
    let real = of_dataset(bench, &bench.real(SESSIONS))?;
    Ok([synthetic, real].concat())
}

fn of_dataset(bench: &Bench, dataset: &Dataset) -> Result<[Figure; 2]> {
    let held = held(dataset)?;
    let rounds: Vec<Taken> = (0..bench.arguments.rounds)
        .map(|_| load_and_weigh(dataset))
        .collect::<Result<_>>()?;
    let series = |unit: &'static str, value: &dyn Fn(&Taken) -> f64| {
        Series::new(unit, rounds.iter().map(value).collect())
    };
    let allowed = SESSION_BYTES_MAX * held.sessions + MESSAGE_BYTES_MAX * held.messages;
    let beyond = series("×", &|taken| (taken.allocated - held.contents) / allowed);
    let session = |taken: &Taken| (taken.allocated - held.contents - held.framing) / held.sessions;
    let off = series("%", &|taken| {
        (taken.reported / taken.allocated - 1.0).abs() * 100.0
    });
    let notes = vec![
        format!(
            "beyond contents {} bytes a session (of {SESSION_BYTES_MAX}) and {} a message (of {MESSAGE_BYTES_MAX}: JSON and offset, \
             before rounding)",
            number(series("bytes", &session).median()),
            number(held.framing / held.messages),
        ),
        format!(
            "a session has {} messages with {} bytes; ids take {} bytes of heap",
            number(held.messages / held.sessions),
            number(held.contents / held.sessions),
            dataset.key(0).heap_bytes(),
        ),
    ];
    let figure = |figure: &str, against: &str, goal: Goal, outcome: Series, notes: Vec<String>| Figure {
        row: "10",
        group: Group::Memory,
        figure: format!(
            "{figure}, {} sessions, {}",
            number(float(dataset.sessions)),
            dataset.name
        ),
        against: against.to_owned(),
        goal,
        outcome,
        ours: None,
        theirs: None,
        notes,
    };
    let mut memory = figure(
        "memory beyond contents",
        "350 a session + 100 a message",
        Goal::AtMost(1.0),
        beyond,
        notes,
    );
    memory.ours = Some(series("bytes/session", &|taken| {
        (taken.allocated - held.contents) / held.sessions
    }));
    memory.theirs = Some(Series::new("bytes/session", vec![allowed / held.sessions]));
    let signed = series("%", &|taken| (taken.reported / taken.allocated - 1.0) * 100.0);
    let mut reported = figure(
        "reported size is off by",
        "the allocator's",
        Goal::AtMost(5.0),
        off,
        vec![format!(
            "the cache reports {:+.2} % of the allocator's",
            signed.median()
        )],
    );
    reported.ours = Some(series("MB", &|taken| taken.reported / 1e6));
    reported.theirs = Some(series("MB", &|taken| taken.allocated / 1e6));
    Ok([memory, reported])
}

fn held(dataset: &Dataset) -> Result<Held> {
    let (messages, contents) = dataset.totals();
    let mut blocks = 0;
    for session in 0..dataset.sessions {
        blocks += count(dataset.history(session)?.heap_bytes());
    }
    Ok(Held {
        sessions: float(dataset.sessions),
        messages: float(messages),
        contents: float(contents),
        framing: float(blocks) - float(contents),
    })
}

/// Loads everything into a new cache. The runtime ends before the allocator is asked, so that nothing but the cache is left: no task, and
/// no thread that keeps memory for its next allocations.
fn load_and_weigh(dataset: &Dataset) -> Result<Taken> {
    let store = Arc::new(InventedStore(dataset.clone()));
    let before = allocated_bytes()?;
    let runtime = in_process::runtime()?;
    let cache = in_process::cache(&store, BUDGET_BYTES, &runtime);
    in_process::load_all(&cache, dataset, &runtime)?;
    drop(runtime);
    let after = allocated_bytes()?;
    let memory = cache.performance().memory;
    ensure!(after > before, "the allocator counts backwards");
    Ok(Taken {
        allocated: float(after - before),
        reported: float(memory.bytes),
    })
}
