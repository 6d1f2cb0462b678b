#![doc = include_str!("../README.md")]

pub mod models;

mod answer;
mod append;
mod chat;
mod config;
mod error;
mod observer;
mod produce;
mod prompt;
mod queue;
mod record;
mod request;
mod requests;
mod response;
mod store_gate;
mod stream;
mod turn;
mod under_way;

pub use answer::{Answered, Appended, ChatAnswer, HistoryUse, Timings};
pub use chat::Chat;
pub use config::{ChatConfig, Concurrent};
pub use error::{ChatError, ResumeError};
pub use observer::{Step, StepUnderWay, TurnObserver};
pub use prompt::PromptConfig;
pub use request::{AppendRequest, ChatRequest, Idempotency};
pub use stream::{TurnEvent, TurnEventKind, TurnStream};
