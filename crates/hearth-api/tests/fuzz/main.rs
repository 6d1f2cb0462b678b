//! Requests of any kind against the whole server, over sockets: whatever comes, nothing panics, refusals are problems as documented,
//! and what was accepted reads back as it was sent.
//!
//! A bounded run by default; `PROPTEST_CASES` makes it as long as that, `HEARTH_FUZZ_MINUTES` lets each test go on for so long.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected stops"
)]

mod append;
mod chat;
mod client;
mod cursors;
mod headers;
mod keys;
mod paths;
mod queries;
mod repeats;
mod runs;
mod server;
mod streams;
mod texts;
mod values;
mod verdict;
mod warm_up;
mod wire;
