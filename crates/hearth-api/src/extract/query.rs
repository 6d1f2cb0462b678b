//! The query of a request: known parameters only, each at most once.

use std::borrow::Cow;
use std::str::FromStr;

use actix_web::HttpRequest;
use hearth_domain::{Department, Invalid, UserId};
use percent_encoding::percent_decode_str;

use crate::error::{Code, Problem};

/// The parameters of a request's query.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The parameters, which may be no others than `known`.
    ///
    /// # Errors
    ///
    /// [`Code::UnknownField`] for another one, [`Code::MalformedQuery`] for one that is repeated or is not UTF-8.
    pub fn of(request: &HttpRequest, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in request.query_string().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).unwrap_or_default();
            if !known.contains(&name.as_str()) {
                let rule = format!(
                    "is not a parameter of this request; it takes {}",
                    known.join(", ")
                );
                let name: String = name
                    .chars()
                    .filter(|character| !character.is_control())
                    .take(64)
                    .collect();
                return Err(Problem::field(Code::UnknownField, name, rule));
            }
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(Problem::field(
                    Code::MalformedQuery,
                    name,
                    "is given more than once",
                ));
            }
            let Some(value) = decoded(value) else {
                return Err(Problem::field(Code::MalformedQuery, name, "is not UTF-8"));
            };
            parameters.push((name, value));
        }
        Ok(Self(parameters))
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
        self.id("department")
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
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    fn id<T: FromStr<Err = Invalid>>(&self, name: &str) -> Result<T, Problem> {
        let text = self
            .get(name)
            .ok_or_else(|| Problem::field(Code::MalformedQuery, name, "is required as a query parameter"))?;
        text.parse()
            .map_err(|invalid| Problem::field(Code::InvalidField, name, invalid))
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
