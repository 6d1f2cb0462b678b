//! The web pages that may call from a browser.

use super::value::Text;

/// Origins as browsers send them: scheme, host, and the port where it is not the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// The origins, none where no page may call.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl Text for Origins {
    const RIGHT: &'static str = "origins like https://chat.example.org, with commas between them, without a path, without the port that is the scheme's own, and in lower case; \
                                 or empty for none. There is no * : every page that is open in a browser could call then";

    fn parse(text: &str) -> Result<Self, String> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let origins: Vec<String> = origins.map(str::to_owned).collect();
        if origins.iter().all(|origin| is_origin(origin)) {
            Ok(Self(origins))
        } else {
            Err(Self::RIGHT.to_owned())
        }
    }
}

/// RFC 6454, section 6.2: browsers send the form without a path and without the scheme's own port, in lower case, so no other could ever match.
fn is_origin(origin: &str) -> bool {
    let authority = [("https://", ":443"), ("http://", ":80")]
        .iter()
        .find_map(|(scheme, own_port)| Some((origin.strip_prefix(scheme)?, own_port)));
    authority.is_some_and(|(authority, own_port)| {
        !authority.is_empty()
            && !authority.ends_with(own_port)
            && authority.bytes().all(|byte| {
                byte.is_ascii_lowercase()
                    || byte.is_ascii_digit()
                    || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        let origins = Origins::parse("https://a.example, http://localhost:3000,http://[::1]:8080").unwrap();
        assert_eq!(
            origins.as_slice(),
            ["https://a.example", "http://localhost:3000", "http://[::1]:8080"]
        );
        assert!(Origins::parse("").unwrap().as_slice().is_empty());
        for text in [
            "*",
            "null",
            "a.example",
            "https://",
            "https://a.example/",
            "https://A.example",
            "https://u@a.example",
            "ftp://a.example",
            "https://a.example,*",
            "https://a.example:443",
            "http://[::1]:80",
        ] {
            assert!(Origins::parse(text).is_err(), "{text}");
        }
    }
}
