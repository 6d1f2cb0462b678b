//! What callers are told when something failed: RFC 9457, one shape everywhere.

mod code;
mod problem;
mod sources;

pub use code::Code;
pub use problem::{FIELD_ERRORS_MAX, FieldError, Outcome, Problem};
