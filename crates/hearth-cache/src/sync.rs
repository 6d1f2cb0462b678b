//! The one file that names lock types, so that a model checker can replace them.

pub(crate) use parking_lot::Mutex;
