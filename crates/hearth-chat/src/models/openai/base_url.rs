//! Where a model server is.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// What calls end with.
const CALL: &str = "chat/completions";

/// The address of an OpenAI-compatible API, such as `https://api.openai.com/v1` or
/// `https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT?api-version=2024-10-21`.
///
/// It carries no secret: a user, a password and any query but `api-version` are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why a text is no address of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not an address at all, or not one of HTTP.
    #[error("http://host/path or https://host/path, such as https://api.openai.com/v1")]
    NotHttp,
    /// It holds a secret.
    #[error("a URL without user, password and keys; a key belongs in api_key")]
    Secret,
}

impl BaseUrl {
    /// Reads an address. What calls end with, `/chat/completions`, may be there or not.
    ///
    /// # Errors
    ///
    /// [`BaseUrlError`], whose text says what would be right and never repeats what was given.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let mut url = Url::parse(text).map_err(|_| BaseUrlError::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.fragment().is_some() {
            return Err(BaseUrlError::NotHttp);
        }
        let has_user = !url.username().is_empty() || url.password().is_some();
        if has_user || url.query_pairs().any(|(name, _)| name != "api-version") {
            return Err(BaseUrlError::Secret);
        }
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix(CALL).unwrap_or(path).trim_end_matches('/');
        let path = path.to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// What is called.
    pub(super) fn endpoint(&self) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{CALL}", url.path().trim_end_matches('/')));
        url
    }

    /// Whether the key goes into the header `api-key`, as Azure has it, and gateways before Azure.
    pub(super) fn is_azure(&self) -> bool {
        let of_azure = |host: &str| {
            [".azure.com", ".azure.us", ".azure.cn"]
                .iter()
                .any(|domain| host.ends_with(domain))
        };
        self.0.host_str().is_some_and(of_azure) || self.0.query().is_some_and(|query| !query.is_empty())
    }

    /// Whether it is this machine, which no proxy reaches.
    pub(super) fn is_loopback(&self) -> bool {
        self.0.host_str().is_some_and(|host| {
            let address = host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<IpAddr>();
            address.map_or(host == "localhost", |address| address.is_loopback())
        })
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_where_they_should() {
        for (text, endpoint) in [
            (
                "https://api.openai.com/v1",
                "https://api.openai.com/v1/chat/completions",
            ),
            (
                "http://127.0.0.1:11434/v1/",
                "http://127.0.0.1:11434/v1/chat/completions",
            ),
            ("http://host:8080", "http://host:8080/chat/completions"),
            (
                "http://host/v1/chat/completions",
                "http://host/v1/chat/completions",
            ),
            (
                "https://n.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
                "https://n.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
            ),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().endpoint().as_str(), endpoint);
        }
    }

    #[test]
    fn what_is_no_address_or_holds_a_secret_is_refused() {
        for text in ["", "api.openai.com/v1", "ftp://h/v1", "http://", "http://h/v1#a"] {
            assert_eq!(BaseUrl::parse(text), Err(BaseUrlError::NotHttp), "{text}");
        }
        for text in ["https://user@h/v1", "https://u:p@h/v1", "https://h/v1?key=secret"] {
            assert_eq!(BaseUrl::parse(text), Err(BaseUrlError::Secret), "{text}");
        }
    }

    #[test]
    fn azure_and_this_machine_are_known() {
        for (text, azure, loopback) in [
            ("https://n.openai.azure.com/openai/v1", true, false),
            (
                "https://gateway.example.org/openai?api-version=2024-10-21",
                true,
                false,
            ),
            ("https://api.openai.com/v1", false, false),
            ("https://azure.com.example.org/v1", false, false),
            ("http://localhost:11434/v1", false, true),
            ("http://[::1]:80/v1", false, true),
            ("http://127.0.0.1/v1", false, true),
        ] {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!((url.is_azure(), url.is_loopback()), (azure, loopback), "{text}");
        }
    }
}
