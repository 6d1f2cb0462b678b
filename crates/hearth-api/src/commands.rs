//! What the `hearth` binary can be told to do: one file a command.

pub mod config_print;
pub mod export;
pub mod import;
pub mod keys;
pub mod migrate;
pub mod serve;
