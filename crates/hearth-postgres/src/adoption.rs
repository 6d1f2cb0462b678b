//! Whether the `chatbot_messages` that is there can be served: what it lacks is named, with what to do about it.

use std::fmt;

use hearth_domain::ports::StoreError;

use crate::queries::{ColumnRow, InspectMessages, RelationRow};
use crate::store::PostgresStore;

/// What the messages are kept in, and how well it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// Its name with its schema.
    pub name: String,
    /// What it is.
    pub relation: Relation,
    /// Whether a load finds its rows by an index.
    pub index: IndexState,
    /// Whether other programs' writes are noticed.
    pub foreign_writers: ForeignWriters,
    /// Whether its rows may be deleted, as an erasure does.
    pub erasable: bool,
}

/// What the messages are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The table that Hearth made.
    Hearths,
    /// A table that was there before.
    Table,
    /// A view, in front of a table of another shape.
    View,
}

/// Whether a load finds its rows by an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// There is an index on (department, user_id, session_id, id).
    Usable,
    /// There is none: each load reads the whole table. `hearth migrate --index` builds it without blocking writers.
    Missing,
    /// It cannot be seen through a view.
    NotInspected,
}

/// Whether other programs' writes are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignWriters {
    /// The table, or each that is behind the view, carries Hearth's trigger for all that can be written.
    Trigger,
    /// It does not: their rows are seen when a session is next loaded.
    NotCovered,
    /// No table is to be seen behind the view.
    NotInspected,
}

/// Why the messages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum AdoptionError {
    /// The database could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tables are not there.
    #[error("the tables are missing: run `hearth migrate`")]
    NotMigrated,
    /// The relation does not fit.
    #[error("{name} cannot be served: {}", Listed(.misfits))]
    Misfits {
        /// Its name with its schema.
        name: String,
        /// All that does not fit.
        misfits: Vec<Misfit>,
    },
}

/// One thing that does not fit, and the statement that mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What does not fit.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Adoption {
    /// What an operator should know, one sentence each; empty where all is well.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.index == IndexState::Missing {
            warnings.push(format!(
                "{} has no index on (department, user_id, session_id, id): every load reads the whole table; \
                 `hearth migrate --index` builds it without blocking writers",
                self.name
            ));
        }
        if !self.erasable {
            warnings.push(format!(
                "no row may be deleted from {}: erasures of sessions that have messages will fail",
                self.name
            ));
        }
        warnings
    }
}

impl PostgresStore {
    /// Inspects `chatbot_messages`, as `search_path` finds it. Takes no lock that a writer would wait for.
    ///
    /// # Errors
    ///
    /// [`AdoptionError`] where it cannot be served; what is merely slow or unnoticed is in the report.
    pub async fn adoption(&self) -> Result<Adoption, AdoptionError> {
        let found = self
            .pool
            .run_read(InspectMessages, self.load_timeout)
            .await
            .map_err(StoreError::from)?;
        let (relation, columns) = found.ok_or(AdoptionError::NotMigrated)?;
        if !relation.migrated {
            return Err(AdoptionError::NotMigrated);
        }
        judge(relation, &columns)
    }
}

fn judge(relation: RelationRow, columns: &[ColumnRow]) -> Result<Adoption, AdoptionError> {
    let is_table = matches!(relation.kind.as_str(), "r" | "p");
    let mut misfits = misfits_of_columns(&relation.name, columns);
    misfits.extend(misfits_of_privileges(&relation));
    if is_table {
        misfits.extend(misfits_of_inserts(&relation.name, columns));
        misfits.extend(misfit_of_sequence(&relation));
    }
    if !misfits.is_empty() {
        return Err(AdoptionError::Misfits {
            name: relation.name,
            misfits,
        });
    }
    Ok(Adoption {
        name: relation.name,
        relation: match (is_table, relation.made_by_hearth) {
            (true, true) => Relation::Hearths,
            (true, false) => Relation::Table,
            (false, _) => Relation::View,
        },
        index: match (is_table, relation.usable_index) {
            (true, true) => IndexState::Usable,
            (true, false) => IndexState::Missing,
            (false, _) => IndexState::NotInspected,
        },
        foreign_writers: match relation.trigger {
            Some(true) => ForeignWriters::Trigger,
            Some(false) => ForeignWriters::NotCovered,
            None => ForeignWriters::NotInspected,
        },
        erasable: relation.may_delete,
    })
}

/// A column that is served: its name, the types that it may have, and how it is added and changed.
struct Served {
    name: &'static str,
    types: &'static [&'static str],
    add: &'static str,
    change: &'static str,
}

const TEXT: &[&str] = &["text", "varchar"];

/// Types that become a bigint by themselves.
const NUMBERS: &[&str] = &["int2", "int4", "numeric"];

const SERVED: [Served; 8] = [
    Served {
        name: "id",
        types: &["int8"],
        add: "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        change: "bigint",
    },
    text("department"),
    text("user_id"),
    text("session_id"),
    text("role"),
    text("content"),
    Served {
        name: "created_at",
        types: &["timestamptz"],
        add: "timestamptz NOT NULL DEFAULT now()",
        change: "timestamptz USING created_at AT TIME ZONE 'UTC'",
    },
    Served {
        name: "metadata",
        types: &["jsonb"],
        add: "jsonb",
        change: "jsonb USING metadata::jsonb",
    },
];

const fn text(name: &'static str) -> Served {
    Served {
        name,
        types: TEXT,
        add: "text NOT NULL DEFAULT 'what rows that are there shall have'",
        change: "text",
    }
}

fn misfits_of_columns(table: &str, columns: &[ColumnRow]) -> Vec<Misfit> {
    let misfit = |served: &Served| {
        let name = served.name;
        let Some(column) = columns.iter().find(|column| column.name == name) else {
            return Some(Misfit {
                problem: format!("column {name} is missing"),
                remedy: format!("ALTER TABLE {table} ADD COLUMN {name} {}", served.add),
            });
        };
        if served.types.contains(&column.type_name.as_str()) {
            return None;
        }
        let has_no_cast = name == "id" && !NUMBERS.contains(&column.type_name.as_str());
        Some(Misfit {
            problem: format!("column {name} is of type {}", column.type_name),
            remedy: if has_no_cast {
                format!("give {table} an id of type bigint, or put a view in front of it: docs/ADOPTING.md")
            } else {
                format!("ALTER TABLE {table} ALTER COLUMN {name} TYPE {}", served.change)
            },
        })
    };
    SERVED.iter().filter_map(misfit).collect()
}

/// What a turn needs of the table, whichever kind of relation it is.
fn misfits_of_privileges(relation: &RelationRow) -> Vec<Misfit> {
    let RelationRow { name, role, .. } = relation;
    let lacking = |privilege: &str, on: &str| Misfit {
        problem: format!("{role} has no privilege {privilege} on {on}"),
        remedy: format!("GRANT {privilege} ON {on} TO {role}"),
    };
    let mut misfits = Vec::new();
    if !relation.may_select {
        misfits.push(lacking("SELECT", name));
    }
    if !relation.may_insert {
        misfits.push(lacking("INSERT", name));
    }
    if let Some(sequence) = relation.sequence.as_ref().filter(|_| !relation.may_draw) {
        misfits.push(lacking("USAGE", &format!("SEQUENCE {sequence}")));
    }
    misfits
}

/// Hearth inserts the columns that it knows, all but the id: the rest must have values without it. Of those that it inserts only the metadata
/// may be nothing, whatever its default.
fn misfits_of_inserts(table: &str, columns: &[ColumnRow]) -> Vec<Misfit> {
    let lacks_value = |column: &&ColumnRow| match SERVED.iter().find(|served| served.name == column.name) {
        Some(served) if served.name == "metadata" => column.not_null,
        Some(served) if served.name != "id" => false,
        Some(_) | None => column.not_null && !column.has_default,
    };
    let misfit = |column: &ColumnRow| {
        let name = &column.name;
        let remedy = if name == "id" {
            format!(
                "ALTER TABLE {table} ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY; \
                 SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
            )
        } else {
            format!("ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL")
        };
        let and = if name == "metadata" {
            "which most messages have none of"
        } else {
            "and has no default"
        };
        Misfit {
            problem: format!("column {name} is not null {and}, so that no turn could be committed"),
            remedy,
        }
    };
    columns.iter().filter(lacks_value).map(misfit).collect()
}

/// Ids within a conversation must grow in the order of commits. A backend that takes several numbers at once hands out older ones
/// later than others hand out newer ones.
fn misfit_of_sequence(relation: &RelationRow) -> Option<Misfit> {
    let name = relation.sequence.as_ref()?;
    if let Some(cache) = relation.sequence_cache.filter(|cache| *cache > 1) {
        return Some(Misfit {
            problem: format!(
                "sequence {name} has CACHE {cache}, so that ids would not be in the order of commits"
            ),
            remedy: format!("ALTER SEQUENCE {name} CACHE 1"),
        });
    }
    let increment = relation.sequence_increment.filter(|increment| *increment < 1)?;
    Some(Misfit {
        problem: format!("sequence {name} has INCREMENT {increment}, so that ids would not grow"),
        remedy: format!("ALTER SEQUENCE {name} INCREMENT 1"),
    })
}

struct Listed<'a>(&'a [Misfit]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, misfit) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}{} ({})", misfit.problem, misfit.remedy)?;
        }
        Ok(())
    }
}
