//! The bytes of a request.

use std::collections::HashMap;

use bytes::Bytes;
use hearth_domain::Department;
use hearth_domain::ports::Prompt;
use serde_json::{Map, Value};

use super::config::{OpenAiConfig, OpenAiConfigError, RESERVED_PARAMETERS};
use super::messages::write_messages;

/// What a request has around its messages, at most, beyond model and parameters.
const FRAME_BYTES: usize = 128;

/// Makes requests. What does not depend on the conversation is made once.
pub(super) struct Requests {
    usual: Head,
    departments: HashMap<Department, Head>,
}

/// A request as far as its department decides it.
struct Head {
    model: String,
    /// A JSON object with model and parameters, without its closing brace.
    json: Vec<u8>,
}

impl Requests {
    pub(super) fn new(config: &OpenAiConfig) -> Result<Self, OpenAiConfigError> {
        let departments = config.departments.iter().map(|(department, own)| {
            let model = own.model.as_ref().unwrap_or(&config.model);
            let parameters = own.parameters.as_ref().unwrap_or(&config.parameters);
            Ok((department.clone(), Head::new(model, parameters)?))
        });
        Ok(Self {
            usual: Head::new(&config.model, &config.parameters)?,
            departments: departments.collect::<Result<_, OpenAiConfigError>>()?,
        })
    }

    /// The model that answers a department.
    pub(super) fn model(&self, department: &Department) -> &str {
        &self.head(department).model
    }

    /// The body of a request; `usage` says whether a stream is asked for what it took.
    pub(super) fn body(&self, prompt: &Prompt, usage: bool) -> Bytes {
        let head = &self.head(&prompt.department).json;
        let contents = prompt.history.json().len() + prompt.query.len();
        let mut body = Vec::with_capacity(head.len() + contents + FRAME_BYTES);
        body.extend_from_slice(head);
        if prompt.stream {
            body.extend_from_slice(b",\"stream\":true");
            if usage {
                body.extend_from_slice(b",\"stream_options\":{\"include_usage\":true}");
            }
        }
        body.extend_from_slice(b",\"messages\":");
        write_messages(&mut body, prompt);
        body.push(b'}');
        body.into()
    }

    fn head(&self, department: &Department) -> &Head {
        self.departments.get(department).unwrap_or(&self.usual)
    }
}

impl Head {
    fn new(model: &str, parameters: &Map<String, Value>) -> Result<Self, OpenAiConfigError> {
        if let Some(name) = RESERVED_PARAMETERS
            .iter()
            .find(|name| parameters.contains_key(**name))
        {
            return Err(OpenAiConfigError::Reserved((*name).to_owned()));
        }
        let mut members = parameters.clone();
        members.insert("model".to_owned(), model.into());
        let mut json = Value::Object(members).to_string().into_bytes();
        json.pop();
        Ok(Self {
            model: model.to_owned(),
            json,
        })
    }
}
