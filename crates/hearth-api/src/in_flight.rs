//! The cap on requests in flight: past it a request is refused at once, before it costs anything.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};

use crate::error::{Code, Problem};
use crate::state::State;

/// Lets a request in if there is a place, and answers [`Code::Overloaded`] if not.
///
/// # Errors
///
/// Those of the services inside.
pub async fn in_flight(
    state: web::Data<State>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // Health tells how it is, however much is under way.
    if request.path().starts_with("/chatbot/health") {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let Some(_place) = state.enter() else {
        let detail = "the server has as many requests as it takes at once; try again";
        let problem = Problem::new(Code::Overloaded, detail);
        return Ok(request.into_response(problem.error_response()));
    };
    Ok(next.call(request).await?.map_into_boxed_body())
}
