//! A stream as a response.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt, empty, unfold};
use hearth_chat::TurnStream;
use hearth_domain::TurnId;
use hearth_domain::ports::KeptTurn;
use tokio::time::timeout;

use super::opening::Opening;
use super::position::Position;
use super::request_name::RequestName;
use super::scribe::Scribe;
use super::told::{Told, of_kept, of_turn};
use crate::request_context::log;
use crate::state::{State, StreamPlace};

/// How long nothing is said until a comment is, so that whatever is in between does not take the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

const COMMENT: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// Where a stream begins.
pub struct StreamStart {
    told: VecDeque<Told>,
    rest: BoxStream<'static, Told>,
    has: Position,
    is_replayed: bool,
}

impl StreamStart {
    /// A turn that was asked for now.
    #[must_use]
    pub fn opened(opening: Opening) -> Self {
        Self {
            told: opening.told.into(),
            rest: of_turn(opening.rest),
            has: Position::Start,
            is_replayed: opening.is_replayed,
        }
    }

    /// A turn that runs here or has just ended, from a position on.
    #[must_use]
    pub fn resumed(events: TurnStream, has: Position) -> Self {
        Self::of(of_turn(events), has)
    }

    /// A turn that only the store knows any more, from a position on.
    #[must_use]
    pub fn kept(turn_id: TurnId, kept: &KeptTurn, has: Position) -> Self {
        Self::of(of_kept(turn_id, kept), has)
    }

    const fn of(rest: BoxStream<'static, Told>, has: Position) -> Self {
        Self {
            told: VecDeque::new(),
            rest,
            has,
            is_replayed: false,
        }
    }
}

/// The response; it has a place among the requests in flight until its last event, or until its caller goes away.
#[must_use]
pub fn event_stream(state: &web::Data<State>, request: &HttpRequest, start: StreamStart) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/event-stream")))
        .insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")))
        .insert_header(("X-Accel-Buffering", "no"));
    if start.is_replayed {
        response.insert_header(("Idempotent-Replayed", "true"));
    }
    if request.method() == Method::HEAD {
        // As long as that of GET, which nobody knows.
        return response.streaming(empty::<Result<Bytes, Infallible>>());
    }
    let name = RequestName::default();
    let place = state.clone().into_inner().enter_stream();
    let mut response = response.streaming(body(start, name.clone(), Some(place)));
    response.extensions_mut().insert(name);
    response
}

/// A stream under way.
struct UnderWay {
    start: StreamStart,
    scribe: Scribe,
    name: RequestName,
    _place: Option<StreamPlace>,
}

fn body(
    start: StreamStart,
    name: RequestName,
    place: Option<StreamPlace>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + 'static {
    let stream = UnderWay {
        scribe: Scribe::from(start.has),
        start,
        name,
        _place: place,
    };
    unfold(stream, async |mut stream| {
        stream.next().await.map(|bytes| (Ok(bytes), stream))
    })
}

impl UnderWay {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let told = match self.start.told.pop_front() {
                Some(told) => told,
                None => match timeout(KEEP_ALIVE, self.start.rest.next()).await {
                    Ok(told) => told?,
                    Err(_elapsed) => return Some(COMMENT),
                },
            };
            if let Told::Failed(problem) = &told {
                log(problem, self.name.id(), self.name.trace());
            }
            if let Some(bytes) = self.scribe.write(&told, self.name.id()) {
                return Some(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_broken_by_comments() {
        let told = [Told::Delta("a".into()), Told::Done("{}".to_owned())];
        let late = stream::iter(told).then(async |told| {
            tokio::time::sleep(KEEP_ALIVE * 5 / 2).await;
            told
        });
        let began = Instant::now();
        let start = StreamStart::of(late.boxed(), Position::Start);
        let mut body = Box::pin(body(start, RequestName::default(), None));
        let mut seen = Vec::new();
        while let Some(Ok(bytes)) = body.next().await {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let first = text.lines().next().unwrap().to_owned();
            seen.push((first, began.elapsed().as_millis()));
        }
        let expected = [
            (": keep-alive", 15_000),
            (": keep-alive", 30_000),
            ("event: delta", 37_500),
            (": keep-alive", 52_500),
            (": keep-alive", 67_500),
            ("event: done", 75_000),
        ];
        let expected = expected.map(|(line, at)| (line.to_owned(), at));
        assert_eq!(seen, expected);
    }
}
