//! The store's URL, whose password nobody sees.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

use super::value::Text;

/// What stands where a secret was hidden.
pub(super) const HIDDEN: &str = "***";

/// Parameters of a PostgreSQL URL that hold no secret.
const PLAIN_PARAMETERS: [&str; 5] = [
    "sslmode",
    "application_name",
    "connect_timeout",
    "channel_binding",
    "target_session_attrs",
];

/// Which store, and where it is. `Display` and `Debug` hide the password.
#[derive(Clone)]
pub enum StoreUrl {
    /// The embedded store in this file.
    Sqlite(PathBuf),
    /// PostgreSQL at this URL, its password included.
    Postgres(SecretString),
}

impl Text for StoreUrl {
    const RIGHT: &'static str = "sqlite:path, or postgres://user:password@host/database";

    fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return sqlite(path);
        }
        let Some(("postgres" | "postgresql", rest)) = text.split_once("://") else {
            return Err(Self::RIGHT.to_owned());
        };
        if rest.is_empty() {
            return Err(Self::RIGHT.to_owned());
        }
        let shown = shown(text);
        if text == shown && text.contains(HIDDEN) {
            return Err(format!(
                "{} with the real password in place of {HIDDEN}",
                Self::RIGHT
            ));
        }
        Ok(Self::Postgres(SecretString::from(text)))
    }
}

fn sqlite(path: &str) -> Result<StoreUrl, String> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path == ":memory:" || path.contains('?') {
        return Err(
            "sqlite: and the path of a file, without parameters; what is acknowledged outlives the process"
                .to_owned(),
        );
    }
    Ok(StoreUrl::Sqlite(PathBuf::from(path)))
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&shown(url.expose_secret())),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

/// The URL with its password, and every parameter that is not known to be harmless, hidden. A password may hold any
/// character, an `@` or a `/` included, so all up to the last `@` counts as its part.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return HIDDEN.to_owned();
    };
    let (credentials, place) = match rest.rsplit_once('@') {
        Some((credentials, place)) => (Some(credentials), place),
        None => (None, rest),
    };
    let credentials = credentials.map_or_else(String::new, |credentials| match credentials.split_once(':') {
        Some((user, _)) if !user.contains(['/', '?', '=']) => format!("{user}:{HIDDEN}@"),
        None if !credentials.contains(['/', '?', '=']) => format!("{credentials}@"),
        _ => format!("{HIDDEN}@"),
    });
    let (place, parameters) = match place.split_once('?') {
        Some((place, parameters)) => (place, Some(parameters)),
        None => (place, None),
    };
    let parameters = parameters.map_or_else(String::new, |parameters| {
        let shown: Vec<String> = parameters.split('&').map(shown_parameter).collect();
        format!("?{}", shown.join("&"))
    });
    format!("{scheme}://{credentials}{place}{parameters}")
}

fn shown_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if PLAIN_PARAMETERS.contains(&name) => parameter.to_owned(),
        Some((name, _)) => format!("{name}={HIDDEN}"),
        None => HIDDEN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_is_a_file() {
        for (url, path) in [
            ("sqlite:data/hearth.db", "data/hearth.db"),
            ("sqlite:/var/lib/hearth.db", "/var/lib/hearth.db"),
            ("sqlite:///var/lib/hearth.db", "/var/lib/hearth.db"),
            ("sqlite://hearth.db", "hearth.db"),
        ] {
            let parsed = StoreUrl::parse(url).unwrap();
            assert!(
                matches!(&parsed, StoreUrl::Sqlite(file) if file == &PathBuf::from(path)),
                "{url}"
            );
            assert_eq!(parsed.to_string(), format!("sqlite:{path}"));
        }
        for url in ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite:a.db?mode=ro"] {
            assert!(
                StoreUrl::parse(url)
                    .unwrap_err()
                    .starts_with("sqlite: and the path"),
                "{url}"
            );
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for url in [
            "",
            "hearth.db",
            "mysql://h/d",
            "postgres:h",
            "postgres://",
            "POSTGRES://h/d",
            "http://h",
        ] {
            assert!(StoreUrl::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        for (url, shown) in [
            ("postgres://h/d", "postgres://h/d"),
            ("postgres://u@h:5432/d", "postgres://u@h:5432/d"),
            (
                "postgres://u:secret@h/d?sslmode=require",
                "postgres://u:***@h/d?sslmode=require",
            ),
            ("postgresql://u:se:cr@et/s?ecret@h/d", "postgresql://u:***@h/d"),
            ("postgres://u:@h/d", "postgres://u:***@h/d"),
            (
                "postgres://h/d?user=u&password=secret",
                "postgres://h/d?user=***&password=***",
            ),
            ("postgres://h/d?password=sec@ret", "postgres://***@ret"),
            ("postgres://h:1/d?password=sec@ret", "postgres://h:***@ret"),
            ("postgres://h/d?secret", "postgres://h/d?***"),
        ] {
            let parsed = StoreUrl::parse(url).unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert_eq!(format!("{parsed:?}"), format!("StoreUrl({shown})"));
            assert!(matches!(parsed, StoreUrl::Postgres(whole) if whole.expose_secret() == url));
        }
    }

    #[test]
    fn a_hidden_password_is_not_taken_for_a_real_one() {
        let refused = StoreUrl::parse("postgres://u:***@h/d").unwrap_err();
        assert!(
            refused.ends_with("with the real password in place of ***"),
            "{refused}"
        );
    }
}
