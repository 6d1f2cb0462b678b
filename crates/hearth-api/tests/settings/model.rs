//! `[model]`: what goes together, its tables, and its key.

use hearth_api::open_model::prompt_config;
use hearth_api::settings::ModelKind;
use hearth_domain::Department;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::setup::{Setup, print};

const SERVER: &str =
    "[model]\nkind = \"openai\"\nbase_url = \"http://localhost:11434/v1\"\nmodel = \"small\"\n";

fn department(name: &str) -> Department {
    Department::new(name).unwrap()
}

#[test]
fn a_server_needs_an_address_and_a_model() {
    let message = "must be set where model.kind = \"openai\"";
    assert_eq!(
        Setup::new().set("model.kind=openai").problems(),
        [
            format!("model.base_url (--set): {message}"),
            format!("model.model (--set): {message}"),
        ]
    );
    let model = Setup::new().file("local.toml", SERVER).load().settings.model;
    assert_eq!(model.kind, ModelKind::OpenAi);
    assert_eq!(model.base_url.unwrap().to_string(), "http://localhost:11434/v1");
    assert_eq!(model.model.unwrap().as_str(), "small");
    assert_eq!((model.concurrent_max, model.queue_max), (64, 256));
    assert_eq!(model.read_timeout.as_secs(), 60);
}

#[test]
fn tables_come_from_files_and_from_the_environment() {
    let file = Setup::new().file(
        "local.toml",
        "[model]\nsystem_prompt = \"Be brief.\"\nparameters = { temperature = 0.5, stop = [\"a\", \"b\"] }\n\
         [model.departments.TiaMD]\nmodel = \"large\"\nsystem_prompt = \"\"\n\
         [model.departments.\"Law & Order\"]\nparameters = { top_p = 1 }",
    );
    let variables = Setup::new()
        .variable("HEARTH__MODEL__SYSTEM_PROMPT", "Be brief.")
        .variable("HEARTH__MODEL__PARAMETERS", r#"{"temperature": 0.5, "stop": ["a", "b"]}"#)
        .variable(
            "HEARTH__MODEL__DEPARTMENTS",
            r#"{"TiaMD": {"model": "large", "system_prompt": ""}, "Law & Order": {"parameters": {"top_p": 1}}}"#,
        );
    for setup in [file, variables] {
        let loaded = setup.load();
        let model = &loaded.settings.model;
        assert_eq!(
            json!(model.parameters),
            json!({"temperature": 0.5, "stop": ["a", "b"]})
        );
        let tia = &model.departments[&department("TiaMD")];
        assert_eq!(tia.model.as_deref(), Some("large"));
        let law = &model.departments[&department("Law & Order")];
        assert_eq!(json!(law.parameters), json!({"top_p": 1}));
        let prompts = prompt_config(&loaded.settings);
        assert_eq!(prompts.system(&department("TiaMD")), None);
        let usual = prompts.system(&department("Law & Order"));
        assert_eq!(usual.map(AsRef::as_ref), Some("Be brief."));

        let fed_back = Setup::new().file("local.toml", &print(&loaded)).load();
        assert_eq!(fed_back.settings.model.departments, model.departments);
        assert_eq!(fed_back.settings.model.parameters, model.parameters);
    }
}

#[test]
fn what_is_misspelt_in_a_department_is_refused() {
    for table in [
        "modell = \"large\"",
        "model = \"\"",
        "parameters = { stream = true }",
    ] {
        let text = format!("[model.departments.law]\n{table}");
        let problems = Setup::new().file("local.toml", &text).problems();
        assert_eq!(problems.len(), 1, "{table}");
        assert!(
            problems
                .concat()
                .starts_with("model.departments = a section (local.toml): must be tables")
        );
    }
}

#[test]
fn the_key_comes_from_a_setting_or_a_file_and_is_never_shown() {
    let check = |setup: &Setup| {
        let loaded = setup.load();
        let key = loaded.settings.model.api_key.as_ref().unwrap();
        assert_eq!(key.secret().expose_secret(), "sk-private");
        let shown = format!("{loaded:?}\n{}", print(&loaded));
        assert!(!shown.contains("private"), "{shown}");
        shown
    };
    let variable = Setup::new().variable("HEARTH__MODEL__API_KEY", "sk-private");
    let shown = check(&variable);
    assert!(
        shown.contains("api_key = \"***\" # HEARTH__MODEL__API_KEY"),
        "{shown}"
    );

    let file = Setup::new().file("key", "sk-private\n");
    let path = file.path("key").display().to_string();
    let file = file.set(&format!("model.api_key_file={path}"));
    check(&file);
    let both = file.variable("HEARTH__MODEL__API_KEY", "sk-other").problems();
    assert_eq!(
        both,
        [
            "model.api_key_file = \"key\" (--set): model.api_key is set as well (HEARTH__MODEL__API_KEY): take one of the two \
             away"
        ]
    );
    let missing = Setup::new()
        .set("model.api_key_file=/nowhere/key")
        .problems()
        .concat();
    assert!(missing.contains("the file cannot be read: "), "{missing}");
    let empty = Setup::new().file("key", "");
    let path = empty.path("key").display().to_string();
    let empty = empty
        .set(&format!("model.api_key_file={path}"))
        .problems()
        .concat();
    assert!(
        empty.ends_with("the file must hold a key of visible characters, without blanks"),
        "{empty}"
    );
}
