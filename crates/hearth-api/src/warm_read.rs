//! Histories that are in memory, answered in front of the application: by far the busiest request needs no router, no layers and no wait.
//!
//! Only what is certain is answered here: a GET of a history, by a caller whose key was good a moment ago and opens it, of a session that is
//! loaded. Whatever else a request may be (a page, a wrong key, a session to be loaded, one request too many) is left to the application, as
//! if nobody had looked at it. Nothing is looked up for a caller who may not read it.

use std::future::ready;
use std::rc::Rc;

use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, apply_fn_factory};
use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::Method;
use futures_util::future::{Either, TryFutureExt};

use crate::auth::{Access, Named};
use crate::compression::compress;
use crate::connection::Connection;
use crate::extract::Conversation;
use crate::handlers::messages::{MIN_VERSION, answer, least_version};
use crate::in_flight;
use crate::routes::RouteIndex;
use crate::worker::Worker;

/// Puts warm reads in front of an application, where they are wanted.
pub fn warm_reads_first<S>(
    worker: Rc<Worker>,
    wanted: bool,
    application: impl IntoServiceFactory<S, Request>,
) -> impl ServiceFactory<
    Request,
    Config = S::Config,
    Response = Response<BoxBody>,
    Error = S::Error,
    InitError = S::InitError,
>
where
    S: ServiceFactory<Request>,
    S::Response: Into<Response<BoxBody>>,
{
    apply_fn_factory(application, move |request: Request, application: &S::Service| {
        let answered = if wanted {
            warm_read(&worker, &request)
        } else {
            None
        };
        match answered {
            Some(response) => Either::Left(ready(Ok(response.into()))),
            None => Either::Right(application.call(request).map_ok(Into::into)),
        }
    })
}

/// The whole answer to a request, if it is a warm read. Nothing was done otherwise, but that a caller who asks too often has read memory.
fn warm_read(worker: &Rc<Worker>, request: &Request) -> Option<HttpResponse> {
    let head = request.head();
    if head.method != Method::GET || !is_messages(head.uri.path()) {
        return None;
    }
    let state = &worker.state;
    let Some(Access::Key(scope, Named::InQuery)) = RouteIndex::MESSAGES.entry()?.access(&head.method) else {
        return None;
    };
    let mut begun = worker.begin(head, Connection::occupy(request.conn_data()));
    let _place = in_flight::enter(state, request.conn_data(), head.uri.path()).ok()?;
    let caller = state.guard.recognise(head)?;
    let Conversation { key, query } = Conversation::of(&head.uri, &[MIN_VERSION]).ok()?;
    if !scope.is_none_or(|scope| caller.has(scope)) || !caller.may_name(&key.department) {
        return None;
    }
    let reading = state.cache.history_at_once(&key, least_version(&query).ok()?)?;
    let rate = state.guard.charge(&caller, head).ok()?;
    worker.trace(&mut begun, &head.headers);
    let mut response = compress(request, answer(&head.headers, &key, reading));
    if let Some(rate) = rate {
        rate.write(response.headers_mut());
    }
    Some(worker.conclude(begun, Some(RouteIndex::MESSAGES), response))
}

/// Whether a path is that of [`RouteIndex::MESSAGES`]. One that is written in an unusual way is for the router to judge.
fn is_messages(path: &str) -> bool {
    let session = path
        .strip_prefix("/chatbot/v1/sessions/")
        .and_then(|rest| rest.strip_suffix("/messages"));
    session.is_some_and(|session| !session.is_empty() && !session.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_that_of_the_route() {
        let pattern = RouteIndex::MESSAGES.entry().unwrap().path;
        let check = |path: &str, expected: bool| assert_eq!(is_messages(path), expected, "{path}");
        check(&pattern.replace("{id}", "a"), true);
        check(&pattern.replace("{id}", "%2F%20messages"), true);
        check(&pattern.replace("{id}", ""), false);
        check(&pattern.replace("{id}", "a/b"), false);
        check(&format!("{pattern}/"), false);
        check("/chatbot/v1/sessions/messages", false);
    }
}
