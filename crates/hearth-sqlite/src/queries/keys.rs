//! Statements on `hearth_keys`.

use diesel::sql_types::{BigInt, Binary, Nullable, Text};

use crate::statement::statement;

statement! {
    /// Adds a key, unless its id is taken.
    Insert {
        id: Text, secret_hash: Binary, label: Text, departments: Nullable<Text>, scopes: Text, created_at_us: BigInt,
        revoked_at_us: Nullable<BigInt>,
    }
    -> (),
    "insert into hearth_keys (id, secret_hash, label, departments, scopes, created_at_us, revoked_at_us)
     values (?, ?, ?, ?, ?, ?, ?)
     on conflict (id) do nothing"
}

statement! {
    /// One key.
    Find { id: Text } -> (Text, Binary, Text, Nullable<Text>, Text, BigInt, Nullable<BigInt>),
    "select id, secret_hash, label, departments, scopes, created_at_us, revoked_at_us from hearth_keys where id = ?"
}

statement! {
    /// The oldest keys, oldest first.
    List { limit: BigInt } -> (Text, Binary, Text, Nullable<Text>, Text, BigInt, Nullable<BigInt>),
    "select id, secret_hash, label, departments, scopes, created_at_us, revoked_at_us from hearth_keys
     order by created_at_us, id limit ?"
}

statement! {
    /// Notes that a key is revoked, unless that is noted.
    Revoke { revoked_at_us: BigInt, id: Text } -> (),
    "update hearth_keys set revoked_at_us = coalesce(revoked_at_us, ?) where id = ?"
}
