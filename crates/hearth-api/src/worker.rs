//! What the requests of one worker share, and what becomes of each of them: its figures, its line in the log, its end.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::RequestHead;
use actix_web::http::header::{HeaderMap, HeaderValue, UPGRADE};
use actix_web::http::{ConnectionType, Method, StatusCode, Version};
use actix_web::{HttpResponse, web};

use crate::access_log::{Access, AccessLog};
use crate::connection::Occupied;
use crate::metrics::{WorkerMetrics, method_name, route_name};
use crate::request_ids::{RequestIds, X_REQUEST_ID};
use crate::routes::RouteIndex;
use crate::spans::{self, RequestSpan};
use crate::state::State;
use crate::trace_context::TraceId;
use crate::watched_body::WatchedBody;

/// What the requests of one worker share.
pub struct Worker {
    /// What all workers share.
    pub state: web::Data<State>,
    metrics: Arc<WorkerMetrics>,
    access: Option<AccessLog>,
    ids: RequestIds,
}

/// A request whose head is there.
#[derive(Debug)]
pub struct Begun {
    /// The caller's id for it where it sent a sane one, else one of ours.
    pub id: HeaderValue,
    /// The trace that it belongs to: the caller's where it named one, or its span's.
    pub trace: Option<TraceId>,
    /// Its span, where spans are exported.
    pub span: Option<RequestSpan>,
    at: Duration,
    method: Method,
    version: Version,
    /// Whether it offers to go on in another protocol, which nobody takes it up on.
    is_offer: bool,
    /// Its place on its connection, where that is watched.
    occupied: Option<Occupied>,
}

/// A request whose response is known.
struct Answered {
    route: Option<RouteIndex>,
    method: Method,
    status: StatusCode,
    id: HeaderValue,
    trace: Option<TraceId>,
    at: Duration,
}

impl Worker {
    /// A worker that starts; `access` is the log, where one is kept.
    #[must_use]
    pub fn new(state: web::Data<State>, access: Option<AccessLog>) -> Self {
        Self {
            metrics: state.metrics.http.worker(),
            state,
            access,
            ids: RequestIds::generate(),
        }
    }

    /// Notes that a request is there.
    #[must_use]
    pub fn begin(&self, head: &RequestHead, occupied: Option<Occupied>) -> Begun {
        Begun {
            at: self.state.clock.now(),
            id: self.ids.of(&head.headers),
            trace: TraceId::of(&head.headers),
            span: None,
            method: head.method.clone(),
            version: head.version,
            is_offer: head.headers.contains_key(UPGRADE),
            occupied,
        }
    }

    /// Begins the request's span, where spans are exported. Only whoever is going to answer the request may: each span is exported.
    pub fn trace(&self, begun: &mut Begun, headers: &HeaderMap) {
        if self.state.spans.are_exported() {
            let ago = self.since(begun.at);
            begun.span = self.state.spans.begin(&begun.method, headers, ago);
            begun.trace = begun.span.as_ref().and_then(RequestSpan::trace).or(begun.trace);
        }
    }

    /// Gives a response its `X-Request-Id`, counts it, and has the rest done when its body is: now where that is all there, else when the last
    /// piece was sent, or given up.
    #[must_use]
    pub fn conclude(
        self: &Rc<Self>,
        begun: Begun,
        route: Option<RouteIndex>,
        mut response: HttpResponse,
    ) -> HttpResponse {
        response
            .headers_mut()
            .insert(X_REQUEST_ID.clone(), begun.id.clone());
        let answered = Answered {
            route,
            method: begun.method,
            status: response.status(),
            id: begun.id,
            trace: begun.trace,
            at: begun.at,
        };
        let duration = self.since(answered.at);
        self.metrics
            .record(route, &answered.method, answered.status, duration);
        let response = self.written(answered, duration, response);
        let mut response = spans::end(begun.span, route, response);
        if begun.is_offer {
            // The parser takes what follows for the other protocol.
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        framed(begun.version, &mut response);
        until_taken(begun.version, begun.occupied, response)
    }

    /// An id for what never became a request.
    #[must_use]
    pub fn next_id(&self) -> HeaderValue {
        self.ids.next()
    }

    /// Counts and logs what was refused before it was a request, with a body of so many bytes.
    pub fn refused(&self, id: &HeaderValue, status: StatusCode, bytes: usize) {
        // Nobody knows its method: it counts as none of those that are told apart.
        let method = Method::CONNECT;
        let duration = Duration::ZERO;
        self.metrics.record(None, &method, status, duration);
        if let Some(access) = &self.access {
            let refused = Answered {
                route: None,
                method,
                status,
                id: id.clone(),
                trace: None,
                at: self.state.clock.now(),
            };
            refused.write(access, u64::try_from(bytes).unwrap_or(u64::MAX), duration);
        }
    }

    /// Writes the request's line, or has it written.
    fn written(
        self: &Rc<Self>,
        answered: Answered,
        duration: Duration,
        response: HttpResponse,
    ) -> HttpResponse {
        let Some(access) = &self.access else {
            return response;
        };
        match response.body().size() {
            BodySize::None => answered.write(access, 0, duration),
            BodySize::Sized(bytes) => answered.write(access, bytes, duration),
            BodySize::Stream => {
                let (worker, access) = (Rc::clone(self), access.clone());
                let done = move |bytes| answered.write(&access, bytes, worker.since(answered.at));
                return response.map_body(|_, body| BoxBody::new(WatchedBody::new(body, done)));
            }
        }
        response
    }

    fn since(&self, began: Duration) -> Duration {
        self.state.clock.now().saturating_sub(began)
    }
}

/// Has a body of unknown length end with its connection where chunks are not known: RFC 9112, section 6.1.
fn framed(version: Version, response: &mut HttpResponse) {
    if matches!(version, Version::HTTP_09 | Version::HTTP_10) && response.body().size() == BodySize::Stream {
        let head = response.head_mut();
        head.no_chunking(true);
        head.set_connection_type(ConnectionType::Close);
    }
}

/// Has a request count as under way on its connection until the connection has all of the response.
fn until_taken(version: Version, occupied: Option<Occupied>, response: HttpResponse) -> HttpResponse {
    let Some(occupied) = occupied else {
        return response;
    };
    match (response.body().size(), version) {
        (BodySize::None, _) => response,
        // HTTP/1.1 takes a body that is there at one go, and sends it as its reader lets it.
        (BodySize::Sized(bytes), Version::HTTP_10 | Version::HTTP_11) => {
            occupied.answered(bytes);
            response
        }
        (BodySize::Sized(_) | BodySize::Stream, _) => {
            response.map_body(|_, body| BoxBody::new(WatchedBody::new(body, occupied.being_read())))
        }
    }
}

impl Answered {
    fn write(&self, log: &AccessLog, bytes: u64, duration: Duration) {
        log.write(&Access {
            method: method_name(&self.method),
            route: route_name(self.route),
            status: self.status.as_u16(),
            bytes,
            duration,
            request_id: self.id.to_str().unwrap_or_default(),
            trace_id: self.trace.as_ref().map(TraceId::as_str),
        });
    }
}
