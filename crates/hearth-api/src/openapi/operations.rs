//! Every call, as a table; a test holds it against the routes.

use actix_web::http::Method;
use hearth_domain::limits::{PAGE_MESSAGES_MAX, SESSION_LIST_DEFAULT, SESSION_LIST_MAX};
use serde_json::json;

use super::operation::{Operation, events};
use super::parameters::{
    department, idempotency_key, integer, last_event_id, limit, path, query, turn_id, version, who,
};
use crate::error::Code;

/// What every call about one session may refuse.
const OF_A_SESSION: [Code; 3] = [Code::MalformedQuery, Code::UnknownField, Code::InvalidField];

/// How the commit of a turn may fail.
const OF_A_COMMIT: [Code; 4] = [
    Code::VersionConflict,
    Code::SessionBusy,
    Code::SessionErased,
    Code::CommitFailed,
];

/// Every call.
pub(super) fn operations() -> Vec<Operation> {
    let mut operations = vec![chat(), turn_events()];
    operations.extend(sessions());
    operations.extend(operation());
    operations.extend(documentation());
    operations
}

fn chat() -> Operation {
    Operation::new(
        Method::POST,
        "/chatbot/v1/chat",
        "chat",
        "chat",
        "Answer a query from its history, and keep the turn",
    )
    .takes([idempotency_key()])
    .body("ChatRequest")
    .json(
        200,
        "The answer; the turn is committed. With `stream`, or `Accept: text/event-stream`, piece by piece: `done` is the answer.",
        "ChatResponse",
        &["Server-Timing", "Idempotent-Replayed"],
    )
    .or_events(200)
    .fails(&OF_A_COMMIT)
    .fails(&[
        Code::IdempotencyKeyReused,
        Code::NotFreshEnough,
        Code::ModelFailed,
        Code::ModelTimeout,
        Code::ShuttingDown,
    ])
}

fn turn_events() -> Operation {
    Operation::new(
        Method::GET,
        "/chatbot/v1/turns/{turn_id}/events",
        "chat",
        "turn_events",
        "Take up the stream of a turn again",
    )
    .takes([turn_id()])
    .takes(who())
    .takes([last_event_id()])
    .content(
        200,
        "What comes after the event that `Last-Event-ID` names; all of it without. A turn that ended some minutes ago, or on another \
         replica, is `turn`, one `delta` and `done`, which does not know its version then.",
        "text/event-stream",
        events(),
        &[],
    )
    .empty(204, "There is nothing after that event.", &[])
    .fails(&OF_A_SESSION)
    .fails(&[Code::NotFound, Code::SessionErased, Code::TurnElsewhere])
}

fn sessions() -> [Operation; 9] {
    let tagged = |method, route, id, summary| Operation::new(method, route, "sessions", id, summary);
    let session = |method, route, id, summary| {
        tagged(method, route, id, summary)
            .takes([path("id", "The session.")])
            .takes(who())
            .fails(&OF_A_SESSION)
    };
    let messages = "/chatbot/v1/sessions/{id}/messages";
    [
        tagged(Method::GET, "/chatbot/v1/sessions", "list_sessions", "List a user's sessions, newest activity first")
            .takes(who())
            .takes([
                limit(SESSION_LIST_MAX, Some(SESSION_LIST_DEFAULT)),
                query("after", false, "Where to go on: `after` of an earlier answer.", json!({ "type": "string", "pattern": "^-?[0-9]{1,15}:[^\\u0000-\\u001f\\u007f-\\u009f]{1,128}$" })),
            ])
            .json(200, "A part of the sessions.", "SessionsResponse", &[])
            .fails(&OF_A_SESSION),
        session(Method::GET, messages, "read_messages", "Read a history, or with before or limit a page of its messages")
            .takes([
                version("min_version", "Answer only from a history at least this new."),
                query("before", false, "Messages older than this one.", integer(i64::MIN, i64::MAX)),
                limit(PAGE_MESSAGES_MAX, None),
                json!({ "name": "If-None-Match", "in": "header", "required": false, "schema": { "type": "string" },
                        "description": "The ETag of what the caller has." }),
            ])
            .json(200, "The messages; empty for a session that nobody wrote to.", "MessagesResponse", &["ETag"])
            .empty(304, "The caller has these messages.", &["ETag"])
            .fails(&[Code::NotFreshEnough]),
        session(Method::POST, messages, "append_turn", "Append a turn without a model")
            .takes([idempotency_key()])
            .body("AppendRequest")
            .json(201, "The turn is committed.", "AppendResponse", &["Idempotent-Replayed"])
            .fails(&OF_A_COMMIT)
            .fails(&[Code::IdempotencyKeyReused]),
        session(Method::POST, "/chatbot/v1/sessions/{id}/warm-up", "warm_up_session", "Load a session now")
            .json(200, "It is loaded.", "WarmUpResponse", &[]),
        session(Method::POST, "/chatbot/v1/sessions/{id}/end", "end_session", "Note that a session is over; its rows are kept")
            .empty(204, "It is over, and out of memory.", &[]),
        session(Method::DELETE, "/chatbot/v1/sessions/{id}", "erase_session", "Erase a session everywhere")
            .empty(204, "It is erased.", &[]),
        tagged(Method::POST, "/chatbot/v1/sessions/warm-up", "warm_up_sessions", "Load many sessions now")
            .body("WarmUpManyRequest")
            .json(200, "What was found; sessions that failed are counted.", "WarmUpManyResponse", &[]),
        tagged(Method::DELETE, "/chatbot/v1/sessions/warm-up", "erase_session_called_warm_up", "Erase the session that is called warm-up")
            .takes(who())
            .empty(204, "It is erased.", &[])
            .fails(&OF_A_SESSION),
        tagged(Method::DELETE, "/chatbot/v1/users/{user}", "erase_user", "Erase all sessions of a user")
            .takes([path("user", "Who talks."), department()])
            .json(200, "How many there were.", "UserErased", &[])
            .fails(&OF_A_SESSION),
    ]
}

fn operation() -> [Operation; 5] {
    let tagged = |route, id, summary| Operation::new(Method::GET, route, "operation", id, summary);
    [
        tagged("/chatbot/health", "health", "Whether the process serves").json(200, "It does.", "Live", &[]),
        tagged(
            "/chatbot/health/ready",
            "ready",
            "Whether the process should get traffic",
        )
        .json(200, "It should.", "Ready", &[])
        .fails(&[Code::Starting, Code::ShuttingDown]),
        tagged("/chatbot/health/detailed", "health_detailed", "The whole picture").json(
            200,
            "The picture.",
            "Detailed",
            &[],
        ),
        tagged(
            "/chatbot/v1/performance",
            "performance",
            "What the cache counted since the start",
        )
        .json(200, "The figures.", "PerformanceResponse", &[]),
        tagged("/metrics", "metrics", "Every figure, for Prometheus").content(
            200,
            "Prometheus' text format, version 0.0.4.",
            "text/plain",
            json!({ "type": "string" }),
            &[],
        ),
    ]
}

fn documentation() -> [Operation; 3] {
    let tagged = |route, id, summary| Operation::new(Method::GET, route, "documentation", id, summary);
    [
        tagged("/chatbot/openapi.json", "openapi", "This document").content(
            200,
            "OpenAPI 3.1.",
            "application/json",
            json!({ "type": "object" }),
            &[],
        ),
        tagged("/chatbot/docs", "docs", "Leads to a page to try the calls")
            .empty(308, "To the page.", &["Location"]),
        tagged("/chatbot/docs/{file:.*}", "docs_file", "A page to try the calls, and its files")
            .takes([json!({ "name": "file", "in": "path", "required": true, "description": "A file of the page.",
                            "schema": { "type": "string", "enum": ["index.html", "swagger-ui.css", "no-such-file"] } })])
            .content(200, "The file.", "*/*", json!({}), &[])
            .fails(&[Code::NotFound]),
    ]
}
