#![doc = include_str!("../README.md")]

mod api_keys;
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
mod requests;
mod rows;
mod sqlite_keys;
mod statement;
mod store;
mod undone;
mod writer;

pub use config::SqliteConfig;
pub use error::OpenError;
pub use sqlite_keys::SqliteKeys;
pub use store::SqliteStore;
pub use writer::CommitStatus;
