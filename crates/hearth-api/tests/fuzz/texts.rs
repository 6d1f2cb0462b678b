//! Texts: ids and contents, valid and not, and what a URL makes of them.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::client::encoded;

/// Whether the API takes a text as an id.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Whether the API takes a text as a content.
pub(crate) fn is_content(text: &str) -> bool {
    (1..=32_768).contains(&text.len()) && !text.contains('\0')
}

/// An id that the API takes.
pub(crate) fn id() -> impl Strategy<Value = String> {
    let any = any::<char>().prop_filter("no control character", |character| !character.is_control());
    let characters = prop_oneof![3 => "[a-z0-9]{1,8}".boxed(), 1 => Just("/".to_owned()).boxed(), 1 => "[.%?#&=+;:\"\\\\ ]{1,3}".boxed()];
    prop_oneof![
        4 => vec(any.clone(), 1..20).prop_map(String::from_iter),
        4 => vec(characters, 1..5).prop_map(|parts| parts.concat()),
        1 => vec(any, 128).prop_map(String::from_iter),
        1 => prop::sample::select(vec![".", "..", "warm-up", "messages", "%2F", "null", "NULL", "\u{feff}", "\u{202e}"])
            .prop_map(str::to_owned),
    ]
}

/// A content that the API takes.
pub(crate) fn content() -> impl Strategy<Value = String> {
    let any = any::<char>().prop_filter("no U+0000", |character| *character != '\0');
    prop_oneof![
        8 => vec(any.clone(), 1..60).prop_map(String::from_iter),
        2 => "[\\x01-\\x1f\"\\\\/\u{7f}\u{2028}]{1,20}",
        1 => (any, 32_700_usize..=32_768).prop_map(|(character, length)| {
            std::iter::repeat_n(character, length / character.len_utf8()).collect()
        }),
    ]
}

/// Bytes as a segment of a path or a value of a query: some as they are where a URL permits it, the others encoded.
pub(crate) fn segment() -> impl Strategy<Value = String> {
    let byte = any::<u8>().prop_map(|byte| format!("%{byte:02x}"));
    let part = prop_oneof![
        4 => "[A-Za-z0-9._~!$'()*,;:@-]{1,6}",
        2 => id().prop_map(|id| encoded(&id)),
        2 => byte,
        1 => prop::sample::select(vec!["%", "%%", "%2", "%zz", "%2f", "%2F", "%2e", "%00", "%ff", "..", "+", "="])
            .prop_map(str::to_owned),
    ];
    prop_oneof![8 => vec(part, 0..5).prop_map(|parts| parts.concat()), 1 => "[a-z%]{100,700}"]
}

/// The text that a segment stands for, if it is one.
pub(crate) fn decoded(segment: &str) -> Option<String> {
    let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
    decoded.ok().map(std::borrow::Cow::into_owned)
}
