//! One call, and how it becomes part of the document.

use actix_web::http::Method;
use hearth_domain::Scope;
use serde_json::{Map, Value, json};

use super::problems;
use crate::auth::{Access, Named};
use crate::error::Code;
use crate::routes::ROUTES;

/// A call that is being described.
pub(super) struct Operation {
    method: Method,
    /// The path as the routes have it.
    route: &'static str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<&'static str>,
    answers: Map<String, Value>,
    codes: Vec<Code>,
}

impl Operation {
    pub(super) fn new(
        method: Method,
        route: &'static str,
        tag: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            route,
            id,
            tag,
            summary,
            parameters: Vec::new(),
            body: None,
            answers: Map::new(),
            codes: Vec::new(),
        }
    }

    /// What it takes beside the body.
    pub(super) fn takes(mut self, parameters: impl IntoIterator<Item = Value>) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// The schema of the body that it takes, and the failures that come with a body.
    pub(super) fn body(mut self, schema: &'static str) -> Self {
        self.body = Some(schema);
        self.codes.extend([
            Code::MalformedJson,
            Code::UnknownField,
            Code::UnsupportedMediaType,
            Code::BodyTooLarge,
            Code::InvalidField,
        ]);
        self
    }

    /// An answer of JSON.
    pub(super) fn json(self, status: u16, description: &str, schema: &str, headers: &[&str]) -> Self {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        self.content(status, description, "application/json", schema, headers)
    }

    /// An answer of another kind.
    pub(super) fn content(
        mut self,
        status: u16,
        description: &str,
        media_type: &str,
        schema: Value,
        headers: &[&str],
    ) -> Self {
        let mut answer = json!({ "description": description, "headers": headers_of(headers) });
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("content".into(), json!({ media_type: { "schema": schema } }));
        }
        self.answers.insert(status.to_string(), answer);
        self
    }

    /// The same answer as a stream of events, where that is asked for.
    pub(super) fn or_events(mut self, status: u16) -> Self {
        let content = self
            .answers
            .get_mut(&status.to_string())
            .and_then(|answer| answer.get_mut("content")?.as_object_mut());
        if let Some(content) = content {
            content.insert("text/event-stream".into(), json!({ "schema": events() }));
        }
        self
    }

    /// An answer without a body.
    pub(super) fn empty(mut self, status: u16, description: &str, headers: &[&str]) -> Self {
        let answer = json!({ "description": description, "headers": headers_of(headers) });
        self.answers.insert(status.to_string(), answer);
        self
    }

    /// How it may fail, beside what all calls of its kind have in common.
    pub(super) fn fails(mut self, codes: &[Code]) -> Self {
        self.codes.extend(codes);
        self
    }

    /// The path as the document has it: without the patterns of its parts.
    pub(super) fn path(&self) -> String {
        let plain = |part: &str| match part.split_once(':') {
            Some((name, _pattern)) => format!("{name}}}"),
            None => part.to_owned(),
        };
        self.route.split('/').map(plain).collect::<Vec<_>>().join("/")
    }

    pub(super) fn method(&self) -> String {
        self.method.as_str().to_lowercase()
    }

    pub(super) fn to_json(&self) -> Value {
        let access = ROUTES
            .iter()
            .find(|entry| entry.path == self.route)
            .and_then(|entry| entry.access(&self.method));
        let mut codes = self.codes.clone();
        codes.extend(problems::common(access));
        let mut responses = self.answers.clone();
        responses.extend(problems::responses(&codes));
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "parameters": self.parameters,
            "responses": responses,
            "security": security(access),
        });
        if let (Some(operation), Some(description)) = (operation.as_object_mut(), access.and_then(needed)) {
            operation.insert("description".into(), description.into());
        }
        if let (Some(operation), Some(schema)) = (operation.as_object_mut(), self.body) {
            let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
            let body = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
            operation.insert("requestBody".into(), body);
        }
        operation
    }
}

/// A stream of events, with the data of each by its name.
pub(super) fn events() -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    json!({
        "type": "string",
        "description": "Server-sent events: `turn`, any number of `delta`, then `done` or `error`. The id of an event goes into `Last-Event-ID`. \
                        The data of each is one line of JSON.",
        "x-events": {
            "turn": reference("TurnStarted"),
            "delta": reference("Delta"),
            "done": reference("ChatResponse"),
            "error": reference("Problem"),
        },
    })
}

/// The headers of an answer by their names among the components; the request's id is always there.
pub(super) fn headers_of(names: &[&str]) -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/components/headers/{name}") });
    let named = names.iter().copied().chain(["X-Request-Id"]);
    named
        .map(|name| (name.to_owned(), reference(name)))
        .collect::<Map<_, _>>()
        .into()
}

/// With keys a key is needed, in open mode none is.
fn security(access: Option<Access>) -> Value {
    match access {
        None | Some(Access::Public) => json!([]),
        Some(Access::Key(..)) => json!([{ "api_key": [] }, {}]),
    }
}

fn needed(access: Access) -> Option<String> {
    let Access::Key(scope, named) = access else {
        return None;
    };
    let scope = scope.map_or_else(String::new, |scope: Scope| {
        format!(" with the scope `{}`", scope.as_str())
    });
    let named = match named {
        Named::Nowhere => "",
        Named::InQuery | Named::InBody => ", for the department that is named",
        Named::InSessions => ", for every department that is named; `recent` stands for all of them",
    };
    Some(format!("Where keys are asked for: a key{scope}{named}."))
}
