//! Statements of a fixed text, each of a type of its own, so that a connection prepares it once and then finds it by that type. Diesel
//! caches neither `sql_query` nor `on conflict do update` otherwise.

use diesel::query_builder::AstPass;
use diesel::result::QueryResult;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::Sqlite;

/// The Rust type that a statement takes for a parameter of an SQL type.
pub(crate) trait Parameter {
    type Value<'a>;
}

impl Parameter for BigInt {
    type Value<'a> = i64;
}

impl Parameter for Text {
    type Value<'a> = &'a str;
}

impl Parameter for Binary {
    type Value<'a> = &'a [u8];
}

impl Parameter for Nullable<Text> {
    type Value<'a> = Option<&'a str>;
}

impl Parameter for Nullable<BigInt> {
    type Value<'a> = Option<i64>;
}

/// The pieces of a statement's text around its question marks.
pub(crate) struct Pieces(std::str::Split<'static, char>);

impl Pieces {
    pub(crate) fn of(text: &'static str) -> Self {
        Self(text.split('?'))
    }

    /// Writes the text up to the next parameter, or to the end.
    pub(crate) fn write_next(&mut self, out: &mut AstPass<'_, '_, Sqlite>) -> QueryResult<()> {
        if let Some(piece) = self.0.next() {
            out.push_sql(piece);
        }
        Ok(())
    }
}

/// `Name { parameters } -> (columns), "text"`: the parameters take the text's question marks in their order.
macro_rules! statement {
    (
        $(#[$doc:meta])*
        $name:ident { $($parameter:ident: $type:ty),* $(,)? } -> ($($column:ty),* $(,)?), $text:literal
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name<'a> {
            $(pub(crate) $parameter: <$type as $crate::statement::Parameter>::Value<'a>,)*
        }

        impl $name<'_> {
            pub(crate) const TEXT: &'static str = $text;
        }

        impl diesel::query_builder::QueryFragment<diesel::sqlite::Sqlite> for $name<'_> {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
            ) -> diesel::QueryResult<()> {
                let mut pieces = $crate::statement::Pieces::of(Self::TEXT);
                $(
                    pieces.write_next(&mut out)?;
                    out.push_bind_param::<$type, _>(&self.$parameter)?;
                )*
                pieces.write_next(&mut out)
            }
        }

        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::query_builder::Query for $name<'_> {
            type SqlType = ($($column,)*);
        }

        impl diesel::RunQueryDsl<diesel::SqliteConnection> for $name<'_> {}
    };
}

pub(crate) use statement;
