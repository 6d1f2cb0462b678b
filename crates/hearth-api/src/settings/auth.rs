//! `[auth]`: who may call.

use serde::Deserialize;

use super::value::{Text, boolean, text};

/// Who may call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// How callers prove who they are.
    #[serde(deserialize_with = "text")]
    pub mode: AuthMode,
    /// Whether [`AuthMode::Open`] is meant on an address that other machines reach.
    #[serde(deserialize_with = "boolean")]
    pub allow_open_network: bool,
}

/// How callers prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMode {
    /// They do not: whoever reaches the address may do everything.
    Open,
    /// With an API key.
    Keys,
}

impl Text for AuthMode {
    const RIGHT: &'static str = "open or keys";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "open" => Ok(Self::Open),
            "keys" => Ok(Self::Keys),
            _ => Err(Self::RIGHT.to_owned()),
        }
    }
}
