#![doc = include_str!("../README.md")]

mod commit;
mod config;
mod connection;
mod error;
mod file_lock;
mod lane;
pub mod migrate;
mod queries;
mod read;
mod remove;
mod rows;
mod statement;
mod store;

pub use config::SqliteConfig;
pub use error::OpenError;
pub use store::SqliteStore;
