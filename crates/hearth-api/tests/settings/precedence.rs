//! What wins where several sources set a key.

use std::fs;
use std::path::PathBuf;

use hearth_api::settings::{CacheStrategy, LogFormat, Sources, StoreUrl, load};
use hearth_domain::WindowLimits;

use crate::setup::Setup;

#[test]
fn nothing_gives_the_defaults_of_the_table() {
    let settings = Setup::new().load().settings;
    assert_eq!(settings.server.host.as_str(), "127.0.0.1");
    assert_eq!((settings.server.port, settings.server.workers), (8000, 0));
    assert_eq!(settings.server.drain.as_secs(), 20);
    assert_eq!(settings.server.body_bytes_max, 1_048_576);
    assert!(
        matches!(&settings.store.url, StoreUrl::Sqlite(path) if path == &PathBuf::from("data/hearth.db"))
    );
    assert_eq!((settings.store.pool_size, settings.store.migrate), (8, true));
    assert_eq!(settings.store.timeout.as_millis(), 2_000);
    assert_eq!(settings.store.commit_timeout.as_millis(), 5_000);
    assert_eq!(settings.cache.strategy, CacheStrategy::MemoryFirst);
    assert_eq!(settings.cache.window(), Ok(WindowLimits::default()));
    assert_eq!(settings.cache.budget_bytes(), 256 << 20);
    assert_eq!(settings.cache.idle.as_secs(), 1_800);
    assert_eq!(settings.chat.turn_max.as_secs(), 120);
    assert!(!settings.auth.allow_open_network);
    assert_eq!(
        (
            settings.limits.in_flight,
            settings.limits.load_queue,
            settings.limits.commit_queue
        ),
        (4_096, 8_192, 8_192)
    );
    assert_eq!(
        (settings.log.format, settings.log.level.as_str()),
        (LogFormat::Text, "info")
    );
}

#[test]
fn a_later_source_wins() {
    let port = |setup: &Setup| setup.load().settings.server.port;
    let setup = Setup::new().file("default.toml", "[server]\nport = 1");
    assert_eq!(port(&setup), 1);
    let setup = setup.file("staging.toml", "[server]\nport = 2");
    assert_eq!(port(&setup), 1, "a profile that is not named is not read");
    let setup = setup.variable("HEARTH_PROFILE", "staging");
    assert_eq!(port(&setup), 2);
    let setup = setup.file("local.toml", "server.port = 3");
    assert_eq!(port(&setup), 3);
    let setup = setup.variable("HEARTH__SERVER__PORT", "4");
    assert_eq!(port(&setup), 4);
    let setup = setup.set("server.port=5");
    assert_eq!(port(&setup), 5);
    let setup = setup.set("server.port=6");
    assert_eq!(port(&setup), 6);
    assert_eq!(
        setup.load().settings.server.host.as_str(),
        "127.0.0.1",
        "other keys stay"
    );
}

#[test]
fn text_stands_for_numbers_and_truth_values() {
    let setup = Setup::new()
        .variable("HEARTH__CACHE__BUDGET_MB", "12")
        .variable("HEARTH__STORE__MIGRATE", "False")
        .variable("HEARTH__LOG__LEVEL", "warn,hearth_api=debug")
        .set("auth.allow_open_network=true");
    let settings = setup.load().settings;
    assert_eq!(settings.cache.budget_mb, 12);
    assert!(!settings.store.migrate);
    assert_eq!(settings.log.level.as_str(), "warn,hearth_api=debug");
    assert!(settings.auth.allow_open_network);
}

#[test]
fn variables_that_set_nothing_are_left_alone() {
    let setup = Setup::new()
        .variable("HEARTH_PROFILE", "")
        .variable("HEARTH__SERVER__PORT", "")
        .variable("HEARTH_SERVICE_PORT", "80")
        .variable("HEARTH_BIN", "/bin/hearth")
        .variable("PATH", "/bin");
    assert_eq!(setup.load().settings.server.port, 8000);
}

#[test]
fn the_files_of_the_tree_are_fit() {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config"));
    let production = Sources {
        dir: Some(dir.clone()),
        environment: vec![("HEARTH_PROFILE".into(), "production".into())],
        overrides: vec!["store.url=sqlite:a.db".to_owned()],
    };
    assert_eq!(load(&production).unwrap().settings.log.format, LogFormat::Json);

    // What they leave commented out must be right as well.
    for name in ["production.toml", "local.example.toml"] {
        let setup = Setup::new().file("url", "sqlite:a.db");
        let url = setup.path("url").display().to_string();
        let text = fs::read_to_string(dir.join(name)).unwrap();
        let text = text.replace("/run/secrets/hearth-store-url", &url);
        let uncommented = text.lines().map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") => setting,
            _ => line,
        });
        setup
            .file("local.toml", &uncommented.collect::<Vec<_>>().join("\n"))
            .load();
    }
}
