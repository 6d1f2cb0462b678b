//! `GET /chatbot/v1/turns/{turn_id}/events`.

use actix_web::{HttpRequest, HttpResponse, web};
use hearth_chat::ResumeError;
use hearth_domain::TurnId;
use hearth_domain::ports::TurnIndex;
use uuid::Uuid;

use crate::error::{Code, Problem};
use crate::extract::Query;
use crate::state::State;
use crate::streaming::{Position, StreamStart, event_stream};

/// Takes up the stream of a turn again, after the event that `Last-Event-ID` names: from here, where the turn runs or has just ended here, else
/// from the store.
///
/// # Errors
///
/// [`Code::TurnElsewhere`] where the turn may still run on another replica, [`Code::NotFound`] where it does not exist, or as
/// [`TurnIndex::find_turn`] has it too much was said since.
pub async fn events(state: web::Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::of(request.query_string(), &["department", "user"])?;
    let (department, user) = query.who()?;
    let turn_id = turn_id(&request)?;
    let has = Position::of(request.headers())?;
    if has == Position::End {
        // An EventSource whose stream has ended asks again by itself, until it is told that there is no more.
        return Ok(HttpResponse::NoContent().finish());
    }
    // All of its events are asked for: where it goes on is a place in the text, whatever pieces that came in.
    match state.chat.resume(turn_id, &department, &user, None).await {
        Ok(events) => {
            let start = StreamStart::resumed(events, has);
            return Ok(event_stream(&state, &request, start));
        }
        Err(ResumeError::NotHere) => {}
        Err(error @ (ResumeError::Erased | ResumeError::History(_))) => return Err(error.into()),
    }
    match state.store().find_turn(&department, &user, turn_id).await? {
        Some(kept) => {
            let start = StreamStart::kept(turn_id, &kept, has);
            Ok(event_stream(&state, &request, start))
        }
        None if state.may_run_elsewhere(turn_id) => Err(Problem::new(
            Code::TurnElsewhere,
            "the turn may run on another replica: ask that one, or again later",
        )),
        None => Err(ResumeError::NotHere.into()),
    }
}

fn turn_id(request: &HttpRequest) -> Result<TurnId, Problem> {
    let text = request.match_info().query("turn_id");
    Uuid::parse_str(text)
        .map(TurnId)
        .map_err(|_| Problem::field(Code::InvalidField, "turn_id", "must be a UUID"))
}
