//! An isolated database a test.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, anyhow};
use tokio_postgres::{Client, NoTls};

use super::{cluster, keeper};

/// What the names of templates begin with.
const TEMPLATE_PREFIX: &str = "hearth_template_";

/// The advisory lock under which templates are prepared.
const TEMPLATE_LOCK: i64 = 0x4865_6172_7468;

/// A database of the shared cluster that one test has for itself. Dropping it drops the database, whoever is still connected.
#[derive(Debug)]
pub struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// An empty database.
    ///
    /// # Errors
    ///
    /// Where the shared cluster cannot be started or reached.
    pub async fn empty() -> Result<Self> {
        Self::create("template0").await
    }

    /// A copy of a template, which `prepare` fills the first time that anybody asks for it: once, however many tests and processes ask
    /// at the same time. `prepare` gets the URL of the template's database.
    ///
    /// On a cluster that outlives the run the template does too, so that `name` must change with what `prepare` does: let it contain
    /// a hash of the migrations.
    ///
    /// # Errors
    ///
    /// Where the shared cluster cannot be started or reached, or `prepare` fails.
    pub async fn from_template(name: &str, prepare: impl AsyncFnOnce(String) -> Result<()>) -> Result<Self> {
        let template = format!("{TEMPLATE_PREFIX}{name}");
        let server = cluster::shared_url()?;
        let client = connect(&server).await?;
        client
            .execute("SELECT pg_advisory_lock($1)", &[&TEMPLATE_LOCK])
            .await?;
        let prepared = prepare_once(&client, &server, &template, prepare).await;
        client
            .execute("SELECT pg_advisory_unlock($1)", &[&TEMPLATE_LOCK])
            .await?;
        prepared.with_context(|| format!("failed to prepare the template {template}"))?;
        Self::create(&template).await
    }

    async fn create(template: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = cluster::shared_url()?;
        let run = keeper::run(&server)?;
        let name = format!("{}{run}_{}", keeper::PREFIX, NEXT.fetch_add(1, Ordering::Relaxed));
        connect(&server)
            .await?
            .batch_execute(&format!(
                "CREATE DATABASE {} TEMPLATE {}",
                quoted(&name),
                quoted(template)
            ))
            .await
            .with_context(|| format!("failed to create a database from {template}"))?;
        Ok(Self { server, name })
    }

    /// The superuser's URL of this database.
    #[must_use]
    pub fn url(&self) -> String {
        url_of(&self.server, &self.name)
    }

    /// The name of this database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A plain connection to this database.
    ///
    /// # Errors
    ///
    /// Where it cannot be reached.
    pub async fn client(&self) -> Result<Client> {
        connect(&self.url()).await
    }
}

impl Drop for TestDatabase {
    /// Works in any context, a test that panics included: the work is done by a thread with a runtime of its own.
    fn drop(&mut self) {
        let server = self.server.clone();
        let drop_database = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&self.name));
        let dropping = std::thread::spawn(move || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async { Ok(connect(&server).await?.batch_execute(&drop_database).await?) })
        });
        // What cannot be dropped now is swept by a later run: a panic here would hide the test's own.
        drop(dropping.join());
    }
}

/// A plain connection, driven by the current runtime until the client is dropped.
///
/// # Errors
///
/// Where the server cannot be reached.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("failed to connect to PostgreSQL")?;
    tokio::runtime::Handle::current().spawn(async move { drop(connection.await) });
    Ok(client)
}

/// The mark of a template that is whole is `IS_TEMPLATE`: one that was left half-way is made again.
async fn prepare_once(
    client: &Client,
    server: &str,
    template: &str,
    prepare: impl AsyncFnOnce(String) -> Result<()>,
) -> Result<()> {
    let found = client
        .query_opt(
            "SELECT datistemplate FROM pg_database WHERE datname = $1",
            &[&template],
        )
        .await?;
    if found.is_some_and(|row| row.get(0)) {
        return Ok(());
    }
    let quoted = quoted(template);
    client
        .batch_execute(&format!("DROP DATABASE IF EXISTS {quoted} WITH (FORCE)"))
        .await?;
    client
        .batch_execute(&format!("CREATE DATABASE {quoted} TEMPLATE template0"))
        .await?;
    prepare(url_of(server, template)).await?;
    // A database with connections cannot be copied: nobody may come back to it.
    client
        .batch_execute(&format!("ALTER DATABASE {quoted} ALLOW_CONNECTIONS false"))
        .await?;
    client
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
            &[&template],
        )
        .await?;
    client
        .batch_execute(&format!("ALTER DATABASE {quoted} IS_TEMPLATE true"))
        .await
        .map_err(|error| anyhow!(error))
}

/// The URL of another database of the same server.
fn url_of(server: &str, database: &str) -> String {
    let (address, parameters) = server.split_once('?').unwrap_or((server, ""));
    let authority = address.find("://").map_or(0, |scheme| scheme + 3);
    let end = address
        .get(authority..)
        .and_then(|rest| rest.find('/'))
        .map_or(address.len(), |slash| authority + slash);
    let separator = if parameters.is_empty() { "" } else { "?" };
    format!(
        "{}/{database}{separator}{parameters}",
        address.get(..end).unwrap_or(address)
    )
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_other_databases_keep_the_rest() {
        let check = |server: &str, expected: &str| assert_eq!(url_of(server, "x"), expected);
        check("postgres://u:p@h:1/postgres", "postgres://u:p@h:1/x");
        check("postgres://u@h", "postgres://u@h/x");
        check(
            "postgres://u@h/a?sslmode=disable",
            "postgres://u@h/x?sslmode=disable",
        );
    }
}
