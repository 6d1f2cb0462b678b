//! Who makes a request, and what of it is left to check when the body is there.

use std::sync::Arc;

use hearth_domain::{Department, Departments, Scope};
use serde_json::{Map, Value};

use super::access::Named;
use super::known_key::KnownKey;
use crate::error::{Code, Problem};

/// Who makes a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Somebody in open mode, who may do everything.
    Anyone,
    /// The holder of a key.
    Holder(Arc<KnownKey>),
}

impl Caller {
    /// Whether the caller may see what operators see.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.has(Scope::Admin)
    }

    /// Whether the caller may do this.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        match self {
            Self::Anyone => true,
            Self::Holder(key) => key.has(scope),
        }
    }

    /// Whether the caller may name this department.
    #[must_use]
    pub fn may_name(&self, department: &Department) -> bool {
        match self {
            Self::Anyone => true,
            Self::Holder(key) => key.opens(department),
        }
    }

    /// Refuses a department that the caller may not name.
    ///
    /// # Errors
    ///
    /// [`Code::ForbiddenDepartment`], in the same words whatever is there.
    pub fn check(&self, department: &Department) -> Result<(), Problem> {
        if self.may_name(department) {
            return Ok(());
        }
        Err(Problem::new(
            Code::ForbiddenDepartment,
            "the API key is not for this department",
        ))
    }

    /// Refuses what concerns all departments together.
    fn check_all(&self) -> Result<(), Problem> {
        match self {
            Self::Anyone => Ok(()),
            Self::Holder(key) => match key.departments() {
                Departments::All => Ok(()),
                Departments::Only(_) => Err(Problem::new(
                    Code::ForbiddenDepartment,
                    "the most recent sessions may be of any department, and the API key is not for all: name the sessions",
                )),
            },
        }
    }
}

/// A caller who was let in, as the request carries it to where the body is read.
#[derive(Debug, Clone)]
pub struct Pass {
    /// Who it is.
    pub caller: Caller,
    /// Where the request names departments.
    pub named: Named,
}

impl Pass {
    /// Checks every department that a body names. One that is missing or malformed is for the reader of the fields to refuse.
    ///
    /// # Errors
    ///
    /// [`Code::ForbiddenDepartment`].
    pub fn check_body(&self, members: &Map<String, Value>) -> Result<(), Problem> {
        match self.named {
            Named::Nowhere | Named::InQuery => Ok(()),
            Named::InBody => self.check_member(members),
            Named::InSessions => {
                if members.get("recent").is_some_and(|recent| !recent.is_null()) {
                    self.caller.check_all()?;
                }
                let sessions = members.get("sessions").and_then(Value::as_array);
                let mut sessions = sessions.into_iter().flatten().filter_map(Value::as_object);
                sessions.try_for_each(|session| self.check_member(session))
            }
        }
    }

    fn check_member(&self, members: &Map<String, Value>) -> Result<(), Problem> {
        let department = members.get("department").and_then(Value::as_str);
        match department.map(Department::new) {
            Some(Ok(department)) => self.caller.check(&department),
            Some(Err(_)) | None => Ok(()),
        }
    }
}
