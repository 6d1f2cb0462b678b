//! From JSON values to the domain's types: each reader's error is the rule that the value breaks.

use std::str::FromStr;

use hearth_domain::{Invalid, Role, Version};
use serde_json::Value;

/// Reads an id of the domain.
///
/// # Errors
///
/// The rule that the value breaks.
pub fn id<T: FromStr<Err = Invalid>>(value: &Value) -> Result<T, String> {
    string(value)?
        .parse()
        .map_err(|invalid: Invalid| invalid.to_string())
}

/// Reads a role.
///
/// # Errors
///
/// The rule that the value breaks.
pub fn role(value: &Value) -> Result<Role, String> {
    string(value)?
        .parse()
        .map_err(|invalid: Invalid| invalid.to_string())
}

/// Reads a message's content; its bounds are checked where the message is made.
///
/// # Errors
///
/// The rule that the value breaks.
pub fn content(value: &Value) -> Result<String, String> {
    string(value).map(str::to_owned)
}

/// Reads a truth value.
///
/// # Errors
///
/// The rule that the value breaks.
pub fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "must be true or false".to_owned())
}

/// Reads a version.
///
/// # Errors
///
/// The rule that the value breaks.
pub fn version(value: &Value) -> Result<Version, String> {
    let number = value.as_u64().ok_or(Invalid::Version);
    number
        .and_then(Version::new)
        .map_err(|invalid| invalid.to_string())
}

/// Reads an integer from 1 to `max`.
///
/// # Errors
///
/// The rule that the value breaks.
pub fn integer_within(max: u16) -> impl Fn(&Value) -> Result<u16, String> {
    move |value| {
        let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
        number
            .filter(|number| (1..=max).contains(number))
            .ok_or_else(|| format!("must be an integer from 1 to {max}"))
    }
}

fn string(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "must be a string".to_owned())
}
