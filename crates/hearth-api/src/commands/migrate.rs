//! `hearth migrate`: brings the store's tables up to date, and stops.

use anyhow::Context;

use crate::open_store::{postgres_config, sqlite_config};
use crate::settings::{self, StoreUrl};

/// Brings the tables up to date; with `index`, also builds the index that an adopted table lacks, without blocking its writers.
///
/// # Errors
///
/// The store's.
pub async fn run(settings: &settings::Store, index: bool) -> anyhow::Result<()> {
    match &settings.url {
        StoreUrl::Sqlite(path) => {
            let config = sqlite_config(settings, path);
            let applied = tokio::task::spawn_blocking(move || hearth_sqlite::migrate::up(&config))
                .await?
                .context("failed to migrate")?;
            tracing::info!(?applied, "the tables are up to date");
        }
        StoreUrl::Postgres(url) => {
            let config = postgres_config(settings, url);
            let applied = hearth_postgres::migrate::run(&config)
                .await
                .context("failed to migrate")?;
            tracing::info!(?applied, "the tables are up to date");
            if index {
                hearth_postgres::migrate::build_index(&config)
                    .await
                    .context("failed to build the index")?;
                tracing::info!("the index is there");
            }
        }
    }
    Ok(())
}
