//! Many short lives of a cache under clients that do everything at once: `cargo run --release -p hearth-cache --example soak -- 60` for a
//! minute. Each life has a seed, which decides everything that happens in it; a life that goes wrong prints its seed, and
//! `-- 60 SEED` replays it first.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a program for developers that stops at the first surprise"
)]

mod life;
mod unsteady_store;

use std::time::Duration;

use hearth_domain::ports::{Clock, SystemClock};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments
        .next()
        .map_or(60, |text| text.parse().expect("seconds to run"));
    let first = arguments.next().map(|text| text.parse::<u64>().expect("a seed"));
    let clock = SystemClock::default();
    let mut seed = first.unwrap_or_else(|| u64::from(clock.utc().timestamp_subsec_nanos()) << 16);
    println!("soaking for {seconds} s from seed {seed}");
    let mut lives = 0_u64;
    let mut total = life::Tally::default();
    while clock.now() < Duration::from_secs(seconds) {
        total.add(&life::live(seed));
        lives += 1;
        seed += 1;
    }
    println!("{lives} lives, {total}, nothing wrong; the next seed is {seed}");
}
