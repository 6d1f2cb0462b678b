//! What handlers take from requests: strict, with every refusal a problem that names the field.

mod conversation;
mod fields;
mod idempotency;
mod json_object;
mod query;
mod read;
mod unambiguous;

pub use conversation::Conversation;
pub use fields::Fields;
pub use idempotency::{body_hash, idempotency_key};
pub use json_object::JsonObject;
pub use query::Query;
pub use read::{boolean, content, id, integer_within, role, version};
