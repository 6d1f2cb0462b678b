//! `hearth migrate`: brings the store's tables up to date, and stops.

use anyhow::{Context, ensure};
use hearth_postgres::{PostgresConfig, TriggerAdded};

use crate::cli::MigrateArgs;
use crate::open_store::{postgres_config, sqlite_config};
use crate::settings::{self, StoreUrl};

/// Brings the tables up to date, and does what else is wanted. Where the trigger is to go, nothing else is done: the tables may be
/// gone already.
///
/// # Errors
///
/// The store's; or the trigger is wanted of a store that no other program can write to.
pub async fn run(settings: &settings::Store, wanted: MigrateArgs) -> anyhow::Result<()> {
    match &settings.url {
        StoreUrl::Sqlite(path) => {
            ensure!(
                !wanted.with_trigger && !wanted.without_trigger,
                "the embedded store has no trigger: its server is to be the only one that writes to it"
            );
            let config = sqlite_config(settings, path);
            let applied = tokio::task::spawn_blocking(move || hearth_sqlite::migrate::up(&config))
                .await?
                .context("failed to migrate")?;
            tracing::info!(?applied, "the tables are up to date");
            Ok(())
        }
        StoreUrl::Postgres(url) => migrate_postgres(&postgres_config(settings, url), wanted).await,
    }
}

async fn migrate_postgres(config: &PostgresConfig, wanted: MigrateArgs) -> anyhow::Result<()> {
    use hearth_postgres::migrate;

    if wanted.without_trigger {
        let was_there = migrate::remove_trigger(config)
            .await
            .context("failed to remove the trigger")?;
        tracing::info!(was_there, "the trigger is gone");
        return Ok(());
    }
    let applied = migrate::run(config).await.context("failed to migrate")?;
    tracing::info!(?applied, "the tables are up to date");
    if wanted.index {
        migrate::build_index(config)
            .await
            .context("failed to build the index")?;
        tracing::info!("the index is there");
    }
    if wanted.with_trigger {
        let added = migrate::add_trigger(config)
            .await
            .context("failed to add the trigger")?;
        match added {
            TriggerAdded::Added => tracing::info!("the trigger is there"),
            TriggerAdded::WasThere => tracing::info!("the trigger was there already"),
            TriggerAdded::FunctionOnly => tracing::warn!(
                "chatbot_messages is a view: put the trigger on the table behind it, as docs/ADOPTING.md says"
            ),
        }
    }
    Ok(())
}
