//! A chat through an upstream that answers at once, against that upstream called directly: what the history, the prompt, the commit and the
//! way through the server add.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::canned::{Answer, Canned};
use crate::dataset::Dataset;
use crate::measure::{Figure, Goal, Group};
use crate::rounds::{Pairs, take_turns};
use crate::server::Server;
use crate::wrk::Load;
use crate::{in_process, scripts, wrk};

/// The sessions that are chatted in, all of them loaded.
const SESSIONS: u64 = 1_000;
const MANY_CONNECTIONS: u32 = 64;
const WARM_UP: Duration = Duration::from_secs(1);

/// What is loaded, and with what.
struct Chats {
    server: Server,
    upstream: Canned,
    /// Requests of chats, of chats without history, and of the upstream itself.
    script: String,
    historyless: String,
    direct: String,
}

/// The loads of one number of connections, one a round and side.
struct Loads {
    chats: Vec<Load>,
    historyless: Vec<Load>,
    direct: Vec<Load>,
}

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    wrk::program()?;
    let dataset = bench.synthetic(SESSIONS).named("chatted");
    let url = bench.database()?.with(&dataset)?;
    let runtime = in_process::runtime()?;
    let chats = prepare(&runtime, &url, &dataset)?;
    let one = chats.load(bench, 1)?;
    let many = chats.load(bench, MANY_CONNECTIONS)?;
    let [p50, p99]: [fn(&Load) -> f64; 2] = [
        |load| load.p50_microseconds / 1e3,
        |load| load.p99_microseconds / 1e3,
    ];
    Ok(vec![
        added(
            "a chat adds at p50",
            Goal::AtMost(1.0),
            &one.chats,
            &one.direct,
            p50,
        ),
        added(
            "a chat adds at p99",
            Goal::AtMost(3.0),
            &one.chats,
            &one.direct,
            p99,
        ),
        added(
            "one without history adds at p50",
            Goal::Reported,
            &one.historyless,
            &one.direct,
            p50,
        ),
        rate(&many),
    ])
}

/// A server whose model is a bare server that answers at once.
fn prepare(runtime: &Runtime, url: &str, dataset: &Dataset) -> Result<Chats> {
    let upstream = Canned::start(&Answer {
        method: "POST".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        bodies: vec![completion(dataset)?.to_string()],
    })?;
    let server = start(runtime, url, &upstream)?;
    runtime.block_on(server.api.warm_up(dataset))?;
    let chats = Chats {
        script: scripts::chats(dataset, true)?,
        historyless: scripts::chats(dataset, false)?,
        direct: scripts::posts("/v1/chat/completions", &request(dataset)?),
        server,
        upstream,
    };
    wrk::run(&chats.server.address, &chats.script, WARM_UP)?;
    wrk::run(&chats.upstream.address, &chats.direct, WARM_UP)?;
    Ok(chats)
}

/// A server that asks this upstream.
pub(super) fn start(runtime: &Runtime, url: &str, upstream: &Canned) -> Result<Server> {
    let base_url = format!("{}/v1", upstream.address);
    let settings = [
        ("HEARTH__MODEL__KIND", "openai"),
        ("HEARTH__MODEL__BASE_URL", base_url.as_str()),
        ("HEARTH__MODEL__MODEL", "bench"),
    ];
    Server::start(runtime, url, &settings)
}

/// What the server asks the upstream for: the messages of a session, and the query.
pub(super) fn request(dataset: &Dataset) -> Result<Value> {
    let [query, _] = dataset.exchange()?;
    let said = dataset.messages(0).iter();
    let mut messages: Vec<Value> = said
        .map(|said| json!({ "role": said.role.as_str(), "content": said.content }))
        .collect();
    messages.push(json!({ "role": "user", "content": query }));
    Ok(json!({ "model": "bench", "messages": messages }))
}

fn completion(dataset: &Dataset) -> Result<Value> {
    let [_, response] = dataset.exchange()?;
    Ok(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_767_225_600, "model": "bench",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": response },
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 520, "completion_tokens": 45, "total_tokens": 565 },
    }))
}

impl Chats {
    fn load(&self, bench: &Bench, connections: u32) -> Result<Loads> {
        let duration = bench.arguments.duration();
        let load = |address: &str, script: &str| wrk::run_with(connections, address, script, duration);
        let [chats, historyless, direct] = take_turns(
            bench.arguments.rounds,
            [
                &mut || load(&self.server.address, &self.script),
                &mut || load(&self.server.address, &self.historyless),
                &mut || load(&self.upstream.address, &self.direct),
            ],
        )?;
        Ok(Loads {
            chats,
            historyless,
            direct,
        })
    }
}

fn added(figure: &str, goal: Goal, ours: &[Load], theirs: &[Load], value: fn(&Load) -> f64) -> Figure {
    let values = |side: &[Load]| side.iter().map(value).collect::<Vec<_>>();
    let pairs = Pairs::new(values(ours), values(theirs));
    Figure {
        row: "9",
        group: Group::Chats,
        figure: format!("{figure}, 1 connection"),
        against: "the upstream called directly".to_owned(),
        goal,
        outcome: pairs.difference("ms"),
        ours: Some(pairs.ours("ms")),
        theirs: Some(pairs.theirs("ms")),
        notes: Vec::new(),
    }
}

fn rate(loads: &Loads) -> Figure {
    let rates = |side: &[Load]| {
        side.iter()
            .map(|load| load.requests_per_second)
            .collect::<Vec<_>>()
    };
    let pairs = Pairs::new(rates(&loads.chats), rates(&loads.direct));
    let historyless = Pairs::new(rates(&loads.historyless), rates(&loads.direct)).ratio();
    Figure {
        row: "9",
        group: Group::Chats,
        figure: format!("chats, each committed, {MANY_CONNECTIONS} connections"),
        against: "the upstream called directly".to_owned(),
        goal: Goal::Reported,
        outcome: pairs.ratio(),
        ours: Some(pairs.ours("turns/s")),
        theirs: Some(pairs.theirs("req/s")),
        notes: vec![format!("without history, so without a commit, {historyless}")],
    }
}
