#![doc = include_str!("../README.md")]

pub mod models;

mod chat;
mod error;
mod prompt;
mod store_gate;
mod turn;

pub use chat::Chat;
pub use error::ChatError;
pub use turn::{ChatAnswer, ChatRequest, HistoryUse, Timings};
