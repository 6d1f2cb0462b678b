//! Makes the model that the settings name, and what its prompts have beside the conversation.

use std::sync::Arc;

use hearth_chat::PromptConfig;
use hearth_chat::models::openai::{DepartmentModel, OpenAiConfigError};
use hearth_chat::models::{BuiltinModel, OpenAiConfig, OpenAiModel};
use hearth_domain::ports::{ChatModel, Clock};
use tokio::runtime::Handle;

use crate::settings::{self, ModelKind, Settings};

/// Makes the model. It is not asked anything, so that a start does not depend on it; its connections live on `runtime`.
///
/// # Errors
///
/// [`OpenAiConfigError`], for instance where the machine has no certificate authorities.
pub fn open_model(
    settings: &settings::Model,
    clock: Arc<dyn Clock>,
    runtime: Handle,
) -> Result<Arc<dyn ChatModel>, OpenAiConfigError> {
    Ok(match openai_config(settings) {
        Some(config) => Arc::new(OpenAiModel::new(config, clock, runtime)?),
        None => Arc::new(BuiltinModel),
    })
}

/// How a model server is reached; none where the model needs no server. Settings that were loaded name server and model.
fn openai_config(settings: &settings::Model) -> Option<OpenAiConfig> {
    match settings.kind {
        ModelKind::Builtin => return None,
        ModelKind::OpenAi => {}
    }
    let departments = settings.departments.iter().map(|(department, own)| {
        let model = DepartmentModel {
            model: own.model.clone(),
            parameters: own.parameters.clone(),
        };
        (department.clone(), model)
    });
    Some(OpenAiConfig {
        api_key: settings.api_key.as_ref().map(|key| key.secret().clone()),
        parameters: settings.parameters.clone(),
        departments: departments.collect(),
        connect_timeout: settings.connect_timeout,
        read_timeout: settings.read_timeout,
        concurrent_max: settings.concurrent_max,
        queue_max: settings.queue_max,
        ..OpenAiConfig::new(settings.base_url.clone()?, settings.model.as_ref()?.as_str())
    })
}

/// What prompts have beside the conversation.
#[must_use]
pub fn prompt_config(settings: &Settings) -> PromptConfig {
    let model = &settings.model;
    let of_department = model.departments.iter().filter_map(|(department, own)| {
        let text = own.system_prompt.as_deref()?;
        Some((department.clone(), Arc::from(text)))
    });
    PromptConfig {
        system: Some(model.system_prompt.as_str())
            .filter(|text| !text.is_empty())
            .map(Arc::from),
        departments: of_department.collect(),
        max_tokens: settings.prompt.max_tokens,
    }
}
