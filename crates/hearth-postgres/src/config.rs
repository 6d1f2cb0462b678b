//! How PostgreSQL is reached: a URL as libpq takes it, and the deadlines.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use crate::notice::ReplicaId;

/// Connections that a pool has unless configured otherwise.
const POOL_SIZE_DEFAULT: usize = 8;

/// The deadline of a load unless configured otherwise.
const LOAD_TIMEOUT_DEFAULT: Duration = Duration::from_millis(2_000);

/// The deadline of a commit unless configured otherwise.
const COMMIT_TIMEOUT_DEFAULT: Duration = Duration::from_millis(5_000);

/// Turns that wait for their commit, at most, unless configured otherwise.
const COMMIT_QUEUE_DEFAULT: usize = 8_192;

/// Where PostgreSQL is and how long it is waited for. Its `Debug` shows no part of the URL.
#[derive(Clone)]
pub struct PostgresConfig {
    /// `postgres://user:password@host:port/database`, with the parameters of [`tokio_postgres::Config`], and of libpq `sslrootcert` and
    /// all of `sslmode`:
    ///
    /// | `sslmode` | encrypted | verified |
    /// |---|---|---|
    /// | `disable` | no | |
    /// | `prefer`, the default | where the server offers it | no |
    /// | `require`, `verify-full` | always | the certificate's chain and the host's name |
    /// | `verify-ca` | always | the certificate's chain |
    ///
    /// The chain must end in the file that `sslrootcert` names, else in what the platform trusts.
    pub url: SecretString,
    /// Connections, at most.
    pub pool_size: usize,
    /// The deadline of whatever reads, waiting for a connection included.
    pub load_timeout: Duration,
    /// The deadline of whatever writes, waiting for a connection included.
    pub commit_timeout: Duration,
    /// Turns without an outcome yet, at most: past it further ones are refused at once.
    pub commit_queue: usize,
    /// The name under which this process tells others of what it commits, ends and erases. None tells nobody: where no other process
    /// keeps histories of this database in memory.
    pub notify: Option<ReplicaId>,
}

impl PostgresConfig {
    /// The configuration of a URL, all else as Hearth has it by default: 8 connections, 2 s for a load, 5 s for a commit, 8,192 turns
    /// that wait for theirs, and nobody told.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            pool_size: POOL_SIZE_DEFAULT,
            load_timeout: LOAD_TIMEOUT_DEFAULT,
            commit_timeout: COMMIT_TIMEOUT_DEFAULT,
            commit_queue: COMMIT_QUEUE_DEFAULT,
            notify: None,
        }
    }

    pub(crate) fn parse(&self) -> Result<Address, ConfigError> {
        Address::parse(self.url.expose_secret())
    }
}

impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("pool_size", &self.pool_size)
            .field("load_timeout", &self.load_timeout)
            .field("commit_timeout", &self.commit_timeout)
            .field("commit_queue", &self.commit_queue)
            .field("notify", &self.notify)
            .finish_non_exhaustive()
    }
}

/// Why a configuration was refused. No text of it has any part of the URL but a parameter's name.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is a URL of something else, or none.
    #[error("the URL must begin with postgres:// or postgresql://")]
    Scheme,
    /// A parameter or the address is not understood.
    #[error("the URL is not understood: {0}")]
    Url(#[source] tokio_postgres::Error),
    /// An unknown `sslmode`.
    #[error("sslmode must be one of disable, prefer, require, verify-ca, verify-full")]
    SslMode,
    /// The certificates that servers are checked against cannot be read or used.
    #[error("failed to read certificates of authorities: {0}")]
    Certificates(String),
    /// The pool would have no connection.
    #[error("the pool must have at least one connection")]
    PoolSize,
    /// The queue would have no place, or more than can be counted.
    #[error("the commit queue must have at least one place, and no more than memory has")]
    CommitQueue,
}

/// How the connection is encrypted, and what is verified then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SslMode {
    Disable,
    Prefer,
    VerifyCa,
    VerifyFull,
}

/// A URL taken apart: what the driver understands, and what it does not.
pub(crate) struct Address {
    pub(crate) driver: tokio_postgres::Config,
    pub(crate) ssl_mode: SslMode,
    pub(crate) ssl_root_certificate: Option<PathBuf>,
}

impl Address {
    fn parse(url: &str) -> Result<Self, ConfigError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(ConfigError::Scheme);
        }
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let mut ssl_mode = SslMode::Prefer;
        let mut ssl_root_certificate = None;
        let mut for_driver = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => ssl_mode = parse_ssl_mode(value)?,
                Some(("sslrootcert", value)) => {
                    let path = percent_decode_str(value).decode_utf8_lossy();
                    ssl_root_certificate = Some(PathBuf::from(path.as_ref()));
                }
                _ => for_driver.push(parameter),
            }
        }
        let mut driver: tokio_postgres::Config = format!("{address}?{}", for_driver.join("&"))
            .parse()
            .map_err(ConfigError::Url)?;
        driver.ssl_mode(match ssl_mode {
            SslMode::Disable => tokio_postgres::config::SslMode::Disable,
            SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
            SslMode::VerifyCa | SslMode::VerifyFull => tokio_postgres::config::SslMode::Require,
        });
        Ok(Self {
            driver,
            ssl_mode,
            ssl_root_certificate,
        })
    }
}

fn parse_ssl_mode(word: &str) -> Result<SslMode, ConfigError> {
    match word {
        "disable" => Ok(SslMode::Disable),
        "prefer" => Ok(SslMode::Prefer),
        "verify-ca" => Ok(SslMode::VerifyCa),
        "require" | "verify-full" => Ok(SslMode::VerifyFull),
        _ => Err(ConfigError::SslMode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, ConfigError> {
        PostgresConfig::new(url).parse()
    }

    #[test]
    fn urls_are_taken_apart() {
        let check = |url: &str, mode: SslMode, root: Option<&str>| {
            let address = parse(url).unwrap();
            assert_eq!(address.ssl_mode, mode, "{url}");
            assert_eq!(address.ssl_root_certificate, root.map(PathBuf::from), "{url}");
            assert_eq!(address.driver.get_user(), Some("u"), "{url}");
        };
        check("postgres://u:p@h/d", SslMode::Prefer, None);
        check("postgresql://u@h/d?sslmode=disable", SslMode::Disable, None);
        check(
            "postgres://u@h/d?connect_timeout=3&sslmode=require",
            SslMode::VerifyFull,
            None,
        );
        check(
            "postgres://u@h/d?sslmode=verify-ca&sslrootcert=/a%20b/ca.pem",
            SslMode::VerifyCa,
            Some("/a b/ca.pem"),
        );
    }

    #[test]
    fn other_urls_are_refused() {
        assert!(matches!(parse("mysql://h/d"), Err(ConfigError::Scheme)));
        assert!(matches!(
            parse("postgres://h/d?sslmode=maybe"),
            Err(ConfigError::SslMode)
        ));
        assert!(matches!(
            parse("postgres://h/d?no_such_parameter=1"),
            Err(ConfigError::Url(_))
        ));
    }

    #[test]
    fn nothing_of_the_url_is_shown() {
        let config = PostgresConfig::new("postgres://somebody:secret@somewhere:x/d");
        let error = config.parse().err().unwrap();
        for text in [format!("{config:?}"), format!("{error:?}"), error.to_string()] {
            assert!(!text.contains("secret") && !text.contains("some"), "{text}");
        }
    }
}
