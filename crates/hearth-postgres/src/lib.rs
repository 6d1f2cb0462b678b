#![doc = include_str!("../README.md")]

pub mod adoption;
pub mod commit;
pub mod config;
mod connect;
mod error;
pub mod feed;
mod keys;
pub mod migrate;
mod notice;
mod pauses;
pub mod pool;
mod queries;
mod requests;
mod rows;
mod schema;
mod sessions;
pub mod store;
mod tls;
mod trigger;
mod trouble;

pub use adoption::{Adoption, AdoptionError};
pub use commit::CommitStatus;
pub use config::{ConfigError, PostgresConfig};
pub use feed::PostgresFeed;
pub use migrate::{MigrateError, TriggerAdded};
pub use notice::ReplicaId;
pub use pool::PoolStatus;
pub use store::PostgresStore;
