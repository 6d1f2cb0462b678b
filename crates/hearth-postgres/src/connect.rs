//! One connection: how it is opened, and how it is set up.

use std::time::Duration;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{ConfigError, PostgresConfig};
use crate::error::Fault;
use crate::tls;

/// How the connections name themselves in `pg_stat_activity`.
const APPLICATION_NAME: &str = "hearth";

/// How the connection of the change feed does.
const FEED_NAME: &str = "hearth-feed";

/// Silence after which the kernel asks whether the server is still there, and how often it asks until it gives up: a server whose
/// machine is gone is noticed within about ten seconds, by connections that nobody uses too.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVE_RETRIES: u32 = 3;

/// What a connection brings without being asked. Reading it is what drives the connection.
pub(crate) type Messages = BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>;

/// Opens connections of one configuration.
#[derive(Clone)]
pub(crate) struct Connector {
    driver: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
    setup: String,
}

impl Connector {
    /// Connections for short statements: each ends within the longer one of the two deadlines.
    pub(crate) fn for_statements(config: &PostgresConfig) -> Result<Self, ConfigError> {
        let statement_timeout = config.load_timeout.max(config.commit_timeout);
        // A turn that waits for a lock in vain with its batch, and then once more by itself, is told in time.
        Self::new(config, statement_timeout, config.commit_timeout / 3)
    }

    /// Connections for migrations, which may take their time; what holds a lock for so long is not going to let go.
    pub(crate) fn for_migrations(config: &PostgresConfig) -> Result<Self, ConfigError> {
        Self::new(config, Duration::ZERO, Duration::from_secs(60))
    }

    /// The connection that listens, which sets itself up.
    pub(crate) fn for_feed(config: &PostgresConfig) -> Result<Self, ConfigError> {
        let mut connector = Self::new(config, Duration::ZERO, Duration::ZERO)?;
        connector.driver.application_name(FEED_NAME);
        Ok(connector)
    }

    fn new(
        config: &PostgresConfig,
        statement_timeout: Duration,
        lock_timeout: Duration,
    ) -> Result<Self, ConfigError> {
        let address = config.parse()?;
        let tls = tls::connector(&address)?;
        let mut driver = address.driver;
        if driver.get_application_name().is_none() {
            driver.application_name(APPLICATION_NAME);
        }
        if driver.get_connect_timeout().is_none() {
            driver.connect_timeout(config.load_timeout);
        }
        driver
            .keepalives(true)
            .keepalives_idle(KEEPALIVE_IDLE)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES)
            .tcp_user_timeout(KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_RETRIES);
        Ok(Self {
            driver,
            tls,
            setup: setup(statement_timeout, lock_timeout),
        })
    }

    /// Opens a connection that nobody drives but the reader of its messages, and that is not set up.
    pub(crate) async fn open(&self) -> Result<(Client, Messages), Fault> {
        let opened = match &self.tls {
            Some(tls) => {
                let connecting = self.driver.connect(tls.clone());
                connecting
                    .await
                    .map(|(client, connection)| (client, messages(connection)))
            }
            None => {
                let connecting = self.driver.connect(NoTls);
                connecting
                    .await
                    .map(|(client, connection)| (client, messages(connection)))
            }
        };
        opened.map_err(|error| Fault::of_connecting(&error))
    }

    /// Opens a connection, driven by the current runtime.
    pub(crate) async fn connect(&self) -> Result<AsyncPgConnection, Fault> {
        let connected = match &self.tls {
            Some(tls) => match self.driver.connect(tls.clone()).await {
                Ok((client, connection)) => {
                    AsyncPgConnection::try_from_client_and_connection(client, connection).await
                }
                Err(error) => return Err(Fault::of_connecting(&error)),
            },
            None => match self.driver.connect(NoTls).await {
                Ok((client, connection)) => {
                    AsyncPgConnection::try_from_client_and_connection(client, connection).await
                }
                Err(error) => return Err(Fault::of_connecting(&error)),
            },
        };
        let mut connection = connected.map_err(|error| Fault::of_establishing(&error))?;
        connection
            .batch_execute(&self.setup)
            .await
            .map_err(|error| Fault::of_query(&error))?;
        Ok(connection)
    }
}

fn messages<S, T>(mut connection: Connection<S, T>) -> Messages
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    stream::poll_fn(move |context| connection.poll_message(context)).boxed()
}

/// A database or a role may have other defaults. Read committed is what the commit's statement is written for. A generic plan is made
/// once for each statement and connection; without the setting, arrays of few keys would be planned again at every call, since a
/// generic plan is costed for ten. Every statement walks an index, and a plan that was made while a table was small must not read
/// all of it once it has grown.
fn setup(statement_timeout: Duration, lock_timeout: Duration) -> String {
    format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
         SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; \
         SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off",
        statement_timeout.as_millis(),
        lock_timeout.as_millis(),
        statement_timeout.as_millis(),
    )
}
