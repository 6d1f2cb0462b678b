//! The contract for machines: an OpenAPI 3.1 document.
//!
//! Schemas of answers are derived from the types that are written to the wire. Who may call, and with it the failures that every call has in
//! common, comes from [`crate::routes::ROUTES`]; the statuses, codes and headers of failures come from [`crate::error::Code`].
//!
//! - `operations`: every call, as a table.
//! - `operation`: one call, and how it becomes part of the document.
//! - `parameters`: what paths, queries and headers carry.
//! - `problems`: failures, grouped by status.
//! - `requests`: the bodies that calls take.
//! - `schemas`: all of the schemas.

mod operation;
mod operations;
mod parameters;
mod problems;
mod requests;
mod schemas;

use serde_json::{Map, Value, json};

use crate::dto::health::VERSION;

/// What stands above the calls.
const DESCRIPTION: &str = "Keeps conversations warm: the history of every active conversation is answered from memory, and nothing is \
                           acknowledged before it is committed.\n\nEvery GET answers HEAD as well. Every answer carries `X-Request-Id`. \
                           Every failure is a problem (RFC 9457) with a `code`. Times are RFC 3339 in UTC. Unknown fields and query \
                           parameters are refused.";

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for operation in operations::operations() {
        let path = paths.entry(operation.path()).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(operation.method().to_owned(), operation.to_json());
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Hearth",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "tags": [
            { "name": "chat", "description": "Chat turns." },
            { "name": "sessions", "description": "Conversations and their histories." },
            { "name": "operation", "description": "Health and figures." },
            { "name": "documentation", "description": "This contract." },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas::schemas(),
            "headers": parameters::headers(),
            "responses": problems::shared(),
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`Authorization: Bearer hearth_<id>_<secret>`; in open mode no key is asked for.",
                },
            },
        },
    })
}
