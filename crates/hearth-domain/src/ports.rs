//! What the core asks of the outside: one trait a file, its contract in its docs.

pub mod change_feed;
pub mod chat_model;
pub mod clock;
pub mod history_store;
pub mod key_store;
pub mod request_log;
pub mod session_index;
pub mod turn_index;

pub use change_feed::{Change, ChangeFeed, Notice, NullFeed};
pub use chat_model::{Answer, Availability, ChatModel, Deltas, ModelError, ModelStatus, Prompt, Usage};
pub use clock::{Clock, SystemClock};
pub use history_store::{AppendError, HistoryStore, Lookup, Page, PageFrom, StoreError};
pub use key_store::KeyStore;
pub use request_log::{Claim, Claimed, PastAnswer, RequestLog};
pub use session_index::{SessionCursor, SessionIndex, SessionPage, SessionSummary};
pub use turn_index::{KeptTurn, TurnIndex};
