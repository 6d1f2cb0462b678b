//! `hearth keys`: makes, lists and revokes API keys.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use hearth_domain::ports::{Clock, KeyStore};
use hearth_domain::{ApiKey, Departments, KeyId, Scope};

use crate::auth::KeyText;

/// A key that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What people call it.
    pub label: String,
    /// Where it may be used.
    pub departments: Departments,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
}

/// Makes a key, and writes it to `out` on a line of its own: the one time that it is shown.
///
/// # Errors
///
/// What the store or `out` fails with. Where `out` fails the key is kept, and opens nothing that anybody knows of.
pub async fn create(
    store: &impl KeyStore,
    clock: &dyn Clock,
    new: NewKey,
    out: &mut impl Write,
) -> anyhow::Result<KeyId> {
    let text = KeyText::generate().context("failed to get randomness from the system")?;
    let id = text.key_id()?;
    let key = ApiKey {
        id: id.clone(),
        secret: text.hash(),
        label: new.label,
        departments: new.departments,
        scopes: new.scopes,
        created_at: clock.utc().trunc_subsecs(6),
        revoked_at: None,
    };
    store.create_key(&key).await.context("failed to keep the key")?;
    writeln!(out, "{}", text.reveal()).context("failed to write the key")?;
    Ok(id)
}

/// Writes one line a key, oldest first, with tabs between the fields and their names on the first line; secrets are not there to be shown.
///
/// # Errors
///
/// What the store or `out` fails with.
pub async fn list(store: &impl KeyStore, out: &mut impl Write) -> anyhow::Result<()> {
    let keys = store.list_keys().await.context("failed to list the keys")?;
    writeln!(out, "id\tcreated\trevoked\tscopes\tdepartments\tlabel")?;
    for key in keys {
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        let departments = match &key.departments {
            Departments::All => "(all)".to_owned(),
            Departments::Only(only) => {
                let names: Vec<&str> = only.iter().map(|department| department.as_str()).collect();
                names.join(",")
            }
        };
        writeln!(
            out,
            "{}\t{}\t{}\t{}\t{departments}\t{}",
            key.id,
            time(key.created_at),
            key.revoked_at.map_or_else(|| "-".to_owned(), time),
            scopes.join(","),
            key.label,
        )?;
    }
    Ok(())
}

/// Revokes a key; every running server refuses it within seconds.
///
/// # Errors
///
/// Where there is no such key, and what the store fails with.
pub async fn revoke(store: &impl KeyStore, id: &KeyId) -> anyhow::Result<()> {
    if store.revoke_key(id).await.context("failed to revoke the key")? {
        return Ok(());
    }
    bail!("there is no key {id}; `hearth keys list` shows those that there are")
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
