//! Where spans are exported to.

use std::fmt;

use actix_web::http::Uri;

use super::value::Text;

/// The address of a collector that takes OTLP over HTTP, as OpenTelemetry's own `OTEL_EXPORTER_OTLP_ENDPOINT` has it: what is exported has a
/// path beneath it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpEndpoint(String);

impl OtlpEndpoint {
    /// Where spans are sent.
    #[must_use]
    pub fn traces(&self) -> String {
        format!("{}/v1/traces", self.0)
    }

    /// Whether what is sent there is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("https:")
    }

    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_http = text.starts_with("http://") || text.starts_with("https://");
        // A password would be shown with the settings; there is another place for it.
        let is_plain =
            !uri.authority()?.as_str().contains('@') && uri.query().is_none() && !text.contains('#');
        (is_http && is_plain).then(|| Self(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An endpoint that may be left empty, and must be where this build exports nothing.
impl Text for Option<OtlpEndpoint> {
    const RIGHT: &'static str = if cfg!(feature = "otlp") {
        "the http:// or https:// address of an OTLP collector such as http://127.0.0.1:4318, without a password or a query, or empty for none"
    } else {
        "empty: this hearth was built without the export of spans; build it with --features otlp"
    };

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let endpoint = OtlpEndpoint::parse(text).filter(|_| cfg!(feature = "otlp"));
        endpoint.map(Some).ok_or_else(|| Self::RIGHT.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_addresses_of_web_servers() {
        for (text, traces) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://example.org/otlp", "https://example.org/otlp/v1/traces"),
        ] {
            let endpoint = OtlpEndpoint::parse(text).unwrap();
            assert_eq!(endpoint.traces(), traces);
            assert_eq!(endpoint.is_encrypted(), text.starts_with("https"));
        }
        for text in [
            "collector:4318",
            "/v1/traces",
            "grpc://collector:4317",
            "http://user:password@collector:4318",
            "http://collector:4318/?key=1",
            "http://collector:4318/#a",
            "http://",
        ] {
            assert_eq!(OtlpEndpoint::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_a_build_that_exports_takes_one() {
        type Setting = Option<OtlpEndpoint>;
        assert_eq!(<Setting as Text>::parse(""), Ok(None));
        let set = <Setting as Text>::parse("http://127.0.0.1:4318");
        assert_eq!(set.is_ok(), cfg!(feature = "otlp"), "{set:?}");
    }
}
