#![doc = include_str!("../README.md")]

pub mod adoption;
pub mod commit;
pub mod config;
mod connect;
mod error;
pub mod migrate;
pub mod pool;
mod queries;
mod rows;
mod schema;
mod sessions;
pub mod store;
mod tls;

pub use adoption::{Adoption, AdoptionError};
pub use commit::CommitStatus;
pub use config::{ConfigError, PostgresConfig};
pub use migrate::MigrateError;
pub use pool::PoolStatus;
pub use store::PostgresStore;
