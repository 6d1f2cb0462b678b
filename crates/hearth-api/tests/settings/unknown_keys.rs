//! What is no key is refused, wherever it stands.

use crate::setup::Setup;

const SECTIONS: &str =
    "the sections are auth, cache, chat, coherence, limits, log, model, prompt, server, store";
const LOG: &str = "is no setting; [log] has access, format, level, otlp_endpoint";

fn check(setup: &Setup, subject: &str, message: &str) {
    assert_eq!(setup.problems(), [format!("{subject}: {message}")]);
}

#[test]
fn in_a_file() {
    let stroe = format!("there is no section [stroe]; {SECTIONS}");
    let dotted = format!("there is no section [log.level]; {SECTIONS}");
    for (text, subject, message) in [
        ("[log]\nlevle = \"debug\"", "log.levle (local.toml)", LOG),
        ("[stroe]\nurl = \"a\"", "stroe.url (local.toml)", &stroe),
        ("[stroe]", "stroe (local.toml)", &stroe),
        ("stroe = 1", "stroe (local.toml)", &stroe),
        ("store = 1", "store (local.toml)", "must be a section: [store]"),
        ("\"log.level\" = \"debug\"", "log.level (local.toml)", &dotted),
    ] {
        check(&Setup::new().file("local.toml", text), subject, message);
    }
}

#[test]
fn in_the_environment() {
    let stroe = format!("there is no section [stroe]; {SECTIONS}");
    for (name, subject, message) in [
        (
            "HEARTH__STROE__URL",
            "stroe.url (HEARTH__STROE__URL)",
            stroe.as_str(),
        ),
        ("HEARTH__LOG__LEVLE", "log.levle (HEARTH__LOG__LEVLE)", LOG),
        (
            "HEARTH__LOG__LEVEL__X",
            "log.level__x (HEARTH__LOG__LEVEL__X)",
            LOG,
        ),
        (
            "HEARTH__PORT",
            "HEARTH__PORT",
            "names no key: it takes the form HEARTH__SECTION__KEY",
        ),
    ] {
        check(&Setup::new().variable(name, "a"), subject, message);
    }
}

#[test]
fn on_the_command_line() {
    let stroe = format!("there is no section [stroe]; {SECTIONS}");
    for (argument, subject, message) in [
        ("stroe.url=a", "stroe.url (--set)", stroe.as_str()),
        ("log.levle=a", "log.levle (--set)", LOG),
        ("log.level.x=a", "log.level.x (--set)", LOG),
        ("port=1", "--set", "takes section.key=value"),
        ("server.port", "--set", "takes section.key=value"),
    ] {
        check(&Setup::new().set(argument), subject, message);
    }
}

#[test]
fn settings_of_later_versions_are_not_taken_in_silence() {
    let problems = Setup::new().set("coherence.mode=redis").problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
}
