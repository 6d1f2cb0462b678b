//! A client of event streams.

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

/// The events of a response as they come.
pub(crate) struct EventStream {
    response: Response,
    read: Vec<u8>,
}

impl EventStream {
    /// Asks, and is answered with a stream.
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        Self::of(request.send().await.unwrap()).await
    }

    /// The stream of a response.
    pub(crate) async fn of(response: Response) -> Self {
        if response.status() != StatusCode::OK {
            panic!("{}: {}", response.status(), response.text().await.unwrap());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            read: Vec::new(),
        }
    }

    /// A header of the response.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let value = self.response.headers().get(name)?;
        Some(value.to_str().unwrap())
    }

    /// The next event; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.read.windows(2).position(|bytes| bytes == b"\n\n") {
                let block: Vec<u8> = self.read.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                if !block.starts_with(':') {
                    return Some(event(&block));
                }
                continue;
            }
            match self.response.chunk().await.unwrap() {
                Some(bytes) => self.read.extend_from_slice(&bytes),
                None => {
                    assert!(self.read.is_empty(), "the stream ends within an event");
                    return None;
                }
            }
        }
    }

    /// The next event, which has this name.
    pub(crate) async fn expect(&mut self, name: &str) -> Event {
        let event = self.next().await.unwrap();
        assert_eq!(event.name, name, "{event:?}");
        event
    }

    /// All events up to the end.
    pub(crate) async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn event(block: &str) -> Event {
    let field = |name: &str| {
        let mut values = block
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let value = values.next().unwrap_or_else(|| panic!("no {name}: {block}"));
        assert!(values.next().is_none(), "{name} comes twice: {block}");
        value.to_owned()
    };
    Event {
        name: field("event"),
        id: field("id"),
        data: serde_json::from_str(&field("data")).unwrap(),
    }
}

/// The text of the deltas among events.
pub(crate) fn text(events: &[Event]) -> String {
    let deltas = events.iter().filter(|event| event.name == "delta");
    deltas.map(|event| event.data["text"].as_str().unwrap()).collect()
}

/// The names of events, each as often as it comes.
pub(crate) fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

/// A chat of department `d` and user `u` that asks for a stream.
pub(crate) fn asking(server: &Server, session: &str, query: &str) -> RequestBuilder {
    let body = json!({
        "department": "d", "user": "u", "chatsession_id": session, "chatquery": query, "stream": true,
    });
    server
        .request(reqwest::Method::POST, "/chatbot/v1/chat")
        .json(&body)
}

/// Takes up the stream of a turn of department `d` and user `u`, after an event.
pub(crate) fn resuming(server: &Server, turn_id: &str, last: Option<&str>) -> RequestBuilder {
    let path = format!("/chatbot/v1/turns/{turn_id}/events?department=d&user=u");
    let request = server.request(reqwest::Method::GET, &path);
    match last {
        Some(last) => request.header("Last-Event-ID", last),
        None => request,
    }
}
