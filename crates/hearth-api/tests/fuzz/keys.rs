//! API keys: none but the right one opens anything.

use std::collections::BTreeSet;

use hearth_api::commands::keys::NewKey;
use hearth_domain::{Department, Departments, Scope};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::client::{Request, encoded};
use crate::runs::fuzz;
use crate::server::Server;
use crate::texts::id;
use crate::verdict::{code, send};

/// What is sent in place of the key.
#[derive(Debug, Clone)]
enum Shown {
    Anything(Vec<u8>),
    WithAnotherByte(Index, u8),
    Cut(Index),
    Longer(Vec<u8>),
    Right,
}

fn shown() -> impl Strategy<Value = Shown> {
    let visible = 0x21_u8..=0x7e;
    prop_oneof![
        1 => vec(prop_oneof![6 => visible.clone(), 1 => 0x80_u8..=0xff, 1 => Just(b' ')], 0..80).prop_map(Shown::Anything),
        1 => "hearth_[0-9a-zA-Z]{0,20}_[0-9a-zA-Z_-]{0,70}".prop_map(|text| Shown::Anything(text.into_bytes())),
        1 => (any::<Index>(), visible.clone()).prop_map(|(at, byte)| Shown::WithAnotherByte(at, byte)),
        1 => any::<Index>().prop_map(Shown::Cut),
        1 => vec(visible, 1..4).prop_map(Shown::Longer),
        3 => Just(Shown::Right),
    ]
}

fn text_of(shown: Shown, key: &[u8]) -> Vec<u8> {
    let mut text = key.to_vec();
    match shown {
        Shown::Anything(bytes) => return bytes,
        Shown::WithAnotherByte(at, byte) => text[at.index(key.len())] = byte,
        Shown::Cut(at) => text.truncate(at.index(key.len())),
        Shown::Longer(more) => text.extend(more),
        Shown::Right => {}
    }
    text
}

#[test]
fn none_but_the_right_key_opens_its_department_alone() {
    let (server, key) = Server::with_keys(NewKey {
        label: "fuzz".to_owned(),
        departments: Departments::Only(BTreeSet::from([Department::new("d").unwrap()])),
        scopes: BTreeSet::from([Scope::Read]),
    });
    let client = server.client();
    let department = prop_oneof![Just("d".to_owned()), id()];
    let scheme =
        prop_oneof![4 => Just("Bearer "), 1 => prop::sample::select(vec!["bearer ", "Basic ", "Bearer", ""])];
    fuzz(&(department, scheme, shown()), |(department, scheme, shown)| {
        let text = text_of(shown, key.as_bytes());
        let is_right = text == key.as_bytes() && scheme.eq_ignore_ascii_case("Bearer ");
        let value = [scheme.as_bytes(), &text].concat();
        let target = format!("/chatbot/v1/sessions?department={}&user=u", encoded(&department));
        let request = Request::new("GET", target).header("Authorization", value);
        let answer = send(&client, &request)?;
        let expected = match (is_right, department.as_str()) {
            (true, "d") => "",
            (true, _) => "forbidden_department",
            (false, _) => "invalid_key",
        };
        prop_assert_eq!(code(&answer)?, expected, "{:?}", request);
        prop_assert!(!String::from_utf8_lossy(&answer.body).contains(&key));
        Ok(())
    });
}
