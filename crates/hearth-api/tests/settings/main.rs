//! Settings as an operator meets them: what wins, what is refused and in which words, and that no secret is ever shown.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

mod model;
mod precedence;
mod printing;
mod refusals;
mod setup;
mod store_url;
mod unknown_keys;
