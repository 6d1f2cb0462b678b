//! What answers: each handler reads the request, calls one function, and wraps the result.

pub mod append;
pub mod chat;
pub mod docs;
pub mod end;
pub mod erase;
pub mod health;
pub mod messages;
pub mod metrics;
pub mod performance;
pub mod sessions;
pub mod turns;
pub mod warm_up;
