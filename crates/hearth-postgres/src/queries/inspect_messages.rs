//! What `chatbot_messages` is like, as the catalogs know it. Reading them takes no lock on the table that anybody would wait for.

use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{OptionalExtension, QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::trigger::COVERED;

/// Whether there is an index that a load can walk: on the key and then the id, of all rows, and whole.
pub(crate) const USABLE_INDEX: &str = "EXISTS ( \
    SELECT FROM pg_index i \
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam AND a.amname = 'btree' \
    WHERE i.indrelid = to_regclass('chatbot_messages') AND i.indisvalid AND i.indpred IS NULL \
      AND (SELECT array_agg(k.attname::text ORDER BY n.place) \
           FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS n (number, place) \
           JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = n.number \
           WHERE n.place <= 4) = ARRAY['department', 'user_id', 'session_id', 'id'])";

/// Brings what the catalogs say of `chatbot_messages`; nothing where there is none.
pub(crate) struct InspectMessages;

/// What it is like as a whole.
#[derive(QueryableByName)]
pub(crate) struct RelationRow {
    /// Its name with its schema.
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
    /// The letter that `pg_class` has for its kind.
    #[diesel(sql_type = Text)]
    pub(crate) kind: String,
    #[diesel(sql_type = Bool)]
    pub(crate) made_by_hearth: bool,
    #[diesel(sql_type = Bool)]
    pub(crate) usable_index: bool,
    /// The sequence behind the id, the numbers that a backend takes from it at once, and the step between them.
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) sequence: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) sequence_cache: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) sequence_increment: Option<i64>,
    /// Whether other programs' writes are told of; none where what is behind a view cannot be seen.
    #[diesel(sql_type = Nullable<Bool>)]
    pub(crate) trigger: Option<bool>,
    /// Whether this role may read it, insert into it, delete from it, and draw its ids.
    #[diesel(sql_type = Bool)]
    pub(crate) may_select: bool,
    #[diesel(sql_type = Bool)]
    pub(crate) may_insert: bool,
    #[diesel(sql_type = Bool)]
    pub(crate) may_delete: bool,
    #[diesel(sql_type = Bool)]
    pub(crate) may_draw: bool,
    /// The role, as a statement names it.
    #[diesel(sql_type = Text)]
    pub(crate) role: String,
    /// Whether Hearth's own tables are there.
    #[diesel(sql_type = Bool)]
    pub(crate) migrated: bool,
}

/// One column.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct ColumnRow {
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
    /// The type's name as PostgreSQL itself calls it, `int8` rather than `bigint`.
    #[diesel(sql_type = Text)]
    pub(crate) type_name: String,
    #[diesel(sql_type = Bool)]
    pub(crate) not_null: bool,
    /// Whether an insert that does not mention it gives it a value.
    #[diesel(sql_type = Bool)]
    pub(crate) has_default: bool,
}

impl Intent for InspectMessages {
    type Answer = Option<(RelationRow, Vec<ColumnRow>)>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Self::Answer> {
        let relation: Option<RelationRow> = diesel::sql_query(format!(
            "SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind::text AS kind, \
                    coalesce(obj_description(c.oid, 'pg_class') = 'made by Hearth', false) AS made_by_hearth, \
                    {USABLE_INDEX} AS usable_index, \
                    s.name AS sequence, s.cache AS sequence_cache, s.increment AS sequence_increment, \
                    ({COVERED}) AS trigger, \
                    has_any_column_privilege(c.oid, 'SELECT') AS may_select, \
                    has_any_column_privilege(c.oid, 'INSERT') AS may_insert, \
                    has_table_privilege(c.oid, 'DELETE') AS may_delete, \
                    s.may_draw, quote_ident(current_user) AS role, \
                    to_regclass('chatbot_sessions') IS NOT NULL AS migrated \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             CROSS JOIN ({SEQUENCE}) s \
             WHERE c.oid = to_regclass('chatbot_messages')"
        ))
        .get_result(connection)
        .await
        .optional()?;
        let Some(relation) = relation else {
            return Ok(None);
        };
        let columns = diesel::sql_query(
            "SELECT a.attname::text AS name, t.typname::text AS type_name, a.attnotnull AS not_null, \
                    (a.atthasdef OR a.attidentity <> '') AS has_default \
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
             WHERE a.attrelid = to_regclass('chatbot_messages') AND a.attnum > 0 AND NOT a.attisdropped \
             ORDER BY a.attnum",
        )
        .load(connection)
        .await?;
        Ok(Some((relation, columns)))
    }
}

/// The sequences behind the id: the one that it owns (identity, serial), or one that its default names.
const SEQUENCE: &str = "SELECT min(q.seqrelid::regclass::text) AS name, max(q.seqcache) AS cache, min(q.seqincrement) AS increment, \
           coalesce(bool_and(id.attidentity <> '' OR has_sequence_privilege(q.seqrelid, 'USAGE, UPDATE')), true) AS may_draw \
    FROM pg_attribute id \
    LEFT JOIN pg_attrdef f ON f.adrelid = id.attrelid AND f.adnum = id.attnum \
    JOIN pg_depend d ON (d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass \
                         AND d.refobjid = id.attrelid AND d.refobjsubid = id.attnum) \
                     OR (d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid \
                         AND d.refclassid = 'pg_class'::regclass) \
    JOIN pg_sequence q ON q.seqrelid IN (d.objid, d.refobjid) \
    WHERE id.attrelid = to_regclass('chatbot_messages') AND id.attname = 'id'";
