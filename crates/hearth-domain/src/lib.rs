#![doc = include_str!("../README.md")]

pub mod api_key;
pub mod history;
pub mod ids;
pub mod invalid;
pub mod json;
pub mod limits;
pub mod memory_store;
pub mod message;
pub mod ports;
pub mod request;
pub mod role;
pub mod turn;
pub mod window;

pub use api_key::{ApiKey, Departments, KeyId, Scope, SecretHash};
pub use history::{History, HistoryError};
pub use ids::{ConversationKey, Department, MessageId, SessionId, TurnId, UserId, Version};
pub use invalid::Invalid;
pub use memory_store::MemoryStore;
pub use message::{Message, MessageView, NewMessage, Status};
pub use request::{BodyHash, ClaimOwner, Completion, Endpoint, IdempotencyKey, RequestKey};
pub use role::Role;
pub use turn::{Append, Committed, CommittedMessage, Turn};
pub use window::WindowLimits;
