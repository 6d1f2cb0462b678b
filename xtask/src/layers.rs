//! Who may depend on whom: the house's directions, held up by a check instead of memory.
//!
//! Test dependencies are free: a crate's tests may use the test kit and any library.

use crate::cargo::{Dependency, Kind, Metadata};

/// Our crates, lowest first, and those among them that each may name. A crate that is not here may not exist.
const HOUSE: &[(&str, &[&str])] = &[
    ("hearth-domain", &[]),
    ("hearth-cache", &["hearth-domain"]),
    ("hearth-postgres", &["hearth-domain"]),
    ("hearth-sqlite", &["hearth-domain"]),
    ("hearth-chat", &["hearth-domain", "hearth-cache"]),
    (
        "hearth-api",
        &[
            "hearth-domain",
            "hearth-cache",
            "hearth-postgres",
            "hearth-sqlite",
            "hearth-chat",
        ],
    ),
    ("hearth-testkit", &["hearth-domain"]),
    ("hearth-tests", &[]),
    (
        "hearth-bench",
        &[
            "hearth-domain",
            "hearth-cache",
            "hearth-postgres",
            "hearth-testkit",
        ],
    ),
    ("xtask", &["hearth-testkit"]),
];

/// Crates from outside, by the beginning of their names, that only these of ours may name, and why.
const OUTSIDE: &[(&str, &[&str], &str)] = &[
    (
        "diesel",
        &["hearth-postgres", "hearth-sqlite"],
        "driver types stop at the store crates",
    ),
    (
        "deadpool",
        &["hearth-postgres"],
        "connections belong to the store",
    ),
    (
        "tokio-postgres",
        &["hearth-postgres", "hearth-testkit", "hearth-bench"],
        "driver types stop at the store crates",
    ),
    (
        "libsqlite3",
        &["hearth-sqlite"],
        "driver types stop at the store crates",
    ),
    (
        "rustls",
        &["hearth-postgres", "hearth-chat", "hearth-api", "hearth-testkit"],
        "the store and the model's client speak TLS; the binary serves it",
    ),
    (
        "actix",
        &["hearth-api", "hearth-bench"],
        "the framework stops at the edge; the benchmark measures against it",
    ),
    (
        "clap",
        &["hearth-api", "hearth-bench", "xtask"],
        "libraries have no command line",
    ),
    (
        "config",
        &["hearth-api"],
        "settings are parameters everywhere else",
    ),
    (
        "tracing-subscriber",
        &["hearth-api"],
        "the binary alone decides where logs go",
    ),
    (
        "opentelemetry",
        &["hearth-api"],
        "the binary alone decides where spans go",
    ),
    (
        "quick_cache",
        &["hearth-cache", "hearth-bench"],
        "maps and eviction are private to the cache",
    ),
    (
        "parking_lot",
        &["hearth-cache", "hearth-sqlite", "hearth-chat", "hearth-api"],
        "locks are private to the crates that hold state",
    ),
    (
        "tokio",
        &[
            "hearth-cache",
            "hearth-postgres",
            "hearth-sqlite",
            "hearth-chat",
            "hearth-api",
            "hearth-testkit",
            "hearth-bench",
            "xtask",
        ],
        "the domain knows no runtime",
    ),
    (
        "anyhow",
        &["hearth-api", "hearth-testkit", "hearth-bench", "xtask"],
        "libraries have errors that callers can tell apart",
    ),
];

/// Every dependency that goes where it may not.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    metadata
        .members()
        .flat_map(|package| check_crate(&package.name, &package.dependencies))
        .collect()
}

fn check_crate(name: &str, dependencies: &[Dependency]) -> Vec<String> {
    let Some((_, below)) = HOUSE.iter().find(|(known, _)| *known == name) else {
        return vec![format!(
            "{name} has no place in the house: give it one in xtask/src/layers.rs"
        )];
    };
    dependencies
        .iter()
        .filter(|dependency| dependency.kind != Kind::Dev)
        .filter_map(|dependency| forbidden(name, below, &dependency.name))
        .collect()
}

/// Why `name` may not depend on `dependency`, if so.
fn forbidden(name: &str, below: &[&str], dependency: &str) -> Option<String> {
    if HOUSE.iter().any(|(known, _)| *known == dependency) {
        return (!below.contains(&dependency))
            .then(|| format!("{name} may not depend on {dependency}: it is not below it"));
    }
    let rule = OUTSIDE
        .iter()
        .filter(|(prefix, ..)| begins_with(dependency, prefix))
        .max_by_key(|(prefix, ..)| prefix.len());
    let (_, allowed, reason) = rule?;
    (!allowed.contains(&name)).then(|| format!("{name} may not depend on {dependency}: {reason}"))
}

/// Whether `name` is `prefix`, or one of the family that is named after it.
fn begins_with(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, kind: Kind, dependency: &str) -> Vec<String> {
        let dependency = Dependency {
            name: dependency.to_owned(),
            rename: None,
            kind,
        };
        check_crate(name, &[dependency])
    }

    #[test]
    fn edges_that_go_up_or_across_are_found() {
        for (name, dependency) in [
            ("hearth-domain", "hearth-cache"),
            ("hearth-domain", "tokio"),
            ("hearth-domain", "diesel"),
            ("hearth-domain", "actix-web"),
            ("hearth-cache", "hearth-postgres"),
            ("hearth-cache", "diesel"),
            ("hearth-postgres", "hearth-sqlite"),
            ("hearth-postgres", "quick_cache"),
            ("hearth-sqlite", "tokio-postgres"),
            ("hearth-sqlite", "rustls"),
            ("hearth-chat", "hearth-postgres"),
            ("hearth-chat", "actix-web"),
            ("hearth-domain", "parking_lot"),
            ("hearth-chat", "anyhow"),
            ("hearth-chat", "opentelemetry_sdk"),
            ("hearth-api", "hearth-testkit"),
            ("hearth-api", "diesel-async"),
            ("hearth-api", "diesel_migrations"),
            ("hearth-api", "tokio-postgres-rustls"),
            ("hearth-tests", "hearth-domain"),
            ("hearth-bench", "hearth-api"),
            ("hearth-bench", "diesel"),
        ] {
            assert_eq!(
                check(name, Kind::Normal, dependency).len(),
                1,
                "{name} -> {dependency}"
            );
            assert_eq!(
                check(name, Kind::Build, dependency).len(),
                1,
                "{name} -> {dependency}"
            );
        }
    }

    #[test]
    fn edges_that_go_down_are_fine() {
        for (name, dependency) in [
            ("hearth-cache", "hearth-domain"),
            ("hearth-cache", "quick_cache"),
            ("hearth-cache", "tokio"),
            ("hearth-postgres", "diesel-async"),
            ("hearth-postgres", "tokio-postgres-rustls"),
            ("hearth-postgres", "rustls-platform-verifier"),
            ("hearth-sqlite", "libsqlite3-sys"),
            ("hearth-chat", "hearth-cache"),
            ("hearth-api", "hearth-sqlite"),
            ("hearth-bench", "quick_cache"),
            ("hearth-api", "actix-web"),
            ("hearth-api", "rustls"),
            ("hearth-api", "opentelemetry-otlp"),
            ("hearth-domain", "serde"),
            ("hearth-domain", "configurable"),
        ] {
            assert_eq!(
                check(name, Kind::Normal, dependency),
                Vec::<String>::new(),
                "{name} -> {dependency}"
            );
        }
    }

    #[test]
    fn test_dependencies_are_free() {
        assert!(check("hearth-domain", Kind::Dev, "tokio").is_empty());
        assert!(check("hearth-cache", Kind::Dev, "hearth-testkit").is_empty());
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        let found = check("hearth-redis", Kind::Dev, "serde");
        assert!(found.concat().contains("hearth-redis has no place"), "{found:?}");
    }

    #[test]
    fn a_finding_says_why() {
        assert_eq!(
            check("hearth-chat", Kind::Normal, "actix-web"),
            [
                "hearth-chat may not depend on actix-web: the framework stops at the edge; the benchmark measures against it"
            ]
        );
    }
}
