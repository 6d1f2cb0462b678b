//! A read of a loaded session: 100,000 sessions of 10 messages of 200 bytes, in random order.
#![expect(clippy::unwrap_used, reason = "a benchmark that meets the unexpected stops")]

mod setup;

use std::cell::RefCell;

use criterion::{Criterion, criterion_group, criterion_main};

const SESSIONS: usize = 100_000;

fn history(criterion: &mut Criterion) {
    let setup = setup::Setup::new(1 << 30);
    let keys = setup::keys(SESSIONS);
    setup.write(&keys, &setup::talk(10, 200));
    setup.load(&keys);
    let next = RefCell::new(keys.iter().cycle());
    criterion.bench_function("history of a loaded session", |bencher| {
        bencher.to_async(&setup.runtime).iter(async || {
            let key = next.borrow_mut().next().unwrap();
            setup.cache.history(key).await.unwrap()
        });
    });
    assert_eq!(setup.cache.performance().figures.reads.store, 0);
}

criterion_group!(benches, history);
criterion_main!(benches);
