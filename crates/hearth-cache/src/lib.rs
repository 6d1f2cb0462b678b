#![doc = include_str!("../README.md")]

mod budget;
mod cache;
mod config;
mod error;
mod expiry;
mod flight;
mod following;
mod freshness;
mod loaded_session;
mod loader;
mod outage;
mod own_work;
mod packed_key;
mod performance;
mod reading;
mod reads;
mod residency;
mod slots;
mod spawn;
mod statistics;
mod strategy;
mod sync;
mod writes;

pub use cache::{Cache, WarmUp};
pub use config::CacheConfig;
pub use error::ReadError;
pub use performance::{Coherence, Occupancy, Performance};
pub use reading::{Reading, Source};
pub use spawn::Spawner;
pub use statistics::{Figures, LatencyHistogram, Quantiles, Queries, ReadLatencies, Reads};
pub use strategy::Strategy;
