//! The guard of the whole server: tells who calls, and how often each may.

use std::sync::Arc;

use actix_web::dev::RequestHead;
use actix_web::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use hearth_cache::Spawner;
use hearth_domain::ports::Clock;

use super::caller::Caller;
use super::key_ring::{KeyRing, NotVerified};
use super::key_text::KeyText;
use crate::error::{Code, Problem};
use crate::rate_limit::{Rate, RateLimiter, Source};
use crate::settings::{AuthMode, Settings};
use crate::store::Store;

/// Tells who calls, and how often each may.
pub struct Guard {
    keys: Option<KeyRing<Store>>,
    limiter: Option<RateLimiter>,
}

/// Why a request does not get in: what its caller is told.
pub struct Refusal {
    pub(super) problem: Box<Problem>,
    pub(super) challenge: Option<&'static str>,
    pub(super) rate: Option<Rate>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            challenge: None,
            rate: None,
        }
    }
}

impl Guard {
    /// The guard that the settings ask for.
    #[must_use]
    pub fn new(settings: &Settings, store: &Arc<Store>, clock: &Arc<dyn Clock>, spawner: &Spawner) -> Self {
        let keys = match settings.auth.mode {
            AuthMode::Open => None,
            AuthMode::Keys => Some(KeyRing::new(
                Arc::clone(store),
                settings.store.timeout,
                Arc::clone(clock),
                spawner.clone(),
            )),
        };
        let limiter = RateLimiter::new(
            settings.limits.requests_per_second,
            settings.limits.burst,
            Arc::clone(clock),
        );
        Self { keys, limiter }
    }

    /// Tells who calls, and counts the request against its key, or its address in open mode.
    pub(super) async fn identify(&self, request: &RequestHead) -> Result<(Caller, Option<Rate>), Refusal> {
        let Some(keys) = &self.keys else {
            return Ok((Caller::Anyone, self.count(address(request))?));
        };
        let Some(value) = request.headers.get(AUTHORIZATION) else {
            self.count(address(request))?;
            return Err(missing());
        };
        let Some(text) = bearer(value) else {
            self.count(address(request))?;
            return Err(invalid());
        };
        // Who guesses costs the store a question: that is counted before it is asked.
        let guessed = self.limiter.is_some() && keys.is_unknown(&text);
        if guessed {
            self.count(address(request))?;
        }
        match keys.verify(&text).await {
            Ok(key) => {
                let rate = self.count(Source::Key(key.id()))?;
                Ok((Caller::Holder(key), rate))
            }
            Err(NotVerified::Invalid) => {
                if !guessed {
                    self.count(address(request))?;
                }
                Err(invalid())
            }
            Err(NotVerified::Store(error)) => {
                let detail = "the API key cannot be checked now; try again";
                Err(Problem::new(Code::StoreUnavailable, detail)
                    .caused_by(&*error)
                    .into())
            }
            Err(NotVerified::Overloaded) => {
                let detail = "too many unknown API keys are being checked; try again";
                Err(Problem::new(Code::Overloaded, detail).into())
            }
        }
    }

    /// Tells who calls where that is known and nobody needs to be asked. Nothing is counted: [`Guard::charge`] does that.
    #[must_use]
    pub fn recognise(&self, request: &RequestHead) -> Option<Caller> {
        let Some(keys) = &self.keys else {
            return Some(Caller::Anyone);
        };
        let text = bearer(request.headers.get(AUTHORIZATION)?)?;
        keys.recognise(&text).map(Caller::Holder)
    }

    /// Counts the request of a caller who was recognised.
    ///
    /// # Errors
    ///
    /// It is one too many, and was not counted.
    pub fn charge(&self, caller: &Caller, request: &RequestHead) -> Result<Option<Rate>, Refusal> {
        match caller {
            Caller::Anyone => self.count(address(request)),
            Caller::Holder(key) => self.count(Source::Key(key.id())),
        }
    }

    fn count(&self, source: Source) -> Result<Option<Rate>, Refusal> {
        let Some(limiter) = &self.limiter else {
            return Ok(None);
        };
        let rate = limiter.count(source);
        if rate.refused() {
            let detail =
                "more requests than limits.requests_per_second and limits.burst permit; see Retry-After";
            return Err(Refusal {
                rate: Some(rate),
                ..Problem::new(Code::RateLimited, detail).into()
            });
        }
        Ok(Some(rate))
    }
}

fn address(request: &RequestHead) -> Source {
    request
        .peer_addr
        .map_or(Source::Unknown, |peer| Source::of_address(peer.ip()))
}

/// The key of `Authorization: Bearer …`: RFC 6750, section 2.1.
fn bearer(value: &HeaderValue) -> Option<KeyText> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    KeyText::parse(token.trim())
}

fn missing() -> Refusal {
    let detail = "this call needs an API key: Authorization: Bearer hearth_...";
    Refusal {
        challenge: Some(r#"Bearer realm="hearth""#),
        ..Problem::new(Code::MissingKey, detail).into()
    }
}

fn invalid() -> Refusal {
    Refusal {
        challenge: Some(r#"Bearer realm="hearth", error="invalid_token""#),
        ..Problem::new(Code::InvalidKey, "the API key is unknown, wrong or revoked").into()
    }
}

impl Refusal {
    /// The answer.
    pub(super) fn into_response(self) -> actix_web::HttpResponse {
        use actix_web::ResponseError;

        let mut response = self.problem.error_response();
        if let Some(challenge) = self.challenge {
            let challenge = HeaderValue::from_static(challenge);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(rate) = self.rate {
            rate.write(response.headers_mut());
        }
        response
    }
}
