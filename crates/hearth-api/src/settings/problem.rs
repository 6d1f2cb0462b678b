//! What is wrong with the settings, said so that it can be mended at once.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The defaults that are compiled into the program.
    BuiltIn,
    /// A file of settings.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// `--set` on the command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::CommandLine => f.write_str("--set"),
        }
    }
}

/// One thing that is wrong. Its text never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about: `section.key`, a section, or the whole source.
    subject: Option<String>,
    /// The value that was given, where it may be shown.
    value: Option<String>,
    /// Where it was given.
    origin: Origin,
    /// What is wrong, or what would be right.
    message: String,
}

impl Problem {
    /// Something about a whole source.
    pub(super) fn of_source(origin: Origin, message: impl Into<String>) -> Self {
        Self {
            subject: None,
            value: None,
            origin,
            message: message.into(),
        }
    }

    /// Something about a section or a key.
    pub(super) fn of_key(key: impl Into<String>, origin: Origin, message: impl Into<String>) -> Self {
        Self {
            subject: Some(key.into()),
            value: None,
            origin,
            message: message.into(),
        }
    }

    /// The same, with the value that was given; `None` where it may be a secret.
    pub(super) fn with_value(mut self, value: Option<String>) -> Self {
        self.value = value;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.subject, &self.value) {
            (Some(key), Some(value)) => write!(f, "{key} = {value} ({})", self.origin)?,
            (Some(key), None) => write!(f, "{key} ({})", self.origin)?,
            (None, _) => write!(f, "{}", self.origin)?,
        }
        write!(f, ": {}", self.message)
    }
}

/// The settings are refused: everything that is wrong with them, one problem a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings are refused:{}", lines(problems))]
pub struct Refused {
    problems: Vec<Problem>,
}

impl Refused {
    /// Because of these.
    pub(super) const fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// What is wrong, in the order of the sources.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
