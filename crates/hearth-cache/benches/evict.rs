//! A session that comes into a full memory and pushes others out: the sessions are four times the budget, and are read one after the other.
//! The reference store's load and the task that it runs in are included.
#![expect(clippy::unwrap_used, reason = "a benchmark that meets the unexpected stops")]

mod setup;

use std::cell::RefCell;

use criterion::{Criterion, criterion_group, criterion_main};
use hearth_testkit::build::key;

const SESSIONS: usize = 40_000;
/// About 10,000 sessions of 10 messages of 200 bytes.
const BUDGET_BYTES: u64 = 32 << 20;

fn evict(criterion: &mut Criterion) {
    let setup = setup::Setup::new(BUDGET_BYTES);
    let keys = setup::keys(SESSIONS);
    setup.write(&keys, &setup::talk(10, 200));
    setup.load(&keys);
    let next = RefCell::new(keys.iter().cycle());
    criterion.bench_function("load into a full memory", |bencher| {
        bencher.to_async(&setup.runtime).iter(async || {
            let key = next.borrow_mut().next().unwrap();
            setup.cache.history(key).await.unwrap()
        });
    });
    assert!(setup.cache.performance().figures.evictions > 0);

    // An insert without a load: a new session is put into memory as it is opened.
    let mut number = 0_u64;
    criterion.bench_function("open a session in a full memory", |bencher| {
        bencher.iter(|| {
            number += 1;
            setup.cache.open(&key("bench", "new", &number.to_string()))
        });
    });
}

criterion_group!(benches, evict);
criterion_main!(benches);
