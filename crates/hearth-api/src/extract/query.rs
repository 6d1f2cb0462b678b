//! The query of a request: known parameters only, each at most once.

use std::borrow::Cow;
use std::str::FromStr;

use hearth_domain::{Department, Invalid, UserId};
use percent_encoding::percent_decode_str;

use super::fields::shortened;
use crate::error::{Code, Problem};

const DEPARTMENT: &str = "department";
const REQUIRED: &str = "is required as a query parameter";

/// The parameters of a query; they are copied only where they had to be decoded.
#[derive(Debug)]
pub struct Query<'a>(Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// The parameters, which may be no others than `known`.
    ///
    /// # Errors
    ///
    /// [`Code::UnknownField`] for another one, [`Code::MalformedQuery`] for one that is repeated or is not UTF-8.
    pub fn of(query: &'a str, known: &[&'static str]) -> Result<Self, Problem> {
        Self::with(query, known, &[])
    }

    /// The same with two lists of what is known.
    pub(super) fn with(
        query: &'a str,
        known: &[&'static str],
        others: &[&'static str],
    ) -> Result<Self, Problem> {
        let mut parameters: Vec<(&'static str, Cow<'a, str>)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = plain(name).unwrap_or_default();
            let Some(name) = known.iter().chain(others).copied().find(|known| *known == name) else {
                return Err(unknown(&name, &[known, others].concat()));
            };
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(Problem::field(
                    Code::MalformedQuery,
                    name,
                    "is given more than once",
                ));
            }
            let Some(value) = plain(value) else {
                return Err(Problem::field(Code::MalformedQuery, name, "is not UTF-8"));
            };
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The department alone, of a query that is not read otherwise yet. Takes parameters as [`Query::of`] does.
    ///
    /// # Errors
    ///
    /// As [`Query::department`]; [`Code::MalformedQuery`] where it is repeated or is not UTF-8.
    pub fn department_of(query: &str) -> Result<Department, Problem> {
        let refuse = |rule| Problem::field(Code::MalformedQuery, DEPARTMENT, rule);
        let mut values = query.split('&').filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            is_named(name, DEPARTMENT).then_some(value)
        });
        let value = values.next().ok_or_else(|| refuse(REQUIRED))?;
        if values.next().is_some() {
            return Err(refuse("is given more than once"));
        }
        let value = plain(value).ok_or_else(|| refuse("is not UTF-8"))?;
        Department::new(value).map_err(|invalid| Problem::field(Code::InvalidField, DEPARTMENT, invalid))
    }

    /// The department and the user, which every request about sessions names.
    ///
    /// # Errors
    ///
    /// [`Code::MalformedQuery`] where one is missing, [`Code::InvalidField`] where one is out of bounds.
    pub fn who(&self) -> Result<(Department, UserId), Problem> {
        Ok((self.department()?, self.id("user")?))
    }

    /// The department.
    ///
    /// # Errors
    ///
    /// As [`Query::who`].
    pub fn department(&self) -> Result<Department, Problem> {
        self.id(DEPARTMENT)
    }

    /// A number that may be absent.
    ///
    /// # Errors
    ///
    /// [`Code::MalformedQuery`] where it is no integer of the type.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let number = text.parse().ok();
        number
            .map(Some)
            .ok_or_else(|| Problem::field(Code::MalformedQuery, name, "must be an integer"))
    }

    /// A limit that may be absent.
    ///
    /// # Errors
    ///
    /// [`Code::MalformedQuery`] where it is no integer, [`Code::InvalidField`] where it is not from 1 to `max`.
    pub fn limit(&self, max: u16) -> Result<Option<u16>, Problem> {
        let number = self.number::<i64>("limit")?;
        let limit = number.map(|number| {
            u16::try_from(number)
                .ok()
                .filter(|limit| (1..=max).contains(limit))
        });
        match limit {
            None => Ok(None),
            Some(Some(limit)) => Ok(Some(limit)),
            Some(None) => Err(Problem::field(
                Code::InvalidField,
                "limit",
                format!("must be an integer from 1 to {max}"),
            )),
        }
    }

    /// A parameter that may be absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value.as_ref())
    }

    fn id<T: FromStr<Err = Invalid>>(&self, name: &str) -> Result<T, Problem> {
        let text = self
            .get(name)
            .ok_or_else(|| Problem::field(Code::MalformedQuery, name, REQUIRED))?;
        text.parse()
            .map_err(|invalid| Problem::field(Code::InvalidField, name, invalid))
    }
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let rule = format!(
        "is not a parameter of this request; it takes {}",
        known.join(", ")
    );
    Problem::field(Code::UnknownField, shortened(name), rule)
}

fn is_named(encoded: &str, name: &str) -> bool {
    plain(encoded).is_some_and(|decoded| decoded == name)
}

/// As [`decoded`], without a copy of what needs no decoding.
fn plain(text: &str) -> Option<Cow<'_, str>> {
    if text.contains(['%', '+']) {
        decoded(text).map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(text))
    }
}

/// Form decoding: a plus is a space.
fn decoded(text: &str) -> Option<String> {
    let text = if text.contains('+') {
        Cow::Owned(text.replace('+', " "))
    } else {
        Cow::Borrowed(text)
    };
    percent_decode_str(&text).decode_utf8().ok().map(Cow::into_owned)
}
