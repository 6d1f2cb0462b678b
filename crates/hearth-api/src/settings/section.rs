//! The sources laid over one another, and one section of the outcome read into its struct.

use std::collections::BTreeMap;

use config::{ConfigError, Map, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::layer::{Layer, Section, Table};
use super::problem::{Origin, Problem};

/// The keys whose values are never shown.
const SECRETS: [&str; 3] = ["store.url", "coherence.url", "model.api_key"];

/// The outcome: every key with the value that won and where it was set. It has no `Debug`: the values are not yet known to
/// hide their secrets.
pub(super) struct Layered {
    defaults: Table,
    sections: BTreeMap<String, BTreeMap<String, (Value, Origin)>>,
}

impl Layered {
    /// The defaults alone.
    pub(super) fn new(defaults: Table) -> Self {
        let built_in = |(key, value): (&String, &Value)| (key.clone(), (value.clone(), Origin::BuiltIn));
        let sections = defaults
            .iter()
            .map(|(section, keys)| (section.clone(), keys.iter().map(built_in).collect()))
            .collect();
        Self { defaults, sections }
    }

    /// The keys that there are.
    pub(super) const fn known(&self) -> &Table {
        &self.defaults
    }

    /// Lays `layer` over what is there.
    pub(super) fn lay(&mut self, layer: Layer, origin: &Origin) {
        for (section, key, value) in layer {
            self.sections
                .entry(section)
                .or_default()
                .insert(key, (value, origin.clone()));
        }
    }

    /// Where the key was set; every key of the defaults was.
    pub(super) fn origin(&self, section: &str, key: &str) -> Origin {
        let entry = self.sections.get(section).and_then(|keys| keys.get(key));
        entry.map_or(Origin::BuiltIn, |(_, origin)| origin.clone())
    }

    /// Whether somebody chose the key's value: a copy of the defaults in `default.toml` chooses nothing.
    pub(super) fn is_chosen(&self, section: &str, key: &str) -> bool {
        let default = self.defaults.get(section).and_then(|keys| keys.get(key));
        let entry = self.sections.get(section).and_then(|keys| keys.get(key));
        entry.is_some_and(|(value, origin)| match origin {
            Origin::BuiltIn => false,
            Origin::File(path) if path.ends_with("default.toml") => {
                Some(&value.kind) != default.map(|value| &value.kind)
            }
            Origin::File(_) | Origin::Variable(_) | Origin::CommandLine => true,
        })
    }

    /// Every key in the order of its name: section, key, value and origin.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &str, &Value, &Origin)> {
        self.sections.iter().flat_map(|(section, keys)| {
            keys.iter()
                .map(move |(key, (value, origin))| (section.as_str(), key.as_str(), value, origin))
        })
    }

    /// Reads a section. Each of its values is tried among defaults, so that every wrong one is reported and not the first
    /// alone; `None` where there was one.
    pub(super) fn read<T: DeserializeOwned>(&self, section: &str, problems: &mut Vec<Problem>) -> Option<T> {
        let before = problems.len();
        let defaults = self.defaults.get(section)?;
        let entries = self.sections.get(section)?;
        for (key, (value, origin)) in entries {
            let mut tried = defaults.clone();
            tried.insert(key.clone(), value.clone());
            if let Err(error) = deserialize::<T>(tried) {
                let path = format!("{section}.{key}");
                let shown = shown(&path, value);
                let message = format!("must be {}", reason(error));
                problems.push(Problem::of_key(path, origin.clone(), message).with_value(shown));
            }
        }
        if problems.len() > before {
            return None;
        }
        let values = entries
            .iter()
            .map(|(key, (value, _))| (key.clone(), value.clone()))
            .collect();
        deserialize(values)
            .map_err(|error| problems.push(Problem::of_key(section, Origin::BuiltIn, reason(error))))
            .ok()
    }
}

fn deserialize<T: DeserializeOwned>(section: Section) -> Result<T, ConfigError> {
    let section: Map<String, Value> = section.into_iter().collect();
    Value::new(None, section).try_deserialize()
}

/// What the reader said, without the key that `config` adds to it.
fn reason(error: ConfigError) -> String {
    if let ConfigError::At { error, .. } = error {
        error.to_string()
    } else {
        error.to_string()
    }
}

/// The value as it may be shown: not that of a secret, nor what looks like a URL wherever it stands.
fn shown(path: &str, value: &Value) -> Option<String> {
    let shown = toml(value);
    (!SECRETS.contains(&path) && !shown.contains("://")).then_some(shown)
}

/// The value as TOML writes it on one line.
pub(super) fn inline(value: &Value) -> String {
    match &value.kind {
        ValueKind::Table(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            let members = members.iter().map(|(key, value)| {
                let key = serde_json::Value::from(key.as_str());
                format!("{key} = {}", inline(value))
            });
            let members: Vec<String> = members.collect();
            if members.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", members.join(", "))
            }
        }
        ValueKind::Array(values) => {
            let values: Vec<String> = values.iter().map(inline).collect();
            format!("[{}]", values.join(", "))
        }
        ValueKind::String(_)
        | ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_) => toml(value),
    }
}

/// The value as TOML writes it; a nested value by its kind.
fn toml(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => serde_json::Value::from(text.as_str()).to_string(),
        ValueKind::Table(_) => "a section".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_) => value.to_string(),
    }
}
