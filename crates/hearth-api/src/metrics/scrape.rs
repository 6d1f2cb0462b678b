//! Everything that is told to Prometheus, as one text.

use hearth_cache::{LatencyHistogram, Performance};

use super::feed;
use super::text::Text;
use crate::dto::health::VERSION;
use crate::state::{Phase, State};

/// The figures of this moment. Asks neither the store nor any worker, and walks over no sessions.
#[must_use]
pub fn scrape(state: &State) -> String {
    let performance = state.cache.performance();
    let mut text = Text::default();
    server(&mut text, state, &performance);
    reads(&mut text, state, &performance);
    memory(&mut text, &performance);
    coherence(&mut text, &performance);
    if let Some(status) = state.coherence.feed() {
        feed::write(&mut text, &status);
    }
    store(&mut text, state);
    state.metrics.model.write(&mut text);
    state.metrics.http.write(&mut text);
    text.finish()
}

fn server(text: &mut Text, state: &State, performance: &Performance) {
    text.gauge("hearth_build_info", "Always 1; the labels say what runs.")
        .sample(&[("version", VERSION), ("store", state.store().kind())], 1);
    text.gauge("hearth_uptime_seconds", "Time since the start.")
        .sample(&[], performance.uptime.as_secs_f64());
    text.gauge("hearth_ready", "1 while the server should get traffic.")
        .sample(&[], u8::from(state.phase() == Phase::Serving));
    text.gauge(
        "hearth_http_requests_in_flight",
        "Requests under way, health left out.",
    )
    .sample(&[], state.in_flight());
    text.counter(
        "hearth_log_lines_lost_total",
        "Log lines that nobody read in time.",
    )
    .sample(&[], state.metrics.log.lost());
}

fn reads(text: &mut Text, state: &State, performance: &Performance) {
    let figures = &performance.figures;
    text.counter("hearth_reads_total", "Histories read, by where they came from.")
        .sample(&[("source", "memory")], figures.reads.memory)
        .sample(&[("source", "store")], figures.reads.store)
        .sample(&[("source", "new")], figures.reads.new);
    text.counter("hearth_reads_failed_total", "Histories that could not be read.")
        .sample(&[], figures.reads.failed);
    text.counter(
        "hearth_reads_coalesced_total",
        "Reads that waited for a load which another one had begun.",
    )
    .sample(&[], figures.reads.coalesced);
    let latencies = state.cache.latencies();
    let mut durations = text.histogram(
        "hearth_read_duration_seconds",
        "Time that histories took to read; from memory every 64th read is timed, from the store all are.",
    );
    for (source, latency) in [("memory", &latencies.memory), ("store", &latencies.store)] {
        let LatencyHistogram { below, count, sum } = latency;
        durations.buckets(&[("source", source)], below, *count, *sum);
    }
    text.counter(
        "hearth_store_loads_total",
        "Calls to the store that loaded sessions.",
    )
    .sample(&[], figures.queries.issued);
    text.counter(
        "hearth_store_loads_saved_total",
        "Calls that one call a read would have made beyond those.",
    )
    .sample(&[], figures.queries.saved);
    text.gauge("hearth_load_queue_sessions", "Sessions that wait for a load.")
        .sample(&[], performance.load_queue);
}

fn memory(text: &mut Text, performance: &Performance) {
    let (memory, figures) = (&performance.memory, &performance.figures);
    text.gauge("hearth_loaded_sessions", "Sessions in memory.")
        .sample(&[], memory.sessions);
    text.gauge("hearth_loaded_responses", "Responses in memory.")
        .sample(&[], memory.responses);
    text.gauge(
        "hearth_memory_bytes",
        "Bytes of the sessions in memory, overhead included.",
    )
    .sample(&[], memory.bytes);
    text.gauge("hearth_memory_budget_bytes", "Bytes that they may take.")
        .sample(&[], memory.budget_bytes);
    text.counter(
        "hearth_sessions_unloaded_total",
        "Sessions that left memory, or were not let in, by the reason.",
    )
    .sample(&[("reason", "evicted")], figures.evictions)
    .sample(&[("reason", "expired")], figures.expired)
    .sample(&[("reason", "refused")], figures.refused)
    .sample(&[("reason", "invalidated")], figures.invalidated);
}

/// Nothing where no other replica's changes are followed.
fn coherence(text: &mut Text, performance: &Performance) {
    let Some(coherence) = &performance.coherence else {
        return;
    };
    text.gauge(
        "hearth_feed_connected",
        "1 while other replicas' changes are heard of.",
    )
    .sample(&[], u8::from(coherence.connected));
    if let Some(staleness) = coherence.staleness {
        text.gauge(
            "hearth_feed_staleness_seconds",
            "Age of the newest heartbeat that came back.",
        )
        .sample(&[], staleness.as_secs_f64());
    }
    text.gauge(
        "hearth_feed_staleness_max_seconds",
        "The age from which every loaded session is suspect.",
    )
    .sample(&[], coherence.max_staleness.as_secs_f64());
    text.counter(
        "hearth_feed_changes_total",
        "Changes that were told, one a session.",
    )
    .sample(&[], coherence.changes);
    text.counter(
        "hearth_feed_gaps_total",
        "Times that the feed listened anew: everything loaded before was suspect.",
    )
    .sample(&[], coherence.gaps);
    text.counter(
        "hearth_sessions_suspected_total",
        "Sessions loaded again because they were suspect.",
    )
    .sample(&[], coherence.suspected);
}

fn store(text: &mut Text, state: &State) {
    if let Some(commits) = state.store().commits() {
        text.counter(
            "hearth_commit_batches_total",
            "Batches of turns that were committed.",
        )
        .sample(&[], commits.batches);
        text.counter(
            "hearth_committed_turns_total",
            "Turns that were committed; by the batches, their mean size.",
        )
        .sample(&[], commits.turns);
        text.gauge(
            "hearth_commit_queue_turns",
            "Turns accepted that have no outcome yet.",
        )
        .sample(&[], commits.queued_turns);
    }
    if let Some(pool) = state.store().pool() {
        text.gauge("hearth_store_connections", "Connections to the store.")
            .sample(&[("state", "idle")], pool.idle)
            .sample(&[("state", "busy")], pool.size.saturating_sub(pool.idle));
    }
}
