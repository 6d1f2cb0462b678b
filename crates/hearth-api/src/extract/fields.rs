//! The fields of a JSON object: known ones only, and all that is wrong with them at once.

use serde_json::{Map, Value};

use crate::error::{Code, FIELD_ERRORS_MAX, FieldError, Problem};

/// The fields of a JSON object that is being read.
#[derive(Debug)]
pub struct Fields {
    /// What stands before a field's name in messages: `messages[2].`, or nothing at the top.
    prefix: String,
    members: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// The fields of an object, which may have no others than `known`.
    ///
    /// # Errors
    ///
    /// [`Code::UnknownField`] names those that are not.
    pub fn new(members: Map<String, Value>, prefix: String, known: &[&str]) -> Result<Self, Problem> {
        let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
        let errors: Vec<FieldError> = unknown
            .take(FIELD_ERRORS_MAX)
            .map(|name| FieldError {
                field: format!("{prefix}{}", shortened(name)),
                message: format!("is not a field of this request; it takes {}", known.join(", ")),
            })
            .collect();
        if errors.is_empty() {
            Ok(Self {
                prefix,
                members,
                errors,
            })
        } else {
            Err(Problem::fields(Code::UnknownField, errors))
        }
    }

    /// A field that must be there.
    pub fn required<T>(&mut self, name: &str, read: impl Fn(&Value) -> Result<T, String>) -> Option<T> {
        if self.has(name) {
            return self.optional(name, read);
        }
        self.refuse(name, "is required");
        None
    }

    /// A field that may be absent, or null, which is the same.
    pub fn optional<T>(&mut self, name: &str, read: impl Fn(&Value) -> Result<T, String>) -> Option<T> {
        let value = self.members.get(name).filter(|value| !value.is_null())?;
        match read(value) {
            Ok(value) => Some(value),
            Err(rule) => {
                self.refuse(name, rule);
                None
            }
        }
    }

    /// Takes a field out, whatever its type.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Whether a field is there, and not null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Notes that a field breaks a rule.
    pub fn refuse(&mut self, name: &str, rule: impl Into<String>) {
        self.errors.push(FieldError {
            field: format!("{}{name}", self.prefix),
            message: rule.into(),
        });
    }

    /// The value that was made of the fields, if nothing was wrong with any of them.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidField`] names all that is wrong.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Problem> {
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            Some(_) | None => Err(Problem::fields(Code::InvalidField, self.errors)),
        }
    }
}

/// A name that a caller made up, as far as a message needs it.
pub(super) fn shortened(name: &str) -> String {
    name.chars()
        .filter(|character| !character.is_control())
        .take(64)
        .collect()
}
