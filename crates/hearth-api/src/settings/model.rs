//! `[model]`: who answers.

use serde::Deserialize;

use super::value::{Text, text};

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The kind of model.
    #[serde(deserialize_with = "text")]
    pub kind: ModelKind,
}

/// The kinds of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// The one that needs no network, and says what it is.
    Builtin,
}

impl Text for ModelKind {
    const RIGHT: &'static str = "builtin, the one kind of this version";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "builtin" => Ok(Self::Builtin),
            _ => Err(Self::RIGHT.to_owned()),
        }
    }
}
