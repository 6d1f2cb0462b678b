//! Every statement of the store, one intent each.

pub(crate) mod index;
pub(crate) mod keys;
pub(crate) mod messages;
pub(crate) mod requests;
pub(crate) mod sessions;
pub(crate) mod turns;
