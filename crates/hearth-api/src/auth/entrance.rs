//! The check in front of every route.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage, ResponseError, web};

use super::access::{Access, Named};
use super::caller::{Caller, Pass};
use super::guard::Refusal;
use crate::error::{Code, Problem};
use crate::extract::Query;
use crate::in_flight;
use crate::rate_limit::Rate;
use crate::routes::{Entry, method_not_allowed};
use crate::state::State;

/// Lets a request in whose caller may make it, while there is a place for it among those in flight, and answers 401, 403, 405 or 429 if not.
/// Nothing is looked up before.
///
/// Departments in a body are checked where the body is read, with the [`Pass`] that the request carries from here on.
pub struct Entrance(pub &'static Entry);

impl<S> Transform<S, ServiceRequest> for Entrance
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = BehindEntrance<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(BehindEntrance {
            service: Rc::new(service),
            entry: self.0,
        }))
    }
}

/// The handlers of a path, behind their entrance.
pub struct BehindEntrance<S> {
    service: Rc<S>,
    entry: &'static Entry,
}

impl<S> Service<ServiceRequest> for BehindEntrance<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (service, entry) = (Rc::clone(&self.service), self.entry);
        Box::pin(async move {
            // A handler whose method is not among the entry's calls is not reached.
            let Some(access) = entry.access(request.method()) else {
                return Ok(request.into_response(method_not_allowed(entry).error_response()));
            };
            let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
                let problem = Problem::new(Code::Internal, "the server has no state");
                return Ok(request.into_response(problem.error_response()));
            };
            let _place = match in_flight::enter(&state, request.conn_data(), request.path()) {
                Ok(place) => place,
                Err(problem) => return Ok(request.into_response(problem.error_response())),
            };
            let rate = match admit(access, &state, &request).await {
                Ok(rate) => rate,
                Err(refusal) => return Ok(request.into_response(refusal.into_response())),
            };
            let mut response = service.call(request).await?;
            if let Some(rate) = rate {
                rate.write(response.headers_mut());
            }
            Ok(response)
        })
    }
}

async fn admit(access: Access, state: &State, request: &ServiceRequest) -> Result<Option<Rate>, Refusal> {
    let Access::Key(scope, named) = access else {
        return Ok(None);
    };
    let (caller, rate) = state.guard.identify(request.head()).await?;
    let with_rate = |problem: Problem| Refusal {
        rate,
        ..problem.into()
    };
    if let Some(scope) = scope.filter(|scope| !caller.has(*scope)) {
        let detail = format!("the API key has no scope {}", scope.as_str());
        return Err(with_rate(Problem::new(Code::MissingScope, detail)));
    }
    if let Caller::Holder(_) = caller {
        if named == Named::InQuery {
            // Before any other parameter is read, so that their refusals tell nothing either.
            let department = Query::department_of(request.query_string());
            department
                .and_then(|department| caller.check(&department))
                .map_err(with_rate)?;
        } else {
            request.extensions_mut().insert(Pass { caller, named });
        }
    }
    Ok(rate)
}
