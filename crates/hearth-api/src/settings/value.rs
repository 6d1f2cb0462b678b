//! Checked values: each reader takes one kind and one range, and its refusal says what would be right, never what was
//! given, which may be a secret.
//!
//! They ask for whatever the source holds, because the `config` crate would otherwise bend it: `true` to 1, 8000.7 to 8001.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Deserializer, Error, Visitor};

/// A value that is written as text and has a meaning of its own.
pub(super) trait Text: Sized {
    /// What would be right, to follow "must be".
    const RIGHT: &'static str;

    /// The value that `text` stands for, or what would be right instead.
    fn parse(text: &str) -> Result<Self, String>;
}

/// Reads a [`Text`].
pub(super) fn text<'de, T: Text, D: Deserializer<'de>>(source: D) -> Result<T, D::Error> {
    let text = source
        .deserialize_any(TextVisitor)
        .map_err(|_| D::Error::custom(T::RIGHT))?;
    T::parse(&text).map_err(D::Error::custom)
}

/// Reads `true` or `false`.
pub(super) fn boolean<'de, D: Deserializer<'de>>(source: D) -> Result<bool, D::Error> {
    source
        .deserialize_any(BooleanVisitor)
        .map_err(|_| D::Error::custom("true or false"))
}

/// Reads a whole number from `MIN` to `MAX`.
pub(super) fn within<'de, const MIN: u64, const MAX: u64, T, D>(source: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    source
        .deserialize_any(NumberVisitor)
        .ok()
        .filter(|number| (MIN..=MAX).contains(number))
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| D::Error::custom(format_args!("a whole number from {MIN} to {MAX}")))
}

/// Reads a whole number of milliseconds.
pub(super) fn milliseconds<'de, const MIN: u64, const MAX: u64, D>(source: D) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    within::<MIN, MAX, u64, D>(source).map(Duration::from_millis)
}

/// Reads a whole number of seconds.
pub(super) fn seconds<'de, const MIN: u64, const MAX: u64, D>(source: D) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    within::<MIN, MAX, u64, D>(source).map(Duration::from_secs)
}

/// Reads a whole number of minutes.
pub(super) fn minutes<'de, const MIN: u64, const MAX: u64, D>(source: D) -> Result<Duration, D::Error>
where
    D: Deserializer<'de>,
{
    within::<MIN, MAX, u64, D>(source).map(Duration::from_mins)
}

/// A path that may be left empty.
impl Text for Option<PathBuf> {
    const RIGHT: &'static str = "the path of a file, or empty for none";

    fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err(format!(
                "{}; a URL itself belongs in the key without _file",
                Self::RIGHT
            ));
        }
        Ok((!text.is_empty()).then(|| PathBuf::from(text)))
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

struct BooleanVisitor;

impl Visitor<'_> for BooleanVisitor {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use config::Value;

    use super::*;

    fn check<T: fmt::Debug + PartialEq>(
        read: impl Fn(Value) -> Result<T, config::ConfigError>,
        value: impl Into<config::ValueKind>,
        expected: Result<T, &str>,
    ) {
        let read = read(Value::new(None, value)).map_err(|error| error.to_string());
        assert_eq!(read, expected.map_err(str::to_owned));
    }

    #[test]
    fn numbers_are_whole_and_within() {
        let right = Err("a whole number from 1 to 300");
        check(within::<1, 300, u16, _>, 1, Ok(1));
        check(within::<1, 300, u16, _>, 300_u64, Ok(300));
        check(within::<1, 300, u16, _>, 0, right);
        check(within::<1, 300, u16, _>, 301, right);
        check(within::<1, 300, u16, _>, -1, right);
        check(within::<1, 300, u16, _>, 7.6, right);
        check(within::<1, 300, u16, _>, true, right);
        check(within::<1, 300, u16, _>, "secret", right);
        check(within::<1, 300, u16, _>, vec![1], right);
        check(within::<1, 300, u8, _>, 299, Err("a whole number from 1 to 300"));
    }

    #[test]
    fn truth_is_not_a_number() {
        check(boolean, true, Ok(true));
        check(boolean, 1, Err("true or false"));
        check(boolean, "secret", Err("true or false"));
    }

    #[test]
    fn times_have_their_unit() {
        check(milliseconds::<1, 9, _>, 5, Ok(Duration::from_millis(5)));
        check(seconds::<1, 9, _>, 5, Ok(Duration::from_secs(5)));
        check(minutes::<1, 9, _>, 5, Ok(Duration::from_secs(300)));
    }

    #[test]
    fn a_file_is_not_a_url() {
        let right = "the path of a file, or empty for none";
        check(text::<Option<PathBuf>, _>, "", Ok(None));
        check(
            text::<Option<PathBuf>, _>,
            "/run/url",
            Ok(Some(PathBuf::from("/run/url"))),
        );
        check(text::<Option<PathBuf>, _>, 5, Err(right));
        let refused = text::<Option<PathBuf>, _>(Value::new(None, "postgres://u:secret@h/d"));
        assert!(!refused.unwrap_err().to_string().contains("secret"));
    }
}
