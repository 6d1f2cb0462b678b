//! What the settings of a model must have together.

use super::model::{ApiKey, Model, ModelKind};
use super::problem::Problem;
use super::section::Layered;

/// The model with the key that its file holds, where one is named; every key that is missing is a problem.
pub(super) fn checked(model: Model, layered: &Layered, problems: &mut Vec<Problem>) -> Option<Model> {
    let before = problems.len();
    if model.kind == ModelKind::OpenAi {
        let missing = [
            ("base_url", model.base_url.is_none()),
            ("model", model.model.is_none()),
        ];
        for (key, _) in missing.into_iter().filter(|(_, missing)| *missing) {
            let origin = layered.origin("model", "kind");
            let message = "must be set where model.kind = \"openai\"";
            problems.push(Problem::of_key(format!("model.{key}"), origin, message));
        }
    }
    let model = with_key_file(model, layered)
        .map_err(|problem| problems.push(problem))
        .ok()?;
    (problems.len() == before).then_some(model)
}

fn with_key_file(model: Model, layered: &Layered) -> Result<Model, Problem> {
    let Some(path) = &model.api_key_file else {
        return Ok(model);
    };
    let problem = |message: String| {
        Problem::of_key(
            "model.api_key_file",
            layered.origin("model", "api_key_file"),
            message,
        )
        .with_value(Some(format!("\"{}\"", path.display())))
    };
    if model.api_key.is_some() {
        let other = layered.origin("model", "api_key");
        return Err(problem(format!(
            "model.api_key is set as well ({other}): take one of the two away"
        )));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| problem(format!("the file cannot be read: {error}")))?;
    let key = ApiKey::parse(text.trim_end_matches(['\r', '\n']))
        .map_err(|right| problem(format!("the file must hold {right}")))?;
    Ok(Model {
        api_key: Some(key),
        ..model
    })
}
