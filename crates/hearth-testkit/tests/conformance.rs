//! The reference store passes its own suite.

use hearth_domain::MemoryStore;

async fn open() -> (MemoryStore, ()) {
    (MemoryStore::default(), ())
}

hearth_testkit::conformance!(open);
hearth_testkit::conformance_keys!(open);
