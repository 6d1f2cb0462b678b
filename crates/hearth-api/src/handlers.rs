//! What answers: each handler reads the request, calls one function, and wraps the result.

pub mod append;
pub mod chat;
pub mod end;
pub mod erase;
pub mod health;
pub mod messages;
pub mod performance;
pub mod sessions;
pub mod warm_up;
