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
mod server;

mod bad_input;
mod chat;
mod commands;
mod dialogues;
mod disconnects;
mod health;
mod isolation;
mod messages;
mod outage;
mod restart;
mod routing;
mod sessions;
mod start;
mod statements;
mod stop;
