//! The tables of `[model]`: request parameters, and what differs by department. A file writes them as tables, the environment as JSON.

use std::collections::{BTreeMap, HashMap};

use hearth_chat::models::openai::RESERVED_PARAMETERS;
use hearth_domain::Department;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::{Map, Value};

use super::model::DepartmentModel;

/// Request parameters.
pub type Parameters = Map<String, Value>;

/// What differs by department.
pub type Departments = HashMap<Department, DepartmentModel>;

/// Reads request parameters.
pub(super) fn parameters<'de, D: Deserializer<'de>>(source: D) -> Result<Parameters, D::Error> {
    table(source).filter(are_free).ok_or_else(|| {
        D::Error::custom(format_args!(
            "a table such as {{ temperature = 0.2 }}, without {}",
            RESERVED_PARAMETERS.join(", ")
        ))
    })
}

/// Reads what differs by department.
pub(super) fn department_models<'de, D: Deserializer<'de>>(source: D) -> Result<Departments, D::Error> {
    departments(source).ok_or_else(|| {
        D::Error::custom(format_args!(
            "tables by department, each with any of model, system_prompt and parameters, these without {}",
            RESERVED_PARAMETERS.join(", ")
        ))
    })
}

fn departments<'de>(source: impl Deserializer<'de>) -> Option<Departments> {
    let tables: BTreeMap<String, DepartmentModel> = table(source)?;
    tables
        .into_iter()
        .map(|(name, model)| {
            let fits = model.parameters.as_ref().is_none_or(are_free)
                && model.model.as_ref().is_none_or(|name| !name.is_empty());
            fits.then_some((Department::new(&name).ok()?, model))
        })
        .collect()
}

/// A table, or the JSON of one.
fn table<'de, T: DeserializeOwned>(source: impl Deserializer<'de>) -> Option<T> {
    let mut value = Value::deserialize(source).ok()?;
    if let Value::String(json) = &value {
        value = serde_json::from_str(json).ok()?;
    }
    value.is_object().then(|| serde_json::from_value(value).ok())?
}

fn are_free(parameters: &Parameters) -> bool {
    RESERVED_PARAMETERS
        .iter()
        .all(|name| !parameters.contains_key(*name))
}
