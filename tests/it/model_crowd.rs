//! Many streams at once, half of whose clients vanish.

use hearth_testkit::model_server::{ModelServer, Reply};
use hearth_testkit::poll::until;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::backend::{Backend, both_stores};
use crate::event_stream::{EventStream, asking, text};
use crate::model_upstream;
use crate::server::{DEADLINE, Server};

both_stores!(every_turn_is_kept_whoever_stays_for_it);

const STREAMS: usize = 200;
const BROKEN: usize = 40;

async fn figure(server: &Server, name: &str) -> f64 {
    let response = server.request(Method::GET, "/metrics").send().await.unwrap();
    let text = response.text().await.unwrap();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

async fn every_turn_is_kept_whoever_stays_for_it(backend: Backend) {
    let model = ModelServer::start().await;
    let settings = [
        ("HEARTH__MODEL__CONCURRENT_MAX", "256"),
        ("HEARTH__STORE__TIMEOUT_MS", "20000"),
        ("HEARTH__STORE__COMMIT_TIMEOUT_MS", "20000"),
    ];
    let mut server = model_upstream::start(&backend.url(), &model, &settings).await;
    for round in 0..2 {
        run(&server, &model, round).await;
    }
    // Nothing is left that a stop would wait for.
    server.signal("TERM");
    assert!(server.ended().await.success());
    let log = server.log();
    assert!(log.contains("stopped") && !log.contains("unfinished"), "{log}");
}

async fn run(server: &Server, model: &ModelServer, round: usize) {
    let gate = model.gate();
    let begun = || Reply::stream().text("begun").wait(&gate);
    // Not a connection that breaks: after a few of those a model is left alone.
    let broken = json!({"error": {"code": "engine_dead"}});
    for _ in 0..BROKEN {
        model.next(begun().event(&broken));
    }
    model.usually(begun().text(" and ended").finish("stop").done());
    let mut clients = JoinSet::new();
    for client in 0..STREAMS {
        let request = asking(server, &format!("{round}-{client}"), "Hi");
        clients.spawn(async move {
            let mut stream = EventStream::open(request).await;
            stream.expect("turn").await;
            // Every other one goes away: some before they saw anything of the answer, some after.
            if client % 4 == 0 {
                return None;
            }
            let first = stream.expect("delta").await;
            if client % 4 == 2 {
                return None;
            }
            let mut events = stream.rest().await;
            events.insert(0, first);
            Some(events)
        });
    }
    timeout(DEADLINE, gate.arrived(STREAMS)).await.unwrap();
    let mut stayed = Vec::new();
    for _ in 0..STREAMS / 2 {
        assert!(clients.join_next().await.unwrap().unwrap().is_none());
    }
    gate.open();
    while let Some(events) = clients.join_next().await {
        stayed.extend(events.unwrap());
    }
    assert_eq!(stayed.len(), STREAMS / 2);
    for events in &stayed {
        let done = events.last().unwrap();
        assert_eq!(done.name, "done");
        assert_eq!(done.data["response"], text(events).as_str());
        assert_eq!(done.data["version"], 1);
    }
    // One request is under way: the one that asks.
    until(DEADLINE, async || {
        figure(server, "hearth_http_requests_in_flight").await == 1.0
    })
    .await;
    let (mut whole, mut broken) = (0, 0);
    for client in 0..STREAMS {
        let session = format!("{round}-{client}");
        // Those whose clients went away may still be on their way to the table.
        until(DEADLINE, async || server.history(&session).await["version"] == 1).await;
        let messages = server.history(&session).await["messages"].clone();
        assert_eq!(messages.as_array().unwrap().len(), 2, "{messages}");
        match messages[1]["content"].as_str().unwrap() {
            "begun and ended" if messages[1].get("status").is_none() => whole += 1,
            "begun" if messages[1]["status"] == "incomplete" => broken += 1,
            _ => panic!("{messages}"),
        }
    }
    assert_eq!((whole, broken), (STREAMS - BROKEN, BROKEN));
    assert_eq!(model.calls(), STREAMS * (round + 1));
}
