//! API keys.

use diesel::{OptionalExtension, RunQueryDsl, SqliteConnection};
use hearth_domain::limits::API_KEYS_LISTED_MAX;
use hearth_domain::ports::{Clock, SystemClock};
use hearth_domain::{ApiKey, Department, Departments, KeyId, Scope, SecretHash};

use crate::error::Fault;
use crate::queries::keys;
use crate::rows::{read_time, stored_time};

/// A row: id, hash, label, departments, scopes, creation, revocation.
type Row = (String, Vec<u8>, String, Option<String>, String, i64, Option<i64>);

/// Keeps a key; `false` where its id is taken.
pub(crate) fn create(connection: &mut SqliteConnection, key: &ApiKey) -> Result<bool, Fault> {
    let departments = match &key.departments {
        Departments::All => None,
        Departments::Only(departments) => Some(stored_words(departments.iter().map(Department::as_str))),
    };
    let row = keys::Insert {
        id: key.id.as_str(),
        secret_hash: &key.secret.0,
        label: &key.label,
        departments: departments.as_deref(),
        scopes: &stored_words(key.scopes.iter().map(|scope| scope.as_str())),
        created_at_us: stored_time(key.created_at),
        revoked_at_us: key.revoked_at.map(stored_time),
    };
    Ok(row.execute(connection)? > 0)
}

/// The key of an id.
pub(crate) fn find(connection: &mut SqliteConnection, id: &KeyId) -> Result<Option<ApiKey>, Fault> {
    let row = keys::Find { id: id.as_str() }.get_result::<Row>(connection);
    row.optional()?.map(read).transpose()
}

/// The oldest keys, oldest first.
pub(crate) fn list(connection: &mut SqliteConnection) -> Result<Vec<ApiKey>, Fault> {
    let list = keys::List {
        limit: i64::from(API_KEYS_LISTED_MAX),
    };
    list.load::<Row>(connection)?.into_iter().map(read).collect()
}

/// Notes that a key is revoked; `false` where there is none of this id.
pub(crate) fn revoke(connection: &mut SqliteConnection, id: &KeyId) -> Result<bool, Fault> {
    let revoke = keys::Revoke {
        revoked_at_us: stored_time(SystemClock::default().utc()),
        id: id.as_str(),
    };
    Ok(revoke.execute(connection)? > 0)
}

fn stored_words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    serde_json::Value::from_iter(words).to_string()
}

fn read(
    (id, secret_hash, label, departments, scopes, created_at_us, revoked_at_us): Row,
) -> Result<ApiKey, Fault> {
    let unusable = |column| move || Fault::Key { column };
    let time = |micros, column| read_time(micros).ok_or_else(unusable(column));
    Ok(ApiKey {
        id: KeyId::new(&id).ok().ok_or_else(unusable("id"))?,
        secret: SecretHash(secret_hash.try_into().ok().ok_or_else(unusable("secret_hash"))?),
        label,
        departments: match departments {
            None => Departments::All,
            Some(names) => {
                let names = read_words(&names, |name| Department::new(name).ok());
                Departments::Only(names.ok_or_else(unusable("departments"))?)
            }
        },
        scopes: read_words::<Scope, _>(&scopes, |word| word.parse().ok()).ok_or_else(unusable("scopes"))?,
        created_at: time(created_at_us, "created_at_us")?,
        revoked_at: revoked_at_us
            .map(|micros| time(micros, "revoked_at_us"))
            .transpose()?,
    })
}

/// Nothing where one of the words is not what it should be: a key that is misread must not open anything.
fn read_words<T, C: FromIterator<T>>(stored: &str, read: impl Fn(&str) -> Option<T>) -> Option<C> {
    let words: Vec<String> = serde_json::from_str(stored).ok()?;
    words.iter().map(|word| read(word)).collect()
}
