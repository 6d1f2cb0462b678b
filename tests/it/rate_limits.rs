//! Requests a second: a burst, then 429, for each key and each address alone.

use reqwest::{Method, Response, StatusCode};

use crate::backend::Backend;
use crate::server::{Server, hearth, json, output};

const RATE: [(&str, &str); 2] = [
    ("HEARTH__LIMITS__REQUESTS_PER_SECOND", "1"),
    ("HEARTH__LIMITS__BURST", "5"),
];

/// More than any pace of requests leaves of a burst.
const ENOUGH: usize = 200;

fn number(response: &Response, header: &str) -> u64 {
    response.headers()[header].to_str().unwrap().parse().unwrap()
}

async fn ask(server: &Server, key: Option<&str>) -> Response {
    let request = server.request(Method::GET, "/chatbot/v1/sessions?department=d&user=u");
    let request = match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    };
    request.send().await.unwrap()
}

/// Asks until it is too much, and checks what is told meanwhile.
async fn exhaust(server: &Server, key: Option<&str>, status: StatusCode) {
    for asked in 0..ENOUGH {
        let response = ask(server, key).await;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!(asked >= 4, "the rest of a burst is let in: {asked}");
            assert!(number(&response, "retry-after") >= 1);
            assert_eq!(number(&response, "ratelimit-limit"), 5);
            assert_eq!(number(&response, "ratelimit-remaining"), 0);
            assert!(number(&response, "ratelimit-reset") >= 1);
            let problem = json(response, StatusCode::TOO_MANY_REQUESTS).await;
            assert_eq!(problem["code"], "rate_limited");
            return;
        }
        assert_eq!(response.status(), status);
        if status.is_success() {
            assert_eq!(number(&response, "ratelimit-limit"), 5);
            assert!(number(&response, "ratelimit-remaining") <= 4);
        }
    }
    panic!("{ENOUGH} requests were let in");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_its_rate_in_open_mode() {
    let backend = Backend::sqlite().await;
    let server = Server::start_with(&backend.url(), &RATE).await;
    exhaust(&server, None, StatusCode::OK).await;
    for _ in 0..20 {
        server.get("/chatbot/health").await;
        server.get("/chatbot/health/ready").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_has_its_rate_and_guessing_has_one_too() {
    let backend = Backend::sqlite().await;
    let settings = [RATE[0], RATE[1], ("HEARTH__AUTH__MODE", "keys")];
    let server = Server::start_with(&backend.url(), &settings).await;
    let folder = tempfile::tempdir().unwrap();
    let create = || {
        let mut command = hearth(folder.path(), &backend.url());
        let (code, key, text) = output(command.args(["keys", "create", "--department=d", "--scopes=read"]));
        assert_eq!(code, Some(0), "{text}");
        key.trim_end().to_owned()
    };
    let (one, other) = (create(), create());
    // Each is known from here on; asking for an unknown one counts against the address.
    for key in [&one, &other] {
        assert_eq!(ask(&server, Some(key)).await.status(), StatusCode::OK);
    }
    exhaust(&server, Some(&one), StatusCode::OK).await;
    assert_eq!(ask(&server, Some(&other)).await.status(), StatusCode::OK);
    let mut refused = 0;
    for _ in 0..ENOUGH {
        match ask(&server, None).await.status() {
            StatusCode::UNAUTHORIZED => refused += 1,
            StatusCode::TOO_MANY_REQUESTS => break,
            status => panic!("{status}"),
        }
    }
    assert!(refused < ENOUGH, "whoever has no key is slowed down");
    assert_eq!(ask(&server, Some(&other)).await.status(), StatusCode::OK);
}
