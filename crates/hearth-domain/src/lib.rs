#![doc = include_str!("../README.md")]

pub mod history;
pub mod ids;
pub mod invalid;
pub mod json;
pub mod limits;
pub mod memory_store;
pub mod message;
pub mod ports;
pub mod role;
pub mod turn;
pub mod window;

pub use history::{History, HistoryError};
pub use ids::{ConversationKey, Department, MessageId, SessionId, TurnId, UserId, Version};
pub use invalid::Invalid;
pub use memory_store::MemoryStore;
pub use message::{Message, MessageView, NewMessage, Status};
pub use role::Role;
pub use turn::{Append, Committed, CommittedMessage, Turn};
pub use window::WindowLimits;
