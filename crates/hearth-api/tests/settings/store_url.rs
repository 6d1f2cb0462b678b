//! The store's URL: where it comes from, and that its password is never shown.

use hearth_api::settings::load;

use crate::setup::{Setup, print};

#[test]
fn it_can_come_from_a_file() {
    for end in ["", "\n", "\r\n"] {
        let text = format!("postgres://u:secret@h/d{end}");
        let loaded = Setup::new().url_file(&text).load();
        assert_eq!(loaded.settings.store.url.to_string(), "postgres://u:***@h/d");
        let printed = print(&loaded);
        let line = "\n# url = \"postgres://u:***@h/d\" # read from url_file\n";
        assert!(printed.contains(line), "{printed}");
    }
}

#[test]
fn it_has_one_source() {
    let setup = Setup::new().url_file("sqlite:other.db");
    let both = setup.variable("HEARTH__STORE__URL", "postgres://u:secret@h/d");
    let clash = "store.url is set as well (HEARTH__STORE__URL): take one of the two away";
    assert_eq!(
        both.problems(),
        [format!("store.url_file = \"url\" (--set): {clash}")]
    );

    let setup = Setup::new().url_file("sqlite:other.db");
    let both = setup.file("default.toml", "[store]\nurl = \"sqlite:mine.db\"");
    let problems = both.problems().concat();
    assert!(
        problems.contains("store.url is set as well (default.toml)"),
        "{problems}"
    );
}

#[test]
fn a_copy_of_the_defaults_chooses_nothing() {
    let setup = Setup::new().url_file("sqlite:other.db");
    let copy = setup.file("default.toml", include_str!("../../default.toml"));
    assert_eq!(copy.load().settings.store.url.to_string(), "sqlite:other.db");
}

#[test]
fn a_file_that_is_not_fit_is_refused() {
    let missing = Setup::new().set("store.url_file=/nowhere/url");
    let problems = missing.problems().concat();
    let expected = "store.url_file = \"/nowhere/url\" (--set): the file cannot be read: ";
    assert!(problems.starts_with(expected), "{problems}");

    let right = "the file must hold sqlite:path, or postgres://user:password@host/database";
    assert_eq!(
        Setup::new().url_file("the secret").problems(),
        [format!("store.url_file = \"url\" (--set): {right}")]
    );
}

#[test]
fn no_secret_is_shown_anywhere() {
    let url = "postgres://u:secret@h/d";
    let setup = Setup::new().variable("HEARTH__STORE__URL", url);
    let loaded = setup.variable("HEARTH__COHERENCE__URL", url).load();
    for text in [
        format!("{loaded:?}"),
        format!("{:?}", loaded.settings),
        print(&loaded),
    ] {
        assert!(!text.contains("secret"), "{text}");
    }
    for setup in [
        Setup::new().set("store.url=mysql://u:secret@h/d"),
        Setup::new().set("coherence.url=mysql://u:secret@h/d"),
        Setup::new().set("store.url_file=postgres://u:secret@h/d"),
        Setup::new().set("server.host=postgres://u:secret@h/d"),
        Setup::new().set("store.ulr=postgres://u:secret@h/d"),
        Setup::new().set("postgres://u:secret@h/d?a=b"),
        Setup::new().set("store.url:postgres://u:secret@h/d"),
        Setup::new().variable("HEARTH__STROE__URL", url),
        Setup::new().file("local.toml", "[store]\nurl = postgres://u:secret@h/d"),
        Setup::new().file("local.toml", "[store]\nurl = [\"postgres://u:secret@h/d\"]"),
    ] {
        let refused = load(&setup.sources).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("secret"), "{refused}");
    }
}
