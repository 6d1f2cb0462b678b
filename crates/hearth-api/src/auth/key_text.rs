//! An API key as its holder has it: `hearth_<id>_<secret>`, both parts in lower-case hexadecimal digits.

use std::fmt::Write;

use hearth_domain::{Invalid, KeyId, SecretHash};
use sha2::{Digest, Sha256};

const PREFIX: &str = "hearth_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// A key in clear: what a caller sends, or what was made just now. It has no `Debug`, so that it gets into no log.
pub struct KeyText {
    id: u64,
    secret: [u8; SECRET_BYTES],
}

impl KeyText {
    /// Makes a key from the system's randomness.
    ///
    /// # Errors
    ///
    /// The system has none to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut id = [0; ID_BYTES];
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut id)?;
        getrandom::fill(&mut secret)?;
        Ok(Self {
            id: u64::from_be_bytes(id),
            secret,
        })
    }

    /// Reads a key; nothing where the text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        Some(Self {
            id: u64::from_be_bytes(from_hexadecimal(id)?),
            secret: from_hexadecimal(secret)?,
        })
    }

    /// The public part as a number.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The public part as stores keep it.
    ///
    /// # Errors
    ///
    /// None: every number has its 16 digits.
    pub fn key_id(&self) -> Result<KeyId, Invalid> {
        key_id(self.id)
    }

    /// What a store keeps of the secret. A fast hash will do: 32 random bytes cannot be guessed.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.secret).into())
    }

    /// The key in clear, to be shown once.
    #[must_use]
    pub fn reveal(&self) -> String {
        let mut text = format!("{PREFIX}{:016x}_", self.id);
        for byte in self.secret {
            // Writing to a string does not fail.
            let _written = write!(text, "{byte:02x}");
        }
        text
    }
}

/// The id of a key, of its number.
pub(super) fn key_id(id: u64) -> Result<KeyId, Invalid> {
    KeyId::new(&format!("{id:016x}"))
}

/// Exactly `N` bytes in lower-case digits. Without a branch a digit: a processor cannot guess them, and every request has eighty.
fn from_hexadecimal<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let value = |digit: u8| VALUES.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT);
    let mut bytes = [0; N];
    let mut seen = 0;
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let &[high, low] = digits else { return None };
        let (high, low) = (value(high), value(low));
        seen |= high | low;
        *byte = high << 4 | low & 0xf;
    }
    (seen < 0x10).then_some(bytes)
}

/// What stands for a character that is no digit.
const NO_DIGIT: u8 = 0xff;

/// The values of the hexadecimal digits among all bytes.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let digits = b"0123456789abcdef";
    let mut value = 0;
    while value < 16 {
        #[expect(
            clippy::indexing_slicing,
            clippy::as_conversions,
            reason = "evaluated when it is compiled"
        )]
        {
            values[digits[value as usize] as usize] = value;
        }
        value += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_can_be_read() {
        let made = KeyText::generate().unwrap();
        let text = made.reveal();
        assert_eq!(text.len(), 7 + 16 + 1 + 64, "{text}");
        let read = KeyText::parse(&text).unwrap();
        assert_eq!((read.id, read.secret), (made.id, made.secret));
        assert!(read.hash() == made.hash());
        assert_eq!(made.key_id().unwrap().as_str(), &text[7..23]);
        assert_ne!(KeyText::generate().unwrap().reveal(), text);
    }

    #[test]
    fn the_hash_is_sha_256_of_the_secret_s_bytes() {
        let text = format!("hearth_{}_{}", "0".repeat(16), "00".repeat(32));
        let hash = KeyText::parse(&text).unwrap().hash();
        // sha256sum of 32 zero bytes.
        assert_eq!(hash.0[..4], [0x66, 0x68, 0x7a, 0xad]);
    }

    #[test]
    fn what_is_no_key_is_not_read() {
        let (id, secret) = ("0123456789abcdef", "0".repeat(64));
        assert!(KeyText::parse(&format!("hearth_{id}_{secret}")).is_some());
        for text in [
            String::new(),
            "hearth_".to_owned(),
            format!("heart_{id}_{secret}"),
            format!("hearth_{id}{secret}"),
            format!("hearth_{id}_{secret}0"),
            format!("hearth_{id}_{}", &secret[1..]),
            format!("hearth_{}_{secret}", id.to_uppercase()),
            format!("hearth_{id}_{}g", &secret[1..]),
            format!("hearth_{id}_{}é", &secret[2..]),
            format!(" hearth_{id}_{secret}"),
        ] {
            assert!(KeyText::parse(&text).is_none(), "{text}");
        }
    }
}
