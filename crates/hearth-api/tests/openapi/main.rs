//! The OpenAPI document: the one that is kept for review, and the routes.
#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

use std::collections::BTreeSet;
use std::path::Path;

use actix_web::http::Method;
use hearth_api::openapi::document;
use hearth_api::routes::ROUTES;
use serde_json::Value;

/// Set to anything, it renews the kept document instead of comparing it.
const RENEW: &str = "HEARTH_RENEW_OPENAPI";

#[test]
fn the_kept_document_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let served = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os(RENEW).is_some() {
        std::fs::write(&path, served).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let first = kept
        .lines()
        .zip(served.lines())
        .find(|(kept, served)| kept != served);
    assert!(
        kept == served,
        "docs/openapi.json is not the document any more, from {first:?} on; look at the change, and renew it with `just openapi`"
    );
}

/// The calls of the document: method and path.
fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, calls)| {
            let methods = calls.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect()
}

#[test]
fn every_route_is_in_the_document_and_the_reverse() {
    let mut routed = BTreeSet::new();
    for entry in ROUTES {
        let path = entry.path.replace("{file:.*}", "{file}");
        for method in entry.methods() {
            if *method == Method::HEAD {
                assert!(entry.access(&Method::GET).is_some(), "HEAD goes with GET: {path}");
            } else {
                routed.insert((method.to_string(), path.clone()));
            }
        }
    }
    assert_eq!(documented(&document()), routed);
}

#[test]
fn every_reference_leads_somewhere_and_every_call_has_a_name_of_its_own() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    for kind in ["schemas", "headers", "responses"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(
                found.contains(reference.as_str()),
                "nothing refers to {reference}"
            );
        }
    }
    let calls = document["paths"].as_object().unwrap().values();
    let ids: Vec<&str> = calls
        .flat_map(|calls| calls.as_object().unwrap().values())
        .map(|call| call["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
}
