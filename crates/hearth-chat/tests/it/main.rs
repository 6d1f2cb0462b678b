//! The chat over a store that fails on demand and a model that plays a part.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

mod appends;
mod crowd;
mod held;
mod observers;
mod order;
mod repeats;
mod replicas;
mod stage;
mod streams;
mod turn;
