//! An append to a loaded session of 60 messages of 1 KB, which is as long as its window: the turn of two messages pushes two out. The
//! reference store's commit and the task that it runs in are included.
#![expect(clippy::unwrap_used, reason = "a benchmark that meets the unexpected stops")]

mod setup;

use criterion::{Criterion, criterion_group, criterion_main};
use hearth_testkit::build::append;

const TURNS: usize = 30;

fn extend(criterion: &mut Criterion) {
    let setup = setup::Setup::new(1 << 28);
    let keys = setup::keys(1);
    let key = keys.first().unwrap();
    let turn = setup::talk(2, 1_024);
    for _ in 0..TURNS {
        setup.write(&keys, &turn);
    }
    setup.load(&keys);
    criterion.bench_function("append to a loaded session of 60 x 1 KB", |bencher| {
        bencher.to_async(&setup.runtime).iter(async || {
            let append = append(key, turn.clone());
            setup.cache.append(append).await.unwrap()
        });
    });
    let reading = setup.runtime.block_on(setup.cache.history(key)).unwrap();
    assert_eq!(reading.history().len(), 2 * TURNS);
    assert_eq!(setup.cache.performance().figures.queries.issued, 1);
}

criterion_group!(benches, extend);
criterion_main!(benches);
