//! Throw-away PostgreSQL: clusters of a test's own, one shared cluster a process, and an isolated database a test.
//!
//! Nothing of it outlives the process that started it, not even one that is killed: see [`cluster`].

pub mod cluster;
pub mod database;
pub mod install;
mod keeper;
pub mod programs;
pub mod proxy;

pub use cluster::{Cluster, Options, Tls, shared, shared_url};
pub use database::TestDatabase;
pub use install::install;
pub use proxy::{Cut, Proxy};
