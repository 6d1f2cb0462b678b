//! `[model]`: who answers.

use std::path::PathBuf;
use std::time::Duration;

use hearth_chat::models::openai::{BaseUrl, BaseUrlError};
use secrecy::SecretString;
use serde::Deserialize;

use super::model_tables::{Departments, Parameters, department_models, parameters};
use super::value::{Text, milliseconds, text, within};

/// Who answers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The kind of model.
    #[serde(deserialize_with = "text")]
    pub kind: ModelKind,
    /// Where a model server is.
    #[serde(deserialize_with = "text")]
    pub base_url: Option<BaseUrl>,
    /// The server's key; what `api_key_file` holds, where that is set.
    #[serde(deserialize_with = "text")]
    pub api_key: Option<ApiKey>,
    /// The file that `api_key` was read from.
    #[serde(deserialize_with = "text")]
    pub api_key_file: Option<PathBuf>,
    /// The model that the server is asked for.
    #[serde(deserialize_with = "text")]
    pub model: Option<ModelName>,
    /// What a model is told before all else; empty tells it nothing.
    #[serde(deserialize_with = "text")]
    pub system_prompt: String,
    /// What is merged into every request.
    #[serde(deserialize_with = "parameters")]
    pub parameters: Parameters,
    /// What differs by department.
    #[serde(deserialize_with = "department_models")]
    pub departments: Departments,
    /// How long connecting may take.
    #[serde(
        rename = "connect_timeout_ms",
        deserialize_with = "milliseconds::<1, 600_000, _>"
    )]
    pub connect_timeout: Duration,
    /// How long a stream may be silent.
    #[serde(
        rename = "read_timeout_ms",
        deserialize_with = "milliseconds::<1, 3_600_000, _>"
    )]
    pub read_timeout: Duration,
    /// Requests at once.
    #[serde(deserialize_with = "within::<1, 100_000, _, _>")]
    pub concurrent_max: usize,
    /// Requests that wait beyond those.
    #[serde(deserialize_with = "within::<0, 1_000_000, _, _>")]
    pub queue_max: usize,
}

/// The kinds of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// The one that needs no network, and says what it is.
    Builtin,
    /// One behind an OpenAI-compatible server.
    OpenAi,
}

impl Text for ModelKind {
    const RIGHT: &'static str = "builtin or openai";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "builtin" => Ok(Self::Builtin),
            "openai" => Ok(Self::OpenAi),
            _ => Err(Self::RIGHT.to_owned()),
        }
    }
}

/// What differs for a department.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepartmentModel {
    /// The model that the server is asked for.
    pub model: Option<String>,
    /// What the model is told before all else, in place of `model.system_prompt`; empty tells it nothing.
    pub system_prompt: Option<String>,
    /// What is merged into requests, in place of `model.parameters`.
    pub parameters: Option<Parameters>,
}

/// The key of a model server; never shown.
#[derive(Debug, Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// The key, for the header that carries it.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.0
    }

    /// Reads a key, be it from a setting or a file.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == HIDDEN {
            return Err(format!("the real key in place of {HIDDEN}"));
        }
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.into()))
            .ok_or_else(|| "a key of visible characters, without blanks".to_owned())
    }
}

/// What is shown in place of a key.
pub(super) const HIDDEN: &str = "***";

impl Text for Option<ApiKey> {
    const RIGHT: &'static str = "the key of the model's server, or empty for none";

    fn parse(text: &str) -> Result<Self, String> {
        (!text.is_empty()).then(|| ApiKey::parse(text)).transpose()
    }
}

/// The name of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName(String);

impl ModelName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Text for Option<ModelName> {
    const RIGHT: &'static str = "the name of a model, or empty for none";

    fn parse(text: &str) -> Result<Self, String> {
        Ok((!text.is_empty()).then(|| ModelName(text.to_owned())))
    }
}

impl Text for Option<BaseUrl> {
    const RIGHT: &'static str = "http://host/path or https://host/path, or empty for none";

    fn parse(text: &str) -> Result<Self, String> {
        let parse = |text| BaseUrl::parse(text).map_err(|error: BaseUrlError| error.to_string());
        (!text.is_empty()).then(|| parse(text)).transpose()
    }
}

impl Text for String {
    const RIGHT: &'static str = "text";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}
