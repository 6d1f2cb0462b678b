//! The address to listen on.

use std::fmt;
use std::net::IpAddr;

use super::value::Text;

/// An IP address or a host name, without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

impl Host {
    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether only programs of this machine reach the address. A name other than `localhost` may mean anything, so it
    /// counts as reachable by others.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.0.parse::<IpAddr>().map_or_else(
            |_| self.0.eq_ignore_ascii_case("localhost"),
            |address| address.to_canonical().is_loopback(),
        )
    }
}

impl Text for Host {
    const RIGHT: &'static str = "an IP address or a host name, without a port";

    fn parse(text: &str) -> Result<Self, String> {
        let name = (1..=253).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
        if name || text.parse::<IpAddr>().is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(Self::RIGHT.to_owned())
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_its_addresses() {
        for (host, loopback) in [
            ("127.0.0.1", true),
            ("127.8.9.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("localhost", true),
            ("LocalHost", true),
            ("0.0.0.0", false),
            ("::", false),
            ("10.0.0.7", false),
            ("localhost.example.org", false),
        ] {
            assert_eq!(Host::parse(host).unwrap().is_loopback(), loopback, "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "127.0.0.1:80", "[::1]", "a b", "http://a", "ü", "a/b"] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }
}
