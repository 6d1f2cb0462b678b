//! Which failures are tried again, and after how long: only those in which the server had not begun to answer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::error::UpstreamError;

/// Retries of one request, at most.
pub(super) const RETRIES_MAX: u32 = 2;

/// How long a request waits because a server says so, at most; past it the caller is told instead.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// How long to wait before the request is sent again; `None` where it is not to be.
///
/// Half of the pause is fixed and half is chance, so that requests which failed together do not come back together.
pub(super) fn pause(error: &UpstreamError, retries: u32, first: Duration) -> Option<Duration> {
    let asked_for = match error {
        UpstreamError::Connect(_) => None,
        UpstreamError::Status {
            status: 429 | 502 | 503 | 504,
            retry_after,
            ..
        } => *retry_after,
        UpstreamError::Status { .. }
        | UpstreamError::Broken(_)
        | UpstreamError::TimedOut
        | UpstreamError::Reported { .. }
        | UpstreamError::Malformed(_)
        | UpstreamError::Empty => return None,
    };
    if retries >= RETRIES_MAX || asked_for.is_some_and(|wait| wait > WAIT_MAX) {
        return None;
    }
    let usual = first
        .saturating_mul(1 << retries)
        .mul_f64(0.5 + fastrand::f64() / 2.0);
    Some(asked_for.map_or(usual, |wait| wait.max(usual)))
}

/// What `Retry-After` asks for: seconds, or a time of day (RFC 9110, section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = DateTime::parse_from_rfc2822(text).ok()?;
    Some((at.to_utc() - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    const FIRST: Duration = Duration::from_millis(100);

    fn status(status: u16, retry_after: Option<Duration>) -> UpstreamError {
        UpstreamError::Status {
            status,
            reason: None,
            retry_after,
        }
    }

    #[test]
    fn what_is_safe_to_repeat_is_repeated_twice() {
        for code in [429, 502, 503, 504] {
            for (retries, least) in [(0, FIRST / 2), (1, FIRST)] {
                let pause = pause(&status(code, None), retries, FIRST).unwrap();
                assert!(pause >= least && pause <= 2 * least, "{pause:?}");
            }
            assert_eq!(pause(&status(code, None), RETRIES_MAX, FIRST), None);
        }
        for code in [400, 401, 404, 408, 422, 500] {
            assert_eq!(pause(&status(code, None), 0, FIRST), None, "{code}");
        }
        for error in [
            UpstreamError::TimedOut,
            UpstreamError::Empty,
            UpstreamError::Reported { reason: None },
        ] {
            assert_eq!(pause(&error, 0, FIRST), None);
        }
    }

    #[test]
    fn the_servers_wish_is_honoured_up_to_a_bound() {
        let wait = |seconds| pause(&status(429, Some(Duration::from_secs(seconds))), 0, FIRST);
        assert_eq!(wait(1), Some(Duration::from_secs(1)));
        assert_eq!(wait(3), None);
        assert!(wait(0).unwrap() >= FIRST / 2);
    }

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        let now = DateTime::from_timestamp(1_445_412_480, 0).unwrap();
        let check = |text: &'static str, expected: Option<u64>| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(
                retry_after(&headers, now),
                expected.map(Duration::from_secs),
                "{text}"
            );
        };
        check("7", Some(7));
        check("Wed, 21 Oct 2015 07:28:05 GMT", Some(5));
        check("Wed, 21 Oct 2015 07:00:00 GMT", Some(0));
        check("soon", None);
        check("-1", None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
