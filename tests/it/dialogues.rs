//! Real conversations: imported, and read back over HTTP line by line.

use hearth_testkit::dialogues::sample;

use crate::backend::{Backend, both_stores};
use crate::server::{Server, hearth, output, with};

both_stores!(every_session_of_the_file_equals_its_line);

async fn every_session_of_the_file_equals_its_line(backend: Backend) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dialogues.jsonl");
    std::fs::write(&file, hearth_testkit::dialogues::SAMPLE_JSONL).unwrap();
    let (code, _, text) = output(with(
        hearth(folder.path(), &backend.url()).arg("import"),
        &[&file],
    ));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("imported 50 dialogues"), "{text}");

    let server = Server::start(&backend.url()).await;
    for dialogue in sample() {
        let path = format!(
            "/chatbot/v1/sessions/{}/messages?department={}&user={}",
            dialogue.session, dialogue.department, dialogue.user
        );
        let history = server.get(&path).await;
        assert_eq!(history["source"], "store");
        assert_eq!(history["truncated"], false);
        let messages = history["messages"].as_array().unwrap();
        assert_eq!(messages.len(), dialogue.messages.len());
        for (stored, line) in messages.iter().zip(&dialogue.messages) {
            assert_eq!(stored["role"], line.role.as_str());
            assert_eq!(stored["content"], line.content.as_str());
        }
    }
}
