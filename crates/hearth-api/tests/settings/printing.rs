//! `hearth config print`.

use crate::setup::{Setup, print};

#[test]
fn it_names_sources_and_can_be_fed_back() {
    let setup = Setup::new()
        .file("local.toml", "[cache]\nstrategy = \"pass_through\"")
        .variable("HEARTH__SERVER__PORT", "08001")
        .set("log.level=warn")
        .set("log.level=info,hearth_cache=debug");
    let printed = print(&setup.load());
    let local = setup.path("local.toml");
    for line in [
        "[server]".to_owned(),
        "port = 8001 # HEARTH__SERVER__PORT".to_owned(),
        "host = \"127.0.0.1\" # built-in default".to_owned(),
        format!("strategy = \"pass_through\" # {}", local.display()),
        "level = \"info,hearth_cache=debug\" # --set".to_owned(),
    ] {
        assert!(
            printed.lines().any(|printed| printed == line),
            "{line} in\n{printed}"
        );
    }
    let fed_back = Setup::new().file("local.toml", &printed).load();
    assert_eq!(
        format!("{:?}", fed_back.settings),
        format!("{:?}", setup.load().settings)
    );
}

#[test]
fn a_hidden_password_is_refused_when_fed_back() {
    let setup = Setup::new().variable("HEARTH__STORE__URL", "postgres://u:secret@h/d");
    let printed = print(&setup.load());
    let refused = Setup::new().file("local.toml", &printed).problems().concat();
    assert!(
        refused.ends_with("with the real password in place of ***"),
        "{refused}"
    );
}
