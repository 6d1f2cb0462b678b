//! `Idempotency-Key`: what makes a repeat safe, and the hash that tells a repeat from another request.

use actix_web::http::header::{HeaderMap, HeaderName};
use hearth_domain::{BodyHash, IdempotencyKey};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Code, Problem};

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The key that the caller sent, if it sent one.
///
/// # Errors
///
/// [`Code::InvalidField`] where it is no key, or there are two.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let refuse = |rule: &dyn std::fmt::Display| Problem::field(Code::InvalidField, "Idempotency-Key", rule);
    let mut values = headers.get_all(&IDEMPOTENCY_KEY);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(refuse(&"is given more than once"));
    }
    // What is no text is not visible either, and is refused as such.
    let text = value.to_str().unwrap_or_default();
    let key = IdempotencyKey::new(text).map_err(|invalid| refuse(&invalid))?;
    Ok(Some(key))
}

/// The hash of what a request says, given as its values in a fixed order: the order of its fields and its white space do not matter, and a
/// default that is written out says what its absence says.
#[must_use]
pub fn body_hash(said: &impl Serialize) -> BodyHash {
    // Texts, numbers and lists of them: there is nothing that could fail to serialize.
    let canonical = serde_json::to_vec(said).unwrap_or_default();
    BodyHash(Sha256::digest(canonical).into())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY.clone(), HeaderValue::from_bytes(value).unwrap());
        }
        let key = idempotency_key(&headers).map_err(|problem| problem.to_string())?;
        Ok(key.map(|key| key.as_str().to_owned()))
    }

    #[test]
    fn a_key_is_visible_and_alone() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"k-1"]), Ok(Some("k-1".to_owned())));
        let long = "k".repeat(255);
        assert_eq!(read(&[long.as_bytes()]), Ok(Some(long.clone())));
        let longer = "k".repeat(256);
        let refused: [&[&[u8]]; 5] = [&[b""], &[b"a b"], &[longer.as_bytes()], &[b"\xff"], &[b"a", b"a"]];
        for values in refused {
            let problem = read(values).unwrap_err();
            assert!(
                problem.starts_with("invalid_field: Idempotency-Key "),
                "{problem}"
            );
        }
    }

    #[test]
    fn other_words_have_another_hash() {
        let hash = body_hash(&("a", None::<&str>, 1));
        assert_eq!(body_hash(&("a", None::<&str>, 1)), hash);
        assert_ne!(body_hash(&("a", Some(""), 1)), hash);
        assert_ne!(body_hash(&("a", None::<&str>, 2)), hash);
    }
}
