//! The models that answer.

pub mod builtin;

pub use builtin::BuiltinModel;
