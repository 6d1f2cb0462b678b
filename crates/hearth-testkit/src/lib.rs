#![doc = include_str!("../README.md")]
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

pub mod build;
pub mod clock;
pub mod conformance;
pub mod crypto;
pub mod dialogues;
pub mod faulty_store;
pub mod manual_feed;
pub mod model_server;
pub mod poll;
pub mod postgres;
