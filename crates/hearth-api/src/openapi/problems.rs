//! Failures, grouped by status.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::operation::headers_of;
use crate::auth::{Access, Named};
use crate::error::Code;

/// What may be said to any request before anybody knows which call it is.
const BEFORE_ANY_CALL: [Code; 3] = [Code::MalformedRequest, Code::RequestTimeout, Code::HeadTooLarge];

/// The failures that every call with this access has in common.
pub(super) fn common(access: Option<Access>) -> Vec<Code> {
    let mut codes = BEFORE_ANY_CALL.to_vec();
    let Some(Access::Key(scope, named)) = access else {
        return codes;
    };
    codes.extend([
        Code::MissingKey,
        Code::InvalidKey,
        Code::RateLimited,
        Code::Overloaded,
        Code::StoreUnavailable,
    ]);
    if scope.is_some() {
        codes.push(Code::MissingScope);
    }
    if named != Named::Nowhere {
        codes.push(Code::ForbiddenDepartment);
    }
    codes
}

/// The responses of these failures.
pub(super) fn responses(codes: &[Code]) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        let of_status = by_status.entry(code.status().as_u16()).or_default();
        if !of_status.contains(code) {
            of_status.push(*code);
        }
    }
    by_status
        .into_iter()
        .map(|(status, codes)| {
            let response = match codes.as_slice() {
                [code] if BEFORE_ANY_CALL.contains(code) => {
                    json!({ "$ref": format!("#/components/responses/{}", code.as_str()) })
                }
                codes => response(status, codes),
            };
            (status.to_string(), response)
        })
        .collect()
}

/// The responses that the calls share.
pub(super) fn shared() -> Map<String, Value> {
    let named = |code: Code| {
        (
            code.as_str().to_owned(),
            response(code.status().as_u16(), &[code]),
        )
    };
    BEFORE_ANY_CALL.into_iter().map(named).collect()
}

fn response(status: u16, codes: &[Code]) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let lines: Vec<String> = codes
        .iter()
        .map(|code| format!("- `{}`: {}", code.as_str(), code.title()))
        .collect();
    let mut headers = Vec::new();
    if codes.iter().any(|code| code.retry_after_seconds().is_some()) {
        headers.push("Retry-After");
    }
    if status == 401 {
        headers.push("WWW-Authenticate");
    }
    json!({
        "description": lines.join("\n"),
        "headers": headers_of(&headers),
        "content": { "application/problem+json": { "schema": {
            "allOf": [
                { "$ref": "#/components/schemas/Problem" },
                { "properties": { "status": { "const": status }, "code": { "enum": names } } },
            ],
        } } },
    })
}
