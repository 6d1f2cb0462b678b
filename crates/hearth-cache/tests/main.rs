//! The cache over a store that does what the tests tell it to.
#![cfg(not(feature = "shuttle"))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected stops"
)]

mod budget;
mod coherence;
mod commits;
mod deadlines;
mod ending;
mod expiry;
mod invalidation;
mod log;
mod model;
mod opening;
mod outages;
mod panicking_store;
mod reading;
mod setup;
mod single_flight;
mod statistics;
mod warm_up;
