//! What goes over the wire: the domain is not the wire format.

pub mod chat;
pub mod events;
pub mod health;
pub mod messages;
pub mod performance;
pub mod sessions;
pub mod turn;
pub mod warm_up;
