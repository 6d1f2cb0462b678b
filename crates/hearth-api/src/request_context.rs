//! Around every request: its id, the bodies of problems, the figures, and the log lines.
//!
//! One layer for all of it, written out: each layer of closures would cost a request two allocations.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, ResponseError as _};

use crate::compression::compress;
use crate::connection::Connection;
use crate::error::{Code, Problem};
use crate::routes::RouteIndex;
use crate::spans;
use crate::streaming::RequestName;
use crate::trace_context::TraceId;
use crate::worker::{Begun, Worker};

/// Gives every response an `X-Request-Id`, the caller's where it sent a sane one, and every problem its body; counts the request and
/// writes its line.
pub struct RequestContext(pub Rc<Worker>);

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
            worker: Rc::clone(&self.0),
        }))
    }
}

/// The services of one worker, in their context.
pub struct InContext<S> {
    service: Rc<S>,
    worker: Rc<Worker>,
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
        Box::pin(async move {
            let mut begun = worker.begin(request.head(), Connection::occupy(request.conn_data()));
            worker.trace(&mut begun, request.headers());
            spans::attach(begun.span.as_ref(), &request);
            // What fails in handlers and extractors is a response by then, with its problem among the extensions.
            let response = service.call(request).await?.map_into_boxed_body();
            let (request, response) = with_problem_body(response, &begun).into_parts();
            let response = compress(&request, response);
            if response.body().size() == BodySize::Stream
                && let Some(name) = response.extensions().get::<RequestName>()
            {
                name.fill(begun.id.to_str().unwrap_or_default(), begun.trace);
            }
            let route = request.app_data::<RouteIndex>().copied();
            let response = worker.conclude(begun, route, response);
            Ok(ServiceResponse::new(request, response))
        })
    }
}

fn with_problem_body(mut response: ServiceResponse<BoxBody>, begun: &Begun) -> ServiceResponse<BoxBody> {
    if response.status().is_success() {
        return response;
    }
    let (id, trace) = (begun.id.to_str().unwrap_or_default(), begun.trace.as_ref());
    let problem = response.response_mut().extensions_mut().remove::<Problem>();
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
