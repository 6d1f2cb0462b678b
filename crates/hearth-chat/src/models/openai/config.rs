//! How a model server is reached and what it is asked for.

use std::collections::HashMap;
use std::time::Duration;

use hearth_domain::Department;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::base_url::BaseUrl;

/// The parameters that Hearth sets itself.
pub const RESERVED_PARAMETERS: [&str; 5] = ["model", "messages", "stream", "stream_options", "n"];

/// How a model server is reached and what it is asked for.
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// Where it is.
    pub base_url: BaseUrl,
    /// What is sent as `Authorization: Bearer`, or as `api-key` where the address is Azure's; a server on one's own may need none.
    pub api_key: Option<SecretString>,
    /// The model that is asked for; Azure's deployments take any name.
    pub model: String,
    /// What is merged into every request as it is: `temperature`, `top_p`, `max_completion_tokens` and whatever the server takes.
    pub parameters: Map<String, Value>,
    /// What differs by department.
    pub departments: HashMap<Department, DepartmentModel>,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a stream may be silent; answers that are not streamed have the turn's deadline alone.
    pub read_timeout: Duration,
    /// Requests at once.
    pub concurrent_max: usize,
    /// Requests that wait beyond those.
    pub queue_max: usize,
    /// What a first retry waits for, half of it at least; a second one twice as long. Only what the server has not begun to answer is
    /// retried.
    pub retry_pause: Duration,
    /// Failures in a row after which the server is left alone.
    pub breaker_failures: u32,
    /// How long it is left alone at first; up to sixteen times as long while it stays away.
    pub breaker_pause: Duration,
}

/// What differs for a department.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DepartmentModel {
    /// The model that is asked for.
    pub model: Option<String>,
    /// The parameters, in place of all others.
    pub parameters: Option<Map<String, Value>>,
}

impl OpenAiConfig {
    /// Where a server is and which model is asked for; everything else as usual, and no key.
    #[must_use]
    pub fn new(base_url: BaseUrl, model: impl Into<String>) -> Self {
        Self {
            base_url,
            api_key: None,
            model: model.into(),
            parameters: Map::new(),
            departments: HashMap::new(),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(60),
            concurrent_max: 64,
            queue_max: 256,
            retry_pause: Duration::from_millis(250),
            breaker_failures: 5,
            breaker_pause: Duration::from_secs(5),
        }
    }
}

/// Why a configuration makes no request.
#[derive(Debug, thiserror::Error)]
pub enum OpenAiConfigError {
    /// The key cannot be sent in a header.
    #[error("the key has characters that a header cannot carry")]
    ApiKey,
    /// A parameter is Hearth's own.
    #[error("the parameter {0} is set by Hearth itself")]
    Reserved(String),
    /// No certificate authorities, or the like.
    #[error("failed to prepare encrypted connections")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be made.
    #[error("failed to prepare the HTTP client")]
    Client(#[from] reqwest::Error),
}
