//! Which values are refused, and in which words.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use hearth_api::settings::{Sources, load};

use crate::setup::Setup;

#[test]
fn every_refusal_names_key_source_and_what_would_be_right() {
    for (argument, shown, right) in [
        ("server.port=65536", " = 65536", "a whole number from 0 to 65535"),
        ("server.port=-1", " = -1", "a whole number from 0 to 65535"),
        (
            "server.port=80.5",
            " = \"80.5\"",
            "a whole number from 0 to 65535",
        ),
        (
            "server.host=a b",
            " = \"a b\"",
            "an IP address or a host name, without a port",
        ),
        ("server.workers=1025", " = 1025", "a whole number from 0 to 1024"),
        (
            "server.drain_seconds=3601",
            " = 3601",
            "a whole number from 0 to 3600",
        ),
        (
            "server.body_bytes_max=1",
            " = 1",
            "a whole number from 1024 to 67108864",
        ),
        (
            "store.url=x",
            "",
            "sqlite:path, or postgres://user:password@host/database",
        ),
        ("store.pool_size=0", " = 0", "a whole number from 1 to 1000"),
        ("store.timeout_ms=0", " = 0", "a whole number from 1 to 600000"),
        (
            "store.commit_timeout_ms=0",
            " = 0",
            "a whole number from 1 to 600000",
        ),
        ("store.migrate=1", " = \"1\"", "true or false"),
        (
            "cache.strategy=redis",
            " = \"redis\"",
            "memory_first or pass_through",
        ),
        ("coherence.mode=on", " = \"on\"", "notify or off"),
        (
            "coherence.url=mysql://u:secret@h/d",
            "",
            "postgres://user:password@host/database, or empty to listen where store.url leads",
        ),
        (
            "coherence.max_staleness_ms=99",
            " = 99",
            "a whole number from 100 to 60000",
        ),
        (
            "cache.max_responses=1001",
            " = 1001",
            "a whole number from 1 to 1000",
        ),
        (
            "cache.max_messages=8001",
            " = 8001",
            "a whole number from 1 to 8000",
        ),
        ("cache.budget_mb=0", " = 0", "a whole number from 1 to 1048576"),
        ("cache.idle_minutes=0", " = 0", "a whole number from 1 to 525600"),
        ("chat.turn_seconds_max=0", " = 0", "a whole number from 1 to 3600"),
        ("chat.concurrent=parallel", " = \"parallel\"", "queue or reject"),
        ("chat.queue_max=0", " = 0", "a whole number from 1 to 65536"),
        ("model.kind=gpt", " = \"gpt\"", "builtin or openai"),
        (
            "model.base_url=api.openai.com/v1",
            " = \"api.openai.com/v1\"",
            "http://host/path or https://host/path, such as https://api.openai.com/v1",
        ),
        (
            "model.base_url=https://h/v1?key=secret",
            "",
            "a URL without user, password and keys; a key belongs in api_key",
        ),
        (
            "model.api_key=a secret",
            "",
            "a key of visible characters, without blanks",
        ),
        ("model.api_key=***", "", "the real key in place of ***"),
        (
            "model.parameters={\"n\": 2}",
            " = \"{\\\"n\\\": 2}\"",
            "a table such as { temperature = 0.2 }, without model, messages, stream, stream_options, n",
        ),
        (
            "model.departments=[]",
            " = \"[]\"",
            "tables by department, each with any of model, system_prompt and parameters, these without model, messages, stream, \
             stream_options, n",
        ),
        (
            "model.connect_timeout_ms=0",
            " = 0",
            "a whole number from 1 to 600000",
        ),
        (
            "model.read_timeout_ms=0",
            " = 0",
            "a whole number from 1 to 3600000",
        ),
        (
            "model.concurrent_max=0",
            " = 0",
            "a whole number from 1 to 100000",
        ),
        ("model.queue_max=-1", " = -1", "a whole number from 0 to 1000000"),
        (
            "prompt.max_tokens=-1",
            " = -1",
            "a whole number from 0 to 100000000",
        ),
        ("auth.mode=none", " = \"none\"", "open or keys"),
        ("auth.allow_open_network=2", " = \"2\"", "true or false"),
        (
            "limits.requests_per_second=-1",
            " = -1",
            "a whole number from 0 to 1000000",
        ),
        ("limits.burst=x", " = \"x\"", "a whole number from 0 to 1000000"),
        ("limits.connections=0", " = 0", "a whole number from 1 to 1000000"),
        ("limits.head_seconds=0", " = 0", "a whole number from 1 to 3600"),
        ("limits.body_seconds=0", " = 0", "a whole number from 1 to 3600"),
        ("limits.idle_seconds=0", " = 0", "a whole number from 1 to 3600"),
        (
            "server.tls_key=https://a",
            "",
            "the path of a file, or empty for none; a URL itself belongs in the key without _file",
        ),
        ("limits.in_flight=0", " = 0", "a whole number from 1 to 1000000"),
        ("limits.load_queue=0", " = 0", "a whole number from 1 to 1000000"),
        (
            "limits.commit_queue=0",
            " = 0",
            "a whole number from 1 to 1000000",
        ),
        ("log.format=xml", " = \"xml\"", "text or json"),
        (
            "log.level=inof",
            " = \"inof\"",
            "error, warn, info, debug, trace or off, or levels by target like \"info,hearth_cache=debug\"",
        ),
    ] {
        let (key, _) = argument.split_once('=').unwrap();
        let expected = format!("{key}{shown} (--set): must be {right}");
        assert_eq!(Setup::new().set(argument).problems(), [expected]);
    }
}

#[test]
fn every_source_is_named_and_every_problem_told() {
    let setup = Setup::new()
        .file("default.toml", "[server]\nport = true\n[log]\nformat = 5")
        .file("production.toml", "[cache]\nbudget_mb = 1.5\nidle_minutes = [1]")
        .file(
            "local.toml",
            "[store]\npool_size = \"many\"\n[store.timeout_ms]\na = 1",
        )
        .variable("HEARTH_PROFILE", "production")
        .variable("HEARTH__CACHE__STRATEGY", "fast")
        .set("server.workers=all");
    let mut problems = setup.problems();
    problems.sort();
    assert_eq!(
        problems,
        [
            "cache.budget_mb = 1.5 (production.toml): must be a whole number from 1 to 1048576",
            "cache.idle_minutes = a list (production.toml): must be a whole number from 1 to 525600",
            "cache.strategy = \"fast\" (HEARTH__CACHE__STRATEGY): must be memory_first or pass_through",
            "log.format = 5 (default.toml): must be text or json",
            "server.port = true (default.toml): must be a whole number from 0 to 65535",
            "server.workers = \"all\" (--set): must be a whole number from 0 to 1024",
            "store.pool_size = \"many\" (local.toml): must be a whole number from 1 to 1000",
            "store.timeout_ms = a section (local.toml): must be a whole number from 1 to 600000",
        ]
    );
    let refused = load(&setup.sources).unwrap_err().to_string();
    assert!(refused.starts_with("the settings are refused:\n  "), "{refused}");
    assert_eq!(refused.lines().count(), 9);
}

#[test]
fn a_named_source_must_be_there() {
    let staging = Setup::new().variable("HEARTH_PROFILE", "staging");
    let problems = staging.problems().concat();
    assert!(
        problems.starts_with("staging.toml: cannot be read: "),
        "{problems}"
    );

    let path = Setup::new().variable("HEARTH_PROFILE", "../etc/hearth");
    let problems = path.problems().concat();
    assert!(
        problems.starts_with("HEARTH_PROFILE: must be the name of a file"),
        "{problems}"
    );

    let sources = Sources {
        dir: Some(PathBuf::from("/nowhere")),
        ..Sources::default()
    };
    let refused = load(&sources).unwrap_err().to_string();
    assert!(refused.contains("/nowhere: is not a folder"), "{refused}");
}

#[test]
fn a_file_that_cannot_be_read_is_not_taken_for_none() {
    let setup = Setup::new();
    fs::create_dir(setup.path("local.toml")).unwrap();
    let problems = setup.problems().concat();
    assert!(problems.starts_with("local.toml: cannot be read: "), "{problems}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let mut setup = Setup::new();
    let value = OsString::from_vec(vec![0xff]);
    setup
        .sources
        .environment
        .push(("HEARTH__LOG__LEVEL".into(), value));
    assert_eq!(
        setup.problems(),
        ["log.level (HEARTH__LOG__LEVEL): must be valid UTF-8"]
    );
}

#[test]
fn open_mode_keeps_to_loopback_unless_more_is_meant() {
    let open = |host: &str| Setup::new().variable("HEARTH__SERVER__HOST", host);
    assert_eq!(
        open("0.0.0.0").problems(),
        [
            "server.host = \"0.0.0.0\" (HEARTH__SERVER__HOST): others may reach this address, and auth.mode = \"open\" \
             lets them read and write everything: listen on a loopback address such as 127.0.0.1, set auth.mode = \"keys\", or \
             set auth.allow_open_network = true"
        ]
    );
    assert_eq!(open("example.org").problems().len(), 1);
    for host in ["localhost", "::1"] {
        assert_eq!(open(host).load().settings.server.host.as_str(), host);
    }
    let keys = open("0.0.0.0").set("auth.mode=keys");
    assert_eq!(keys.load().settings.server.host.as_str(), "0.0.0.0");
    let meant = open("0.0.0.0").set("auth.allow_open_network=true");
    assert_eq!(meant.load().settings.server.host.as_str(), "0.0.0.0");
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_that_exports_no_spans_says_how_to_get_one_that_does() {
    let setup = Setup::new().variable("HEARTH__LOG__OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let expected = "log.otlp_endpoint (HEARTH__LOG__OTLP_ENDPOINT): must be empty: this hearth was built without the export of \
                    spans; build it with --features otlp";
    assert_eq!(setup.problems(), [expected]);
}

#[cfg(feature = "otlp")]
#[test]
fn a_collector_is_named_by_its_address_alone() {
    for endpoint in ["collector:4318", "http://user:secret@collector:4318"] {
        let problems = Setup::new()
            .set(&format!("log.otlp_endpoint={endpoint}"))
            .problems();
        assert!(problems[0].contains("http://127.0.0.1:4318"), "{problems:?}");
        assert!(!problems[0].contains("secret"), "{problems:?}");
    }
}
