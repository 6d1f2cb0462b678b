//! Whose runtime does what: connections live on the one that was passed in, whoever asks.

use hearth_domain::ports::{HistoryStore, StoreError};
use hearth_postgres::{PoolStatus, PostgresConfig, PostgresStore};
use tokio::runtime::Builder;

use crate::support::migrated;
use crate::{append, append_one, contents};

#[test]
fn connections_outlive_the_runtime_that_first_used_them() {
    let worker = || Builder::new_current_thread().enable_all().build().unwrap();
    let storage = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let database = worker().block_on(migrated());
    let config = PostgresConfig::new(database.url());
    let store = PostgresStore::open(&config, storage.handle().clone()).unwrap();
    worker().block_on(async { append_one(&store, append("s", "q")).await.unwrap() });
    // The worker above is gone; were its connection's driver on it, this would hang.
    let read = worker().block_on(contents(&store, "s"));
    assert_eq!(read, ["q", "answer"]);
    assert_eq!(store.pool_status(), PoolStatus { size: 1, idle: 1 });

    drop(storage);
    let error = worker().block_on(store.ping()).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}
