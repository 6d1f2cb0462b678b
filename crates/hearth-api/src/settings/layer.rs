//! One source read into keys and values, with everything in it that is no key refused.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use config::{File, FileFormat, Source, Value, ValueKind};

use super::problem::{Origin, Problem};
use super::sources::VARIABLE_PREFIX;

/// The keys of a section with their values.
pub(super) type Section = BTreeMap<String, Value>;

/// The sections that there are, their keys and their defaults.
pub(super) type Table = BTreeMap<String, Section>;

/// What one source sets: `(section, key, value)`.
pub(super) type Layer = Vec<(String, String, Value)>;

/// Reads the text of a TOML file. A text that does not parse gives a problem that shows none of its lines.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, Value>, String> {
    match File::from_str(text, FileFormat::Toml).collect() {
        Ok(map) => Ok(map.into_iter().collect()),
        Err(error) => Err(without_excerpt(&error.to_string())),
    }
}

/// The first and the last line of the parser's message: the place and the reason. Between them it quotes the file, where
/// a secret may stand.
fn without_excerpt(message: &str) -> String {
    let mut lines = message.lines().filter(|line| !line.trim().is_empty());
    let place = lines.next().unwrap_or_default();
    lines
        .next_back()
        .map_or_else(|| place.to_owned(), |reason| format!("{place}: {reason}"))
}

/// The table of a parsed file in which every section is one; `None` where it holds something else.
pub(super) fn table(parsed: BTreeMap<String, Value>) -> Option<Table> {
    parsed
        .into_iter()
        .map(|(section, value)| Some((section, value.into_table().ok()?.into_iter().collect())))
        .collect()
}

/// What the file sets. A file that is not there sets nothing where `required` is false.
pub(super) fn of_file(path: &Path, required: bool, known: &Table, problems: &mut Vec<Problem>) -> Layer {
    let origin = Origin::File(path.to_owned());
    let parsed = match std::fs::read_to_string(path) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => return Layer::new(),
        Err(error) => Err(format!("cannot be read: {error}")),
    };
    match parsed {
        Ok(sections) => {
            let layer = flatten(sections, &origin, known, problems);
            keep_known(layer, &origin, known, problems)
        }
        Err(message) => {
            problems.push(Problem::of_source(origin, message));
            Layer::new()
        }
    }
}

/// The keys of a file's sections; what stands in their place without being one is refused.
fn flatten(
    sections: BTreeMap<String, Value>,
    origin: &Origin,
    known: &Table,
    problems: &mut Vec<Problem>,
) -> Layer {
    let mut layer = Layer::new();
    for (section, value) in sections {
        let is_known = known.contains_key(&section);
        match value.into_table() {
            Ok(keys) if is_known || !keys.is_empty() => {
                let keys: BTreeMap<_, _> = keys.into_iter().collect();
                layer.extend(keys.into_iter().map(|(key, value)| (section.clone(), key, value)));
            }
            Err(_) if is_known => {
                let message = format!("must be a section: [{section}]");
                problems.push(Problem::of_key(&section, origin.clone(), message));
            }
            Ok(_) | Err(_) => problems.push(unknown_section(&section, &section, origin, known)),
        }
    }
    layer
}

/// What one environment variable sets; nothing if it is not one of ours or empty.
pub(super) fn of_variable(
    (name, value): (&OsStr, &OsStr),
    known: &Table,
    problems: &mut Vec<Problem>,
) -> Option<(Layer, Origin)> {
    let name = name.to_string_lossy();
    let path = name
        .strip_prefix(VARIABLE_PREFIX)
        .filter(|_| !value.is_empty())?
        .to_lowercase();
    let origin = Origin::Variable(name.clone().into_owned());
    let Some((section, key)) = path.split_once("__") else {
        problems.push(Problem::of_source(
            origin,
            "names no key: it takes the form HEARTH__SECTION__KEY",
        ));
        return None;
    };
    let Some(value) = value.to_str() else {
        problems.push(Problem::of_key(
            format!("{section}.{key}"),
            origin,
            "must be valid UTF-8",
        ));
        return None;
    };
    let layer = vec![(section.to_owned(), key.to_owned(), value.into())];
    let layer = keep_known(layer, &origin, known, problems);
    Some((layer, origin))
}

/// What one `--set` sets. An argument of another form is not repeated: it may hold a secret.
pub(super) fn of_override(argument: &str, known: &Table, problems: &mut Vec<Problem>) -> Layer {
    let parsed = argument
        .split_once('=')
        .and_then(|(path, value)| Some((path.trim().split_once('.')?, value)))
        .filter(|((section, key), _)| is_name(section) && is_name(key));
    let Some(((section, key), value)) = parsed else {
        problems.push(Problem::of_source(Origin::CommandLine, "takes section.key=value"));
        return Layer::new();
    };
    let layer = vec![(section.to_owned(), key.to_owned(), value.into())];
    keep_known(layer, &Origin::CommandLine, known, problems)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// Reports the keys that do not exist, and gives text that stands for a number or a truth value its kind.
fn keep_known(layer: Layer, origin: &Origin, known: &Table, problems: &mut Vec<Problem>) -> Layer {
    let mut kept = Layer::new();
    for (section, key, value) in layer {
        let path = format!("{section}.{key}");
        match known.get(&section).map(|keys| (keys, keys.get(&key))) {
            None => problems.push(unknown_section(&path, &section, origin, known)),
            Some((keys, None)) => {
                let names: Vec<&str> = keys.keys().map(String::as_str).collect();
                let message = format!("is no setting; [{section}] has {}", names.join(", "));
                problems.push(Problem::of_key(path, origin.clone(), message));
            }
            Some((_, Some(default))) => kept.push((section, key, like(value, &default.kind))),
        }
    }
    kept
}

fn unknown_section(subject: &str, section: &str, origin: &Origin, known: &Table) -> Problem {
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let message = format!(
        "there is no section [{section}]; the sections are {}",
        names.join(", ")
    );
    Problem::of_key(subject, origin.clone(), message)
}

/// The value in the kind of its default where its text stands for one; as it is otherwise, to be refused by its reader.
fn like(value: Value, default: &ValueKind) -> Value {
    let parsed = match (&value.kind, default) {
        (ValueKind::String(text), ValueKind::I64(_)) => text.trim().parse().ok().map(ValueKind::I64),
        (ValueKind::String(text), ValueKind::Boolean(_)) => {
            text.trim().to_lowercase().parse().ok().map(ValueKind::Boolean)
        }
        _ => None,
    };
    parsed.map_or(value, |kind| Value::new(None, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parse_error_shows_no_line_of_the_file() {
        for text in [
            "[store]\nurl = \"postgres://u:secret@h/d",
            "[store]\nurl = postgres://u:secret@h/d",
            "[store]\nurl \"secret\"",
            "[store]\nurl = \"a\"\nurl = \"secret\"",
            "[store]\nurl = \"a\" secret",
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.starts_with("TOML parse error at line "), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn text_takes_the_kind_of_the_default() {
        for (text, default, expected) in [
            ("8000", ValueKind::I64(1), ValueKind::I64(8000)),
            (" 7 ", ValueKind::I64(1), ValueKind::I64(7)),
            ("7.5", ValueKind::I64(1), ValueKind::String("7.5".to_owned())),
            ("TRUE", ValueKind::Boolean(false), ValueKind::Boolean(true)),
            (
                "yes",
                ValueKind::Boolean(false),
                ValueKind::String("yes".to_owned()),
            ),
            (
                "12",
                ValueKind::String(String::new()),
                ValueKind::String("12".to_owned()),
            ),
        ] {
            assert_eq!(like(text.into(), &default).kind, expected, "{text}");
        }
    }
}
