//! Around every request: its id, its place among those in flight, the bodies of problems, the figures, and the log lines.
//!
//! One layer for all of it, written out: each layer of closures would cost a request two allocations.

use std::cell::Cell;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::{Error, ResponseError as _, web};
use uuid::Uuid;

use crate::access_log::{Access, AccessLog};
use crate::compression::compress;
use crate::connection::{Connection, Occupied};
use crate::error::{Code, Problem};
use crate::in_flight;
use crate::metrics::{WorkerMetrics, method_name, route_name};
use crate::routes::RouteIndex;
use crate::state::State;
use crate::streaming::RequestName;
use crate::trace_context::TraceId;
use crate::watched_body::WatchedBody;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters in a request id that a caller sends, at most.
const REQUEST_ID_CHARS_MAX: usize = 128;

/// Gives every response an `X-Request-Id`, the caller's where it sent a sane one, and every problem its body; counts the request and
/// writes its line.
pub struct RequestContext {
    state: web::Data<State>,
    access: Option<AccessLog>,
}

impl RequestContext {
    /// For all workers of a server.
    #[must_use]
    pub const fn new(state: web::Data<State>, access: Option<AccessLog>) -> Self {
        Self { state, access }
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequestContext
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = InContext<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(InContext {
            service: Rc::new(service),
            worker: Rc::new(Worker {
                state: self.state.clone(),
                metrics: self.state.metrics.http.worker(),
                access: self.access.clone(),
                ids: RequestIds::new(),
            }),
        }))
    }
}

/// The services of one worker, in their context.
pub struct InContext<S> {
    service: Rc<S>,
    worker: Rc<Worker>,
}

/// What the requests of one worker share.
struct Worker {
    state: web::Data<State>,
    metrics: Arc<WorkerMetrics>,
    access: Option<AccessLog>,
    ids: RequestIds,
}

impl<S, B> Service<ServiceRequest> for InContext<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (service, worker) = (Rc::clone(&self.service), Rc::clone(&self.worker));
        let occupied = Connection::occupy(&request);
        Box::pin(async move {
            let began = worker.state.clock.now();
            let id = sane_id(&request).unwrap_or_else(|| worker.ids.next());
            let trace = TraceId::of(request.headers());
            let response = match in_flight::enter(&worker.state, &request) {
                // What fails in handlers and extractors is a response by now, with its problem among the extensions.
                Ok(_place) => service.call(request).await?.map_into_boxed_body(),
                Err(problem) => request.into_response(problem.error_response()),
            };
            let response = with_problem_body(response, id.to_str().unwrap_or_default(), trace.as_ref());
            let mut response = compress(response);
            if response.response().body().size() == BodySize::Stream
                && let Some(name) = response.response().extensions().get::<RequestName>()
            {
                name.fill(id.to_str().unwrap_or_default(), trace);
            }
            response.headers_mut().insert(X_REQUEST_ID.clone(), id.clone());
            let response = told(&worker, response, began, id, trace);
            Ok(until_taken(response, occupied))
        })
    }
}

/// Counts the request, and writes its line: now where the whole body is there, else when it is done.
fn told(
    worker: &Rc<Worker>,
    response: ServiceResponse<BoxBody>,
    began: Duration,
    id: HeaderValue,
    trace: Option<TraceId>,
) -> ServiceResponse<BoxBody> {
    let answered = Answered {
        route: response.request().app_data::<RouteIndex>().copied(),
        method: response.request().method().clone(),
        status: response.status(),
        id,
        trace,
    };
    let duration = worker.state.clock.now().saturating_sub(began);
    worker
        .metrics
        .record(answered.route, &answered.method, answered.status, duration);
    let Some(access) = &worker.access else {
        return response;
    };
    match response.response().body().size() {
        BodySize::None => answered.write(access, 0, duration),
        BodySize::Sized(bytes) => answered.write(access, bytes, duration),
        BodySize::Stream => {
            let worker = Rc::clone(worker);
            let done = move |bytes| {
                let duration = worker.state.clock.now().saturating_sub(began);
                if let Some(access) = &worker.access {
                    answered.write(access, bytes, duration);
                }
            };
            return response.map_body(|_, body| BoxBody::new(WatchedBody::new(body, done)));
        }
    }
    response
}

/// Has the request count as under way on its connection until the connection has all of the response.
fn until_taken(response: ServiceResponse<BoxBody>, occupied: Option<Occupied>) -> ServiceResponse<BoxBody> {
    let Some(occupied) = occupied else {
        return response;
    };
    match (response.response().body().size(), response.request().version()) {
        (BodySize::None, _) => response,
        // HTTP/1.1 takes a body that is there at one go, and sends it as its reader lets it.
        (BodySize::Sized(bytes), Version::HTTP_10 | Version::HTTP_11) => {
            occupied.answered(bytes);
            response
        }
        (BodySize::Sized(_) | BodySize::Stream, _) => {
            response.map_body(|_, body| BoxBody::new(WatchedBody::new(body, move |_| drop(occupied))))
        }
    }
}

/// A request whose response is known.
struct Answered {
    route: Option<RouteIndex>,
    method: Method,
    status: StatusCode,
    id: HeaderValue,
    trace: Option<TraceId>,
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

fn with_problem_body(
    response: ServiceResponse<BoxBody>,
    id: &str,
    trace: Option<&TraceId>,
) -> ServiceResponse<BoxBody> {
    if response.status().is_success() {
        return response;
    }
    let problem = response.response().extensions().get::<Problem>().cloned();
    match (problem, response.response().error()) {
        (Some(problem), _) => {
            log(&problem, id, trace);
            response.map_body(|_, _| BoxBody::new(problem.to_json(id)))
        }
        // Whatever is not refused by Hearth's own code is a defect of it.
        (None, Some(error)) => {
            let problem = Problem::new(Code::Internal, "the server failed").with_cause(error.to_string());
            log(&problem, id, trace);
            let body = BoxBody::new(problem.to_json(id));
            let (request, _) = response.into_parts();
            ServiceResponse::new(request, problem.error_response().set_body(body))
        }
        (None, None) => response,
    }
}

/// A failure is logged once, here; a refusal is the caller's to mend, and logged for whoever looks for it.
pub(crate) fn log(problem: &Problem, request_id: &str, trace: Option<&TraceId>) {
    let code = problem.code().as_str();
    let cause = problem.cause();
    let trace_id = trace.map(TraceId::as_str);
    if problem.code().status().is_server_error() {
        tracing::error!(request_id, trace_id, code, cause, "request failed");
    } else {
        tracing::debug!(request_id, trace_id, code, cause, "request refused");
    }
}

fn sane_id(request: &ServiceRequest) -> Option<HeaderValue> {
    let id = request.headers().get(&X_REQUEST_ID)?;
    let text = id.to_str().ok()?;
    let sane = !text.is_empty()
        && text.len() <= REQUEST_ID_CHARS_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    sane.then(|| id.clone())
}

/// The ids that a worker gives: random once, and counted from there, so that no id costs a call of the system or a lock.
struct RequestIds {
    worker: u64,
    given: Cell<u64>,
}

impl RequestIds {
    fn new() -> Self {
        let (_, random) = Uuid::now_v7().as_u64_pair();
        Self {
            worker: random,
            given: Cell::new(0),
        }
    }

    fn next(&self) -> HeaderValue {
        let given = self.given.get();
        self.given.set(given.wrapping_add(1));
        let id = Uuid::from_u64_pair(self.worker, given);
        let mut buffer = Uuid::encode_buffer();
        let text = id.simple().encode_lower(&mut buffer);
        HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
    }
}
