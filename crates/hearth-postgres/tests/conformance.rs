//! The store keeps the promises of its ports.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

mod support;

hearth_testkit::conformance!(support::open);
hearth_testkit::conformance_keys!(support::open);
