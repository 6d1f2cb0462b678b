//! Black-box tests of the running server: the real binary, on a port of its own, over both stores.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test that meets the unexpected stops"
)]

mod backend;
mod event_stream;
mod load;
mod model_upstream;
mod server;

mod bad_input;
mod chat;
mod coherence;
mod commands;
mod commit_proxy;
mod compression;
mod cors;
mod dialogues;
mod disconnects;
mod drain;
mod erase_races;
mod foreign_writers;
mod frozen;
mod health;
mod http2;
mod idempotency;
mod isolation;
mod keys;
mod kill;
mod large_turns;
mod logs;
mod many_writers;
mod messages;
mod metrics;
mod model_crowd;
mod model_faults;
mod odd_clients;
mod openapi;
mod outage;
mod parser_refusals;
mod pg_restarts;
mod rate_limits;
mod replicas;
mod replicas_keys;
mod restart;
mod routing;
mod sessions;
mod slow_clients;
mod start;
mod statements;
mod stop;
mod streaming;
mod tls;
mod turn_queue;
mod warm_reads;
