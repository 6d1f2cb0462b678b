//! The client of OpenAI-compatible servers, against one that does what each test says.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

mod anything;
mod faults;
mod limits;
mod requests;
mod retries;
mod setup;
mod streams;
mod whole;
