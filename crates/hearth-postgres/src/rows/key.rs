//! Rows of `hearth_keys`.

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound, Utc};
use diesel::Queryable;
use hearth_domain::{ApiKey, Department, Departments, KeyId, SecretHash};

use crate::error::Fault;

/// An API key, column by column.
#[derive(Queryable)]
pub(crate) struct KeyColumnsRow {
    pub(crate) id: String,
    pub(crate) secret_hash: Vec<u8>,
    pub(crate) label: String,
    /// None for all of them.
    pub(crate) departments: Option<Vec<String>>,
    pub(crate) scopes: Vec<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) revoked_at: Option<DateTime<Utc>>,
}

impl KeyColumnsRow {
    /// Times are cut to the microsecond here: what the driver does with parts of one depends on the century.
    pub(crate) fn of(key: &ApiKey) -> Self {
        let departments = match &key.departments {
            Departments::All => None,
            Departments::Only(departments) => Some(departments),
        };
        let names = |departments: &BTreeSet<Department>| {
            let names = departments.iter().map(|name| name.as_str().to_owned());
            names.collect()
        };
        Self {
            id: key.id.as_str().to_owned(),
            secret_hash: key.secret.0.to_vec(),
            label: key.label.clone(),
            departments: departments.map(names),
            scopes: key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            created_at: key.created_at.trunc_subsecs(6),
            revoked_at: key.revoked_at.map(|time| time.trunc_subsecs(6)),
        }
    }
}

impl TryFrom<KeyColumnsRow> for ApiKey {
    type Error = Fault;

    /// Says which column is not understood, and nothing of what is in it.
    fn try_from(row: KeyColumnsRow) -> Result<Self, Fault> {
        let broken =
            |column: &str| Fault::failed(format!("the {column} of a row of hearth_keys is not valid"));
        let departments = match row.departments {
            None => Departments::All,
            Some(names) => {
                let names: Result<_, _> = names.iter().map(Department::new).collect();
                Departments::Only(names.map_err(|_| broken("departments"))?)
            }
        };
        let scopes: Result<_, _> = row.scopes.iter().map(|word| word.parse()).collect();
        Ok(Self {
            id: KeyId::new(&row.id).map_err(|_| broken("id"))?,
            secret: SecretHash(row.secret_hash.try_into().map_err(|_| broken("secret_hash"))?),
            label: row.label,
            departments,
            scopes: scopes.map_err(|_| broken("scopes"))?,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        })
    }
}
