//! The export of spans: the real binary, built with the feature `otlp`, and a collector that takes what it sends.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that meets the unexpected stops"
)]

mod collector;
mod protobuf;
mod requests;
mod server;
mod trouble;
mod turns;
