//! The commands beside serving: migrate, import, export.

use std::path::Path;

use crate::backend::{Backend, both_stores};
use crate::server::{Server, hearth, output, with};

both_stores!(
    a_wrong_line_is_reported_and_the_rest_goes_on,
    a_second_import_adds_nothing,
    an_import_that_broke_off_is_completed,
    what_is_exported_can_be_imported,
    migrate_may_be_repeated,
);

fn line(session: &str, messages: &[(&str, &str)]) -> String {
    let messages: Vec<_> = messages
        .iter()
        .map(|(role, content)| serde_json::json!({"role": role, "content": content}))
        .collect();
    serde_json::json!({"department": "d", "user": "u", "chatsession_id": session, "messages": messages})
        .to_string()
}

fn import(store: &str, folder: &Path, lines: &[String]) -> (Option<i32>, String) {
    let file = folder.join("lines.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let (code, _, text) = output(with(hearth(folder, store).arg("import"), &[&file]));
    (code, text)
}

async fn a_wrong_line_is_reported_and_the_rest_goes_on(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        line("1", &[("user", "a"), ("assistant", "b")]),
        "not json".to_owned(),
        line("2", &[("user", "a"), ("assistant", "")]),
        line("", &[("user", "a")]),
        line("3", &[]),
        String::new(),
        line("4", &[("user", "a"), ("assistant", "b"), ("user", "c")]),
    ];
    let (code, text) = import(&backend.url(), folder.path(), &lines);
    assert_eq!(code, Some(1), "{text}");
    for number in [2, 3, 4, 5] {
        assert!(text.contains(&format!("line {number}: ")), "{number}: {text}");
    }
    assert!(text.contains("imported 2 dialogues with 5 messages"), "{text}");
    let server = Server::start(&backend.url()).await;
    let history = server.history("4").await;
    assert_eq!(
        history["version"], 2,
        "each question with its answers is one turn"
    );
    assert_eq!(history["messages"][2]["content"], "c");
}

async fn a_second_import_adds_nothing(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let lines = [
        line("1", &[("user", "a"), ("assistant", "b")]),
        line("2", &[("user", "a")]),
    ];
    for expected in ["imported 2 dialogues", "2 were there already"] {
        let (code, text) = import(&backend.url(), folder.path(), &lines);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    let other = [line("1", &[("user", "a"), ("assistant", "other")])];
    let (code, text) = import(&backend.url(), folder.path(), &other);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("line 1: the session is there already, with other messages"),
        "{text}"
    );
    let server = Server::start(&backend.url()).await;
    assert_eq!(server.history("1").await["messages"].as_array().unwrap().len(), 2);
    // A session that went on since then still begins with the dialogue.
    server.chat("1", "More").await;
    drop(server);
    let (code, text) = import(&backend.url(), folder.path(), &lines);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("2 were there already"), "{text}");
}

async fn an_import_that_broke_off_is_completed(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let all = [
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
        ("assistant", "d"),
    ];
    import(&backend.url(), folder.path(), &[line("1", &all[..2])]);
    let (code, text) = import(&backend.url(), folder.path(), &[line("1", &all)]);
    assert_eq!(code, Some(0), "{text}");
    let server = Server::start(&backend.url()).await;
    let history = server.history("1").await;
    assert_eq!(history["messages"].as_array().unwrap().len(), 4);
    assert_eq!(history["version"], 2);
}

async fn what_is_exported_can_be_imported(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    {
        let server = Server::start(&backend.url()).await;
        server.chat("1", "Hello").await;
        server.chat("2", "Hello").await;
    }
    let file = folder.path().join("exported.jsonl");
    let (code, _, text) = output(with(
        hearth(folder.path(), &backend.url()).arg("export"),
        &[&file],
    ));
    assert_eq!(code, Some(0), "{text}");
    let (_, standard, _) =
        output(hearth(folder.path(), &backend.url()).args(["export", "--department", "d"]));
    assert_eq!(standard, std::fs::read_to_string(&file).unwrap());
    let (_, none, _) = output(hearth(folder.path(), &backend.url()).args(["export", "--department", "e"]));
    assert_eq!(none, "");

    let copy = "sqlite:copy.db";
    let (code, _, text) = output(with(hearth(folder.path(), copy).arg("import"), &[&file]));
    assert_eq!(code, Some(0), "{text}");
    let (_, again, _) = output(hearth(folder.path(), copy).arg("export"));
    assert_eq!(again, standard, "times and metadata included");
}

async fn migrate_may_be_repeated(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let (code, _, text) = output(hearth(folder.path(), &backend.url()).args(["migrate", "--index"]));
        assert_eq!(code, Some(0), "{text}");
    }
    let settings = [("HEARTH__STORE__MIGRATE", "false")];
    let server = Server::start_with(&backend.url(), &settings).await;
    server.chat("1", "Hello").await;
}

#[test]
fn what_shows_a_store_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [["export", "-"], ["keys", "list"]] {
        let mut command = hearth(folder.path(), "sqlite:none.db");
        let (code, _, text) = output(command.args(arguments));
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("there is no database at none.db"), "{text}");
    }
    assert!(!folder.path().join("none.db").exists());
}
