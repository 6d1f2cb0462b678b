//! Large bodies are compressed for callers who ask for it; event streams never are: a compressor would hold their events back.

use actix_http::encoding::Encoder;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{
    ACCEPT_ENCODING, AcceptEncoding, CONTENT_ENCODING, ContentEncoding, ETAG, Encoding, Header, HeaderValue,
    Preference, Quality, VARY,
};
use actix_web::{HttpMessage, HttpResponse};

/// Bytes from which a body is worth the work; smaller ones fit into one packet as they are.
const BYTES_MIN: u64 = 1_400;

/// Compresses the response's body where the caller takes zstd or gzip and it is large, and of a known length: what is produced piece by
/// piece is sent piece by piece.
pub fn compress(request: &impl HttpMessage, response: HttpResponse) -> HttpResponse {
    let worth_it = matches!(response.body().size(), BodySize::Sized(bytes) if bytes >= BYTES_MIN);
    if !worth_it || response.headers().contains_key(&CONTENT_ENCODING) {
        return response;
    }
    let encoding = if request.headers().contains_key(&ACCEPT_ENCODING) {
        negotiated(request)
    } else {
        None
    };
    let Some(encoding) = encoding else {
        return varied(response);
    };
    response.map_body(|head, body| {
        // The validator of these bytes is not that of the others: RFC 9110, section 8.8.3.3.
        if let Some(weak) = head.headers().get(&ETAG).and_then(weakened) {
            head.headers_mut().insert(ETAG, weak);
        }
        BoxBody::new(Encoder::response(encoding, head, body))
    })
}

/// Of the two, the one that the caller likes better; zstd where it likes them as much, since it is the faster one.
fn negotiated(request: &impl HttpMessage) -> Option<ContentEncoding> {
    let accepted = AcceptEncoding::parse(request).ok()?;
    let mut best = None;
    for encoding in [ContentEncoding::Zstd, ContentEncoding::Gzip] {
        let weight = weight(&accepted, encoding);
        if weight > best.map_or(Quality::ZERO, |(_, weight)| weight) {
            best = Some((encoding, weight));
        }
    }
    best.map(|(encoding, _)| encoding)
}

/// How much the caller likes an encoding; zero for not at all: RFC 9110, section 12.5.3.
fn weight(accepted: &AcceptEncoding, encoding: ContentEncoding) -> Quality {
    let of = |wanted: Option<ContentEncoding>| {
        let named = accepted.iter().find(|item| match (&item.item, wanted) {
            (Preference::Specific(Encoding::Known(known)), Some(wanted)) => *known == wanted,
            (Preference::Any, None) => true,
            (Preference::Specific(Encoding::Known(_) | Encoding::Unknown(_)) | Preference::Any, _) => false,
        });
        named.map(|item| item.quality)
    };
    of(Some(encoding)).or_else(|| of(None)).unwrap_or(Quality::ZERO)
}

fn varied(mut response: HttpResponse) -> HttpResponse {
    let vary = HeaderValue::from_static("accept-encoding");
    response.headers_mut().append(VARY, vary);
    response
}

fn weakened(etag: &HeaderValue) -> Option<HeaderValue> {
    let text = etag.to_str().ok()?;
    if text.starts_with("W/") {
        return None;
    }
    HeaderValue::from_str(&format!("W/{text}")).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn compressed(accept: Option<&str>, bytes: usize) -> HttpResponse {
        let mut request = TestRequest::default();
        if let Some(accept) = accept {
            request = request.insert_header((ACCEPT_ENCODING, accept));
        }
        let response = HttpResponse::Ok()
            .insert_header((ETAG, "\"a\""))
            .body("x".repeat(bytes));
        compress(&request.to_http_request(), response)
    }

    #[test]
    fn what_the_caller_likes_is_what_it_gets() {
        for (accept, encoding) in [
            (None, None),
            (Some("identity"), None),
            (Some("br"), None),
            (Some("gzip;q=0"), None),
            (Some(""), None),
            (Some("gzip"), Some("gzip")),
            (Some("gzip, deflate, br, zstd"), Some("zstd")),
            (Some("gzip;q=1.0, zstd;q=0.5"), Some("gzip")),
            (Some("*"), Some("zstd")),
            (Some("zstd;q=0, *"), Some("gzip")),
        ] {
            let response = compressed(accept, 10_000);
            let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!(header(CONTENT_ENCODING), encoding, "{accept:?}");
            assert_eq!(header(VARY), Some("accept-encoding"), "{accept:?}");
            let etag = if encoding.is_some() { "W/\"a\"" } else { "\"a\"" };
            assert_eq!(header(ETAG), Some(etag), "{accept:?}");
        }
    }

    #[test]
    fn small_bodies_are_left_alone() {
        let response = compressed(Some("gzip"), 1_399);
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
        assert!(!response.headers().contains_key(VARY));
    }
}
