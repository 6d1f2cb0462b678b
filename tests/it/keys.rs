//! Who may enter: every route of the URL table, with every kind of key.

use hearth_api::auth::{Access, Named};
use hearth_api::routes::{Call, ROUTES};
use hearth_domain::Scope;
use hearth_testkit::poll::until;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::backend::{Backend, both_stores};
use crate::server::{DEADLINE, Server, hearth, output};

both_stores!(
    every_route_asks_for_the_right_key,
    what_is_forbidden_is_told_alike_whatever_is_there,
    a_revocation_reaches_every_server,
    keys_are_shown_once_and_logged_never,
);

pub(crate) const KEYS: (&str, &str) = ("HEARTH__AUTH__MODE", "keys");

/// Runs `hearth keys …` beside whatever runs: its exit code and what it wrote to standard output.
pub(crate) fn keys(backend: &Backend, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, text) = output(hearth(folder.path(), &backend.url()).arg("keys").args(arguments));
    assert!(!text.contains("_"), "the key is on standard output alone: {text}");
    (code, out)
}

/// A new key, made while the server runs.
pub(crate) fn create(backend: &Backend, departments: &[&str], scopes: &str) -> String {
    let mut arguments = vec!["create", "--scopes", scopes];
    for department in departments {
        arguments.extend(["--department", department]);
    }
    if departments.is_empty() {
        arguments.push("--all-departments");
    }
    let (code, out) = keys(backend, &arguments);
    assert_eq!(code, Some(0));
    out.trim_end().to_owned()
}

pub(crate) fn id(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

/// A request that the call takes, for department `d`.
fn request(server: &Server, path: &str, method: &Method, named: Named) -> RequestBuilder {
    let query = match named {
        Named::InQuery if path.contains("/users/") => "?department=d",
        Named::InQuery => "?department=d&user=u",
        Named::Nowhere | Named::InBody | Named::InSessions => "",
    };
    let path: String = path.split('/').fold(String::new(), |path, segment| {
        let segment = if segment.starts_with('{') { "x" } else { segment };
        if segment.is_empty() {
            path
        } else {
            format!("{path}/{segment}")
        }
    });
    let request = server.request(method.clone(), &format!("{path}{query}"));
    let who = json!({"department": "d", "user": "u", "chatsession_id": "x"});
    match named {
        Named::InBody => {
            let mut body = who;
            body["chatquery"] = "Hello".into();
            request.json(&body)
        }
        Named::InSessions => request.json(&json!({"sessions": [who]})),
        Named::InQuery if *method == Method::POST => {
            request.json(&json!({"messages": [{"role": "user", "content": "Hello"}]}))
        }
        Named::InQuery | Named::Nowhere => request,
    }
}

/// Refused with this status and code; an answer to HEAD has no body to tell.
async fn refused(request: RequestBuilder, method: &Method, status: StatusCode, code: &str, what: &str) {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), status, "{what}");
    let challenge = response.headers().get("www-authenticate").cloned();
    let challenged = challenge.is_some_and(|challenge| challenge.to_str().unwrap().starts_with("Bearer"));
    assert_eq!(challenged, status == StatusCode::UNAUTHORIZED, "{what}");
    if *method != Method::HEAD {
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["code"], code, "{what}");
    }
}

fn is_let_in(response: &Response) -> bool {
    !matches!(
        response.status(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    )
}

/// Every call of the table: its path, a method, and who may.
fn calls() -> impl Iterator<Item = (&'static str, Method, Access)> {
    ROUTES.iter().flat_map(|entry| {
        let methods = |call: &'static Call| call.methods().iter().map(move |method| (method, call.access()));
        let calls = entry.calls.iter().flat_map(methods);
        calls.map(|(method, access)| {
            let method = Method::from_bytes(method.as_str().as_bytes()).unwrap();
            (entry.path, method, access)
        })
    })
}

async fn every_route_asks_for_the_right_key(backend: Backend) {
    let server = Server::start_with(&backend.url(), &[KEYS]).await;
    let all = create(&backend, &[], "read,chat,admin");
    let revoked = create(&backend, &["d"], "read,chat,admin");
    assert_eq!(keys(&backend, &["revoke", id(&revoked)]).0, Some(0));
    let foreign = create(&backend, &["e", "D", "d "], "read,chat,admin");
    let mut wrong = all.clone();
    wrong.replace_range(all.len() - 4.., "beef");
    let unknown = all.replace(id(&all), "0123456789abcdef");
    let bad = [
        format!("Bearer {wrong}"),
        format!("Bearer {unknown}"),
        format!("Bearer {revoked}"),
        "Bearer hearth_".to_owned(),
        format!("Basic {all}"),
        all.clone(),
    ];
    for (path, method, access) in calls() {
        let what = format!("{method} {path}");
        let Access::Key(scope, named) = access else {
            let response = request(&server, path, &method, Named::Nowhere)
                .send()
                .await
                .unwrap();
            assert!(is_let_in(&response), "{what}");
            continue;
        };
        let request = || request(&server, path, &method, named);
        refused(request(), &method, StatusCode::UNAUTHORIZED, "missing_key", &what).await;
        for value in &bad {
            let request = request().header("Authorization", value);
            refused(request, &method, StatusCode::UNAUTHORIZED, "invalid_key", &what).await;
        }
        if let Some(scope) = scope {
            let others: Vec<&str> = Scope::ALL
                .iter()
                .filter(|other| **other != scope)
                .map(|other| other.as_str())
                .collect();
            let key = create(&backend, &[], &others.join(","));
            let request = request().bearer_auth(key);
            refused(request, &method, StatusCode::FORBIDDEN, "missing_scope", &what).await;
        }
        let abroad = request().bearer_auth(&foreign);
        if named == Named::Nowhere {
            assert!(is_let_in(&abroad.send().await.unwrap()), "{what}");
        } else {
            refused(
                abroad,
                &method,
                StatusCode::FORBIDDEN,
                "forbidden_department",
                &what,
            )
            .await;
        }
        let just_this = create(&backend, &["e", "d"], scope.map_or("read", Scope::as_str));
        let response = request().bearer_auth(just_this).send().await.unwrap();
        assert!(is_let_in(&response), "{what}: {}", response.status());
        assert!(
            !response.status().is_server_error(),
            "{what}: {}",
            response.status()
        );
    }
}

async fn what_is_forbidden_is_told_alike_whatever_is_there(backend: Backend) {
    let server = Server::start_with(&backend.url(), &[KEYS]).await;
    let key = create(&backend, &["d"], "read,chat,admin");
    let other = create(&backend, &["e"], "read,chat,admin");
    let chat = json!({"department": "d", "user": "u", "chatsession_id": "1", "chatquery": "Hello"});
    let chat = server.request(Method::POST, "/chatbot/v1/chat").json(&chat);
    let response = chat.bearer_auth(&key).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);

    // Loaded, not there, and with wrong parameters.
    let mut told = Vec::new();
    for rest in [
        "1/messages?department=d&user=u",
        "2/messages?department=d&user=u",
        "1/messages?department=d&limit=x",
    ] {
        let request = server.request(Method::GET, &format!("/chatbot/v1/sessions/{rest}"));
        let request = request.header("X-Request-Id", "same").bearer_auth(&other);
        let response = request.send().await.unwrap();
        told.push((response.status(), response.text().await.unwrap()));
    }
    assert_eq!(told[0].0, StatusCode::FORBIDDEN);
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);

    // A department is one whichever way it is written, and none is hidden behind another.
    for query in [
        "%64epartment=d&user=u",
        "department=%64&user=u",
        "department=e&department=d&user=u",
        "user=u",
    ] {
        let request = server.request(Method::GET, &format!("/chatbot/v1/sessions/1/messages?{query}"));
        let status = request.bearer_auth(&other).send().await.unwrap().status();
        assert!(status.is_client_error(), "{query}: {status}");
    }
    let body = json!({"sessions": [
        {"department": "e", "user": "u", "chatsession_id": "1"}, {"department": "d", "user": "u", "chatsession_id": "1"},
    ]});
    for body in [body, json!({"recent": 5})] {
        let request = server
            .request(Method::POST, "/chatbot/v1/sessions/warm-up")
            .json(&body);
        let response = request.bearer_auth(&other).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{body}");
    }

    // Counts are for every key, and ids for operators of their departments.
    let reader = create(&backend, &["d"], "read");
    for (key, ids) in [(&key, json!(["1"])), (&other, json!([])), (&reader, json!([]))] {
        let detailed = server
            .request(Method::GET, "/chatbot/health/detailed")
            .bearer_auth(key);
        let detailed: Value = detailed.send().await.unwrap().json().await.unwrap();
        assert_eq!(detailed["cache_stats"]["loaded_sessions"], ids);
        assert_eq!(detailed["cache_stats"]["loaded_sessions_count"], 1);
    }
}

async fn a_revocation_reaches_every_server(backend: Backend) {
    let mut servers = vec![Server::start_with(&backend.url(), &[KEYS]).await];
    if let Backend::Postgres(_) = backend {
        servers.push(Server::start_with(&backend.url(), &[KEYS]).await);
    }
    let key = create(&backend, &["d"], "read");
    let status = async |server: &Server| {
        let request = server.request(Method::GET, "/chatbot/v1/sessions?department=d&user=u");
        request.bearer_auth(&key).send().await.unwrap().status()
    };
    for server in &servers {
        assert_eq!(status(server).await, StatusCode::OK);
    }
    assert_eq!(keys(&backend, &["revoke", id(&key)]).0, Some(0));
    for server in &servers {
        until(DEADLINE, async || {
            status(server).await == StatusCode::UNAUTHORIZED
        })
        .await;
    }
    assert_eq!(
        keys(&backend, &["revoke", "0123456789abcdef"]).0,
        Some(1),
        "there is none"
    );
}

async fn keys_are_shown_once_and_logged_never(backend: Backend) {
    // Before any server made the tables.
    let first = create(&backend, &["sales", "support"], "chat,read");
    let settings = [KEYS, ("HEARTH__LOG__LEVEL", "trace")];
    let server = Server::start_with(&backend.url(), &settings).await;
    let (code, out) = keys(
        &backend,
        &[
            "create",
            "--all-departments",
            "--scopes",
            "admin",
            "--label",
            "the operators",
        ],
    );
    assert_eq!((code, out.lines().count()), (Some(0), 1));
    let second = out.trim_end();
    for key in [&first, second] {
        let request = server.request(Method::GET, "/chatbot/v1/performance");
        request.bearer_auth(key).send().await.unwrap();
    }
    assert_eq!(keys(&backend, &["revoke", id(&first)]).0, Some(0));

    let (_, listed) = keys(&backend, &["list"]);
    let rows: Vec<Vec<&str>> = listed
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(rows.len(), 2, "{listed}");
    assert_eq!(rows[0][0], id(&first));
    assert_eq!(rows[0][3..5], ["read,chat", "sales,support"]);
    assert_ne!(rows[0][2], "-", "revoked");
    assert_eq!(
        (rows[1][2], rows[1][4], rows[1][5]),
        ("-", "(all)", "the operators")
    );
    for key in [&first, second] {
        let secret = key.split('_').nth(2).unwrap();
        assert_eq!(secret.len(), 64);
        assert!(!listed.contains(secret));
        assert!(!server.log().contains(secret), "{}", server.log());
    }
}
