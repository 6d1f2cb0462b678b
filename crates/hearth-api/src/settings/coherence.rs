//! `[coherence]`: how memory keeps up with what other processes write to the store.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::store_url::StoreUrl;
use super::value::{Text, milliseconds, text};

/// How memory keeps up with other processes. Nothing of it matters to the embedded store, which has one process.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coherence {
    /// Whether changes are told and listened to.
    #[serde(deserialize_with = "text")]
    pub mode: CoherenceMode,
    /// Where to listen, if not at the store's URL.
    #[serde(deserialize_with = "text")]
    pub url: Option<ListenUrl>,
    /// Silence for longer than this makes everything in memory suspect.
    #[serde(
        rename = "max_staleness_ms",
        deserialize_with = "milliseconds::<100, 60_000, _>"
    )]
    pub max_staleness: Duration,
}

/// Whether replicas tell each other of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoherenceMode {
    /// Through PostgreSQL's `NOTIFY`.
    Notify,
    /// Not at all: this process is the only one that writes.
    Off,
}

impl Text for CoherenceMode {
    const RIGHT: &'static str = "notify or off";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "notify" => Ok(Self::Notify),
            "off" => Ok(Self::Off),
            _ => Err(Self::RIGHT.to_owned()),
        }
    }
}

/// The URL of a PostgreSQL to listen on. `Display` and `Debug` hide the password.
#[derive(Clone)]
pub struct ListenUrl {
    url: SecretString,
    shown: String,
}

impl ListenUrl {
    /// The URL, its password included.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.url
    }
}

impl Text for Option<ListenUrl> {
    const RIGHT: &'static str =
        "postgres://user:password@host/database, or empty to listen where store.url leads";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        if !text.starts_with("postgres") {
            return Err(Self::RIGHT.to_owned());
        }
        let parsed = StoreUrl::parse(text)?;
        let shown = parsed.to_string();
        match parsed {
            StoreUrl::Postgres(url) => Ok(Some(ListenUrl { url, shown })),
            StoreUrl::Sqlite(_) => Err(Self::RIGHT.to_owned()),
        }
    }
}

impl fmt::Display for ListenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for ListenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListenUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn the_url_is_that_of_a_postgresql_and_hides_its_password() {
        let url = "postgres://u:secret@h:5432/d";
        let parsed = <Option<ListenUrl>>::parse(url).unwrap().unwrap();
        assert_eq!(parsed.secret().expose_secret(), url);
        assert_eq!(parsed.to_string(), "postgres://u:***@h:5432/d");
        assert_eq!(format!("{parsed:?}"), "ListenUrl(postgres://u:***@h:5432/d)");
        assert!(<Option<ListenUrl>>::parse("").unwrap().is_none());
        for wrong in ["sqlite:a.db", "mysql://h/d", "h", "postgres://u:***@h/d"] {
            assert!(<Option<ListenUrl>>::parse(wrong).is_err(), "{wrong}");
        }
    }
}
