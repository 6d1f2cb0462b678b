//! Failures, grouped by status.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::operation::headers_of;
use crate::auth::{Access, Named};
use crate::error::Code;

/// The failures that every call with this access has in common.
pub(super) fn common(access: Option<Access>) -> Vec<Code> {
    let Some(Access::Key(scope, named)) = access else {
        return Vec::new();
    };
    let mut codes = vec![
        Code::MissingKey,
        Code::InvalidKey,
        Code::RateLimited,
        Code::Overloaded,
        Code::StoreUnavailable,
    ];
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
        .map(|(status, codes)| (status.to_string(), response(status, &codes)))
        .collect()
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
