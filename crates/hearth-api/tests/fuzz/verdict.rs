//! What holds of every answer.

use proptest::test_runner::{TestCaseError, TestCaseResult};
use proptest::{prop_assert, prop_assert_eq};

use crate::client::{Answer, Client, Request};
use crate::server::panics;

/// The refusals that a request can bring about with a store and a model that work: all that is documented but the failures of others.
const REFUSALS: [(u16, &str); 15] = [
    (400, "malformed_json"),
    (400, "unknown_field"),
    (400, "malformed_query"),
    (401, "missing_key"),
    (401, "invalid_key"),
    (403, "forbidden_department"),
    (403, "missing_scope"),
    (404, "not_found"),
    (405, "method_not_allowed"),
    (409, "version_conflict"),
    (413, "body_too_large"),
    (415, "unsupported_media_type"),
    (422, "invalid_field"),
    (422, "idempotency_key_reused"),
    (503, "not_fresh_enough"),
];

/// Sends a request, and checks its answer: nothing panicked, the request has its id, and a refusal is a problem as documented.
pub(crate) fn send(client: &Client, request: &Request) -> Result<Answer, TestCaseError> {
    let answer = client.send(request);
    nothing_panicked()?;
    let answer = answer?;
    let id = answer.header("x-request-id");
    prop_assert!(id.is_some_and(is_sane), "{:?} for {:?}", id, request);
    if answer.status >= 400 {
        check_problem(request, &answer)?;
    } else {
        prop_assert!(
            [200, 201, 204, 304, 308].contains(&answer.status),
            "{}",
            answer.status
        );
    }
    Ok(answer)
}

/// The code of a refusal, or no text.
pub(crate) fn code(answer: &Answer) -> Result<String, TestCaseError> {
    if answer.status < 400 {
        return Ok(String::new());
    }
    let problem = answer.json()?;
    Ok(problem["code"].as_str().unwrap_or_default().to_owned())
}

/// No server panicked so far.
pub(crate) fn nothing_panicked() -> TestCaseResult {
    prop_assert_eq!(panics(), Vec::<String>::new());
    Ok(())
}

/// Whether an id is one that the server takes from a caller.
pub(crate) fn is_sane(id: &str) -> bool {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=128).contains(&id.len()) && id.bytes().all(sane)
}

fn check_problem(request: &Request, answer: &Answer) -> TestCaseResult {
    prop_assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{:?}",
        request
    );
    if request.method == "HEAD" {
        prop_assert!(
            REFUSALS.iter().any(|(status, _)| *status == answer.status),
            "{}",
            answer.status
        );
        return Ok(());
    }
    let problem = answer.json()?;
    let members = problem.as_object();
    prop_assert!(members.is_some(), "{}", problem);
    let known = [
        "type",
        "title",
        "status",
        "code",
        "detail",
        "errors",
        "request_id",
    ];
    for name in members.into_iter().flat_map(|members| members.keys()) {
        prop_assert!(known.contains(&name.as_str()), "{} in {}", name, problem);
    }
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    let refusal = (answer.status, text("code"));
    let documented = REFUSALS
        .iter()
        .any(|(status, code)| (*status, *code) == (refusal.0, refusal.1.as_str()));
    prop_assert!(documented, "{} for {:?}", problem, request);
    prop_assert_eq!(problem["status"].as_u64(), Some(u64::from(answer.status)));
    prop_assert_eq!(text("type"), "about:blank");
    prop_assert!(
        !text("title").is_empty() && !text("detail").is_empty(),
        "{} for {:?}",
        problem,
        request
    );
    prop_assert_eq!(
        Some(text("request_id")),
        answer.header("x-request-id").map(str::to_owned)
    );
    for error in problem["errors"].as_array().into_iter().flatten() {
        prop_assert!(
            error["field"].is_string() && error["message"].is_string(),
            "{}",
            problem
        );
    }
    prop_assert_eq!(
        answer.header("allow").is_some(),
        answer.status == 405,
        "{}",
        problem
    );
    prop_assert_eq!(
        answer.header("www-authenticate").is_some(),
        answer.status == 401,
        "{}",
        problem
    );
    prop_assert_eq!(
        answer.header("retry-after").is_some(),
        answer.status == 503,
        "{}",
        problem
    );
    Ok(())
}
