//! What the core asks of the outside: one trait a file, its contract in its docs.

pub mod chat_model;
pub mod clock;
pub mod history_store;
pub mod session_index;

pub use chat_model::{Answer, ChatModel, ModelError, Prompt, Usage};
pub use clock::{Clock, SystemClock};
pub use history_store::{AppendError, HistoryStore, Lookup, Page, PageFrom, StoreError};
pub use session_index::{SessionCursor, SessionIndex, SessionPage, SessionSummary};
