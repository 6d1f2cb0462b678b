//! Who is counted.

use std::net::{IpAddr, Ipv6Addr};

/// Who is counted: a key, or an address where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The holder of a key.
    Key(u64),
    /// An IPv4 address.
    V4(u32),
    /// The upper half of an IPv6 address: one subscriber has all of the lower one.
    V6(u64),
    /// A caller whose address the system does not tell.
    Unknown,
}

impl Source {
    /// The source of an address; an IPv4 address is the same whichever way it is written.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6(upper_half(address)),
        }
    }
}

const fn upper_half(address: Ipv6Addr) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = address.octets();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::of_address(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_one_subscriber_are_one_source() {
        assert_eq!(source("127.0.0.1"), source("::ffff:127.0.0.1"));
        assert_ne!(source("127.0.0.1"), source("127.0.0.2"));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
    }
}
