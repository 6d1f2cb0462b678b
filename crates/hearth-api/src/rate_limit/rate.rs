//! What a caller is told of its rate.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

static LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
static REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
static RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Where a caller stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests in a burst.
    pub limit: u32,
    /// Requests that would be let in now.
    pub remaining: u32,
    /// The time until the whole burst is there again.
    pub reset: Duration,
    /// The time until the next request is let in, for one that was not.
    pub retry_after: Option<Duration>,
}

impl Rate {
    /// Whether the request is one too many.
    #[must_use]
    pub const fn refused(&self) -> bool {
        self.retry_after.is_some()
    }

    /// Writes `RateLimit-Limit`, `-Remaining` and `-Reset` (draft-ietf-httpapi-ratelimit-headers-03: seconds, as in `Retry-After`).
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT.clone(), self.limit.into());
        headers.insert(REMAINING.clone(), self.remaining.into());
        headers.insert(RESET.clone(), seconds(self.reset));
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds(wait.max(Duration::from_secs(1))));
        }
    }
}

/// Whole seconds, so that who waits for them has waited long enough.
fn seconds(time: Duration) -> HeaderValue {
    let more = u64::from(time.subsec_nanos() > 0);
    (time.as_secs() + more).into()
}
