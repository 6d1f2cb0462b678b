//! Events as bytes, from a position on.

use std::fmt::Write;

use bytes::Bytes;

use super::position::Position;
use super::told::Told;
use crate::dto::events::Delta;

/// Writes the events of one stream, and leaves out what its caller has already.
#[derive(Debug)]
pub(super) struct Scribe {
    /// How far the caller has come.
    has: Position,
    /// Bytes of the response that were told until now, whether they were written or left out.
    told_bytes: usize,
}

impl Scribe {
    pub(super) const fn from(has: Position) -> Self {
        Self { has, told_bytes: 0 }
    }

    /// The event's bytes; nothing where the caller has it.
    pub(super) fn write(&mut self, told: &Told, request_id: &str) -> Option<Bytes> {
        match told {
            Told::Turn(json) if self.has == Position::Start => Some(event("turn", Position::Bytes(0), json)),
            Told::Turn(_) => None,
            Told::Delta(text) => self.delta(text),
            Told::Done(json) => Some(event("done", Position::End, json)),
            Told::Failed(problem) => Some(event("error", Position::End, &problem.to_json(request_id))),
        }
    }

    fn delta(&mut self, text: &str) -> Option<Bytes> {
        let had = match self.has {
            Position::Start => 0,
            Position::Bytes(bytes) => bytes.saturating_sub(self.told_bytes),
            Position::End => usize::MAX,
        };
        self.told_bytes += text.len();
        // Ids that were made up may lie within a character.
        let rest = text.get(text.ceil_char_boundary(had.min(text.len()))..)?;
        if rest.is_empty() {
            return None;
        }
        let json = serde_json::to_string(&Delta { text: rest }).ok()?;
        Some(event("delta", Position::Bytes(self.told_bytes), &json))
    }
}

/// JSON has no line breaks of its own: the data is one line.
fn event(name: &str, id: Position, json: &str) -> Bytes {
    let mut text = String::with_capacity(json.len() + 40);
    // Writing to memory does not fail.
    let _written = write!(text, "event: {name}\nid: {id}\ndata: {json}\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a caller gets of a response that comes in pieces, from each position on.
    fn written(has: Position, pieces: &[&str]) -> String {
        let mut scribe = Scribe::from(has);
        let turn = [Told::Turn(r#"{"turn_id":"t"}"#.to_owned())];
        let deltas = pieces.iter().map(|piece| Told::Delta((*piece).into()));
        let done = [Told::Done("{}".to_owned())];
        let told = turn.into_iter().chain(deltas).chain(done);
        let bytes = told.filter_map(|told| scribe.write(&told, "r-1"));
        bytes
            .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn events_have_names_ids_and_one_line_of_data() {
        assert_eq!(
            written(Position::Start, &["line\nbreak", "\u{1f525}"]),
            "event: turn\nid: 0\ndata: {\"turn_id\":\"t\"}\n\n\
             event: delta\nid: 10\ndata: {\"text\":\"line\\nbreak\"}\n\n\
             event: delta\nid: 14\ndata: {\"text\":\"\u{1f525}\"}\n\n\
             event: done\nid: end\ndata: {}\n\n"
        );
    }

    #[test]
    fn a_stream_goes_on_at_any_byte_whatever_its_pieces() {
        let text = "one \u{1f525} two";
        for pieces in [
            &["one ", "\u{1f525}", " two"][..],
            &[text],
            &["o", "ne \u{1f525} two"],
        ] {
            for has in 0..=text.len() {
                let written = written(Position::Bytes(has), pieces);
                let deltas = written.lines().filter_map(|line| {
                    let data: serde_json::Value = serde_json::from_str(line.strip_prefix("data: ")?).unwrap();
                    Some(data["text"].as_str()?.to_owned())
                });
                let rest = text.get(text.ceil_char_boundary(has)..).unwrap();
                assert_eq!(deltas.collect::<String>(), rest, "{has}");
                assert!(written.ends_with("event: done\nid: end\ndata: {}\n\n"));
                assert!(!written.contains("event: turn"));
            }
        }
    }

    #[test]
    fn a_failure_is_a_problem_with_its_request() {
        use crate::error::{Code, Problem};

        let problem = Problem::new(Code::ModelFailed, "no").with_cause("secret".to_owned());
        let failed = Told::Failed(Box::new(problem));
        let bytes = Scribe::from(Position::Start).write(&failed, "r-1").unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json = text.strip_prefix("event: error\nid: end\ndata: ").unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["code"], "model_failed");
        assert_eq!(json["request_id"], "r-1");
        assert!(!text.contains("secret"));
    }
}
