//! `GET /chatbot/v1/sessions`.

use actix_web::{HttpRequest, HttpResponse, web};
use hearth_domain::limits::{SESSION_LIST_DEFAULT, SESSION_LIST_MAX};
use hearth_domain::ports::SessionIndex;

use crate::dto::sessions::{SessionsResponse, read_cursor};
use crate::error::Problem;
use crate::extract::Query;
use crate::state::State;

/// Lists a user's sessions, newest activity first.
///
/// # Errors
///
/// A problem.
pub async fn list(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::of(request.query_string(), &["department", "user", "limit", "after"])?;
    let (department, user) = query.who()?;
    let limit = query.limit(SESSION_LIST_MAX)?.unwrap_or(SESSION_LIST_DEFAULT);
    let after = query.get("after").map(read_cursor).transpose()?;
    let page = state
        .store()
        .list(&department, &user, after.as_ref(), limit)
        .await?;
    Ok(HttpResponse::Ok().json(SessionsResponse::from(&page)))
}
