//! The models that answer.

pub mod builtin;
pub mod openai;

mod admission;
mod breaker;

pub use builtin::BuiltinModel;
pub use openai::{OpenAiConfig, OpenAiModel};
