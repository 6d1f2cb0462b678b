//! Bodies: any JSON, valid requests with something changed, and bytes that are no JSON any more.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value};

use crate::texts::{content, id};

/// JSON of any shape.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        id().prop_map(Value::from),
        Just(Value::from("a".repeat(32_769))),
        Just(Value::from("u\u{0}")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// A version, as a request names it: mostly a small one.
pub(crate) fn version() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (0_u64..4).prop_map(Value::from),
        any::<u64>().prop_map(Value::from)
    ]
}

/// One change of an object that makes it wrong, or not.
#[derive(Debug, Clone)]
enum Change {
    Remove(Index),
    Replace(Index, Value),
    Add(String, Value),
    Within(Index, Box<Change>),
}

fn change() -> impl Strategy<Value = Change> {
    let leaf = prop_oneof![
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), json()).prop_map(|(at, value)| Change::Replace(at, value)),
        (any::<String>(), json()).prop_map(|(name, value)| Change::Add(name, value)),
    ];
    leaf.prop_recursive(3, 3, 1, |inner| {
        (any::<Index>(), inner).prop_map(|(at, change)| Change::Within(at, Box::new(change)))
    })
}

/// A request with up to two changes.
pub(crate) fn changed(valid: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    (valid, vec(change(), 0..3)).prop_map(|(mut value, changes)| {
        changes.into_iter().for_each(|change| apply(&mut value, change));
        value
    })
}

fn apply(value: &mut Value, change: Change) {
    match value {
        Value::Object(members) => {
            let names: Vec<String> = members.keys().cloned().collect();
            match change {
                Change::Remove(at) if !names.is_empty() => {
                    members.remove(at.get(&names));
                }
                Change::Replace(at, new) if !names.is_empty() => {
                    members.insert(at.get(&names).clone(), new);
                }
                Change::Within(at, change) if !names.is_empty() => {
                    apply(&mut members[at.get(&names)], *change)
                }
                Change::Add(name, new) => {
                    members.insert(name, new);
                }
                Change::Remove(_) | Change::Replace(..) | Change::Within(..) => {}
            }
        }
        Value::Array(elements) if !elements.is_empty() => match change {
            Change::Remove(at) => {
                elements.remove(at.index(elements.len()));
            }
            Change::Replace(at, new) => {
                let at = at.index(elements.len());
                elements[at] = new;
            }
            Change::Add(_, new) => elements.push(new),
            Change::Within(at, change) => {
                let at = at.index(elements.len());
                apply(&mut elements[at], *change);
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
    }
}

/// The bytes of a request, broken in one place; or any bytes.
pub(crate) fn broken(valid: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<u8>> {
    let cut = |bytes: Vec<u8>, from: Index, to: Index, new: Vec<u8>| {
        let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
        [&bytes[..from.min(to)], new.as_slice(), &bytes[from.max(to)..]].concat()
    };
    let near = (valid, any::<(Index, Index, bool)>(), vec(any::<u8>(), 0..4)).prop_map(
        move |(value, (from, to, is_insertion), new)| {
            let bytes = value.to_string().into_bytes();
            cut(bytes, from, if is_insertion { from } else { to }, new)
        },
    );
    let twice = content().prop_map(|text| format!("{text}{text}").into_bytes());
    let deep = (
        prop::sample::select(vec!["[", "{\"a\":", "[{\"a\":"]),
        1_usize..300,
    )
        .prop_map(|(open, times)| open.repeat(times).into_bytes());
    prop_oneof![8 => near, 2 => vec(any::<u8>(), 0..200), 1 => twice, 1 => deep]
}
