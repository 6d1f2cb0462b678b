//! Requests with a key, repeated at random on two replicas: one turn a key, one call of the model a key, one answer to all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use hearth_testkit::model_server::{ModelServer, Reply};
use hearth_testkit::poll::until;
use hearth_testkit::postgres::TestDatabase;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::load::seed;
use crate::model_upstream;
use crate::server::{DEADLINE, json as json_of, messages_path};

const CLIENTS: usize = 500;

const KEYS_EACH: usize = 2;

/// Sessions that those clients share whose chats name one.
const SESSIONS: usize = 50;

/// Repeats of one request, at most.
const REPEATS_MAX: usize = 3;

/// What a request with a key asks for.
#[derive(Debug, Clone)]
struct Keyed {
    key: String,
    path: String,
    body: Value,
}

impl Keyed {
    /// Chats with a session and without, and some appends.
    fn by(dice: &mut Rng, key: String) -> Self {
        let session = format!("shared-{}", dice.usize(..SESSIONS));
        let chat = "/chatbot/v1/chat".to_owned();
        let (path, body) = match dice.usize(..10) {
            0..6 => (chat, json!({"department": "d", "user": "u", "chatquery": key})),
            6..9 => (
                chat,
                json!({"department": "d", "user": "u", "chatquery": key, "chatsession_id": session}),
            ),
            _ => (
                messages_path(&session),
                json!({"messages": [{"role": "user", "content": key}, {"role": "assistant", "content": "Hello"}]}),
            ),
        };
        Self { key, path, body }
    }

    fn is_chat(&self) -> bool {
        self.body.get("chatquery").is_some()
    }

    fn request(&self, client: &Client, authority: &str) -> RequestBuilder {
        client
            .post(format!("http://{authority}{}", self.path))
            .header("Idempotency-Key", &self.key)
            .json(&self.body)
            .timeout(DEADLINE)
    }
}

/// What a client was told: the body, and whether it was told before.
type Told = (String, bool);

async fn told(response: Response) -> Told {
    let is_replayed = response.headers().contains_key("idempotent-replayed");
    let status = response.status();
    let body = response.text().await.unwrap();
    assert!(status.is_success(), "{status}: {body}");
    (body, is_replayed)
}

/// One client with its requests and their repeats: at the same time, or one after the other, on either replica. It may leave in the
/// middle of a request, and then asks again.
async fn run(
    client: Client,
    replicas: Arc<[String; 2]>,
    number: usize,
    seed: u64,
) -> Vec<(Keyed, Vec<Told>)> {
    let mut dice = Rng::with_seed(seed.wrapping_add(u64::try_from(number).unwrap()));
    let mut requests = Vec::new();
    for turn in 0..KEYS_EACH {
        let keyed = Keyed::by(&mut dice, format!("client-{number}-{turn}"));
        let mut heard = Vec::new();
        let mut asked = 0;
        while asked <= dice.usize(..=REPEATS_MAX) || heard.is_empty() {
            asked += 1;
            let request = |dice: &mut Rng| keyed.request(&client, &replicas[dice.usize(..2)]).send();
            match dice.usize(..4) {
                0 => {
                    let (first, second) = tokio::join!(request(&mut dice), request(&mut dice));
                    heard.push(told(first.unwrap()).await);
                    heard.push(told(second.unwrap()).await);
                }
                1 => {
                    let patience = Duration::from_millis(dice.u64(..20));
                    if let Ok(response) = tokio::time::timeout(patience, request(&mut dice)).await {
                        heard.push(told(response.unwrap()).await);
                    }
                }
                _ => heard.push(told(request(&mut dice).await.unwrap()).await),
            }
        }
        requests.push((keyed, heard));
    }
    requests
}

/// How often each content is in the table.
async fn times_kept(database: &TestDatabase) -> HashMap<String, i64> {
    let client = database.client().await.unwrap();
    let query = "SELECT content, count(*) FROM chatbot_messages WHERE role = 'user' GROUP BY content";
    let rows = client.query(query, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// How often the model was asked each question.
fn times_asked(model: &ModelServer) -> HashMap<String, i64> {
    let mut asked = HashMap::new();
    for request in model.requests() {
        let messages = request.body["messages"].as_array().unwrap();
        let question = messages.last().unwrap()["content"].as_str().unwrap();
        *asked.entry(question.to_owned()).or_default() += 1;
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_clients_repeat_their_requests_on_two_replicas() {
    hearth_api::file_limit::raise_file_limit(4 * CLIENTS);
    let seed = seed();
    let database = TestDatabase::empty().await.unwrap();
    let model = ModelServer::start().await;
    // A thousand at once ask the model, whichever replica they come to.
    // However slow the machine is, nobody is told that the store is.
    let settings = [
        ("HEARTH__MODEL__QUEUE_MAX", "1000"),
        ("HEARTH__STORE__TIMEOUT_MS", "20000"),
        ("HEARTH__STORE__COMMIT_TIMEOUT_MS", "20000"),
    ];
    let replicas = [
        model_upstream::start(&database.url(), &model, &settings).await,
        model_upstream::start(&database.url(), &model, &settings).await,
    ];
    let authorities = Arc::new([
        replicas[0].authority().to_owned(),
        replicas[1].authority().to_owned(),
    ]);
    let client = Client::new();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(run(client.clone(), Arc::clone(&authorities), number, seed));
    }
    let requests: Vec<_> = clients.join_all().await.into_iter().flatten().collect();
    assert_eq!(requests.len(), CLIENTS * KEYS_EACH);

    for (keyed, heard) in &requests {
        let (first, _) = &heard[0];
        assert!(
            heard.iter().all(|(body, _)| body == first),
            "{keyed:?}: {heard:?}"
        );
        let firsts = heard.iter().filter(|(_, is_replayed)| !is_replayed).count();
        assert!(firsts <= 1, "{keyed:?}: {heard:?}");
    }
    let all = requests.iter().map(|(keyed, _)| (keyed.key.clone(), 1));
    assert_eq!(times_kept(&database).await, all.collect(), "one turn a key");
    let chats = requests.iter().filter(|(keyed, _)| keyed.is_chat());
    let chats = chats.map(|(keyed, _)| (keyed.key.clone(), 1));
    assert_eq!(
        times_asked(&model),
        chats.collect(),
        "one call of the model a key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_killed_while_the_model_answers_leaves_one_turn() {
    // The claim of the one that is killed lasts as long as a turn, its commit and some seconds may take.
    let settings = [
        ("HEARTH__CHAT__TURN_SECONDS_MAX", "1"),
        ("HEARTH__STORE__COMMIT_TIMEOUT_MS", "1000"),
    ];
    let database = TestDatabase::empty().await.unwrap();
    let model = ModelServer::start().await;
    let mut killed = model_upstream::start(&database.url(), &model, &settings).await;
    let other = model_upstream::start(&database.url(), &model, &settings).await;
    model.next(Reply::silence());
    let keyed = Keyed {
        key: "once".to_owned(),
        path: "/chatbot/v1/chat".to_owned(),
        body: json!({"department": "d", "user": "u", "chatquery": "once"}),
    };
    let client = Client::new();
    let request = keyed.request(&client, killed.authority());
    let unheard = tokio::spawn(request.send());
    model.called(1).await;
    killed.kill();
    assert!(unheard.await.unwrap().is_err());

    let mut answer = None;
    until(DEADLINE, async || {
        let response = keyed.request(&client, other.authority()).send().await.unwrap();
        if response.status() == StatusCode::OK {
            answer = Some(told(response).await);
        } else {
            let problem = json_of(response, StatusCode::CONFLICT).await;
            assert_eq!(problem["code"], "session_busy");
        }
        answer.is_some()
    })
    .await;
    let (body, is_replayed) = answer.unwrap();
    assert!(!is_replayed, "nobody had answered it");
    let once = HashMap::from([("once".to_owned(), 1)]);
    assert_eq!(times_kept(&database).await, once);
    assert!(model.calls() <= 2);

    let back = model_upstream::start(&database.url(), &model, &settings).await;
    let repeat = told(keyed.request(&client, back.authority()).send().await.unwrap()).await;
    assert_eq!(repeat, (body, true));
    assert_eq!(times_kept(&database).await, once);
}
