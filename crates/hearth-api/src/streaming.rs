//! Answers piece by piece: server-sent events, as the HTML standard has them.
//!
//! A stream is `turn`, any number of `delta`, then `done` or `error`. What fails before the model is asked is no stream but a problem with its
//! status; a caller who goes away stops nothing.
//!
//! - `opening`: whether a turn becomes a stream or a problem.
//! - `told`: what a stream tells, whoever knows it: a turn that runs here, or the store.
//! - `position`: the ids of events, by which a stream is taken up again.
//! - `scribe`: the events as bytes.
//! - `response`: the stream as a response, kept alive while nothing is said.
//! - `request_name`: the request's id, which is known once the response is on its way.

mod opening;
mod position;
mod request_name;
mod response;
mod scribe;
mod told;

pub use opening::Opening;
pub use position::Position;
pub(crate) use request_name::RequestName;
pub use response::{StreamStart, event_stream};
pub use told::Told;
