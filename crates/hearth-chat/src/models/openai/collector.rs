//! An answer as it grows.

use hearth_domain::Status;
use hearth_domain::limits::CONTENT_BYTES_MAX;
use hearth_domain::ports::{Answer, Deltas, Usage};

use super::chunk::{self, Finish};
use super::error::UpstreamError;

/// What a stream ends with; servers differ in case and blanks.
const DONE: &[u8] = b"[DONE]";

/// Collects a text piece by piece, and passes the pieces on.
#[derive(Debug, Default)]
pub(super) struct Collector {
    text: String,
    usage: Option<Usage>,
    finish: Option<Finish>,
    is_done: bool,
    is_cut: bool,
}

impl Collector {
    /// Takes the data of an event, or the body of a whole answer.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] where it is an error or no answer.
    pub(super) fn take(&mut self, data: &[u8], deltas: &mut dyn Deltas) -> Result<(), UpstreamError> {
        let data = data.trim_ascii();
        if data.eq_ignore_ascii_case(DONE) {
            self.is_done = true;
            return Ok(());
        }
        if data.is_empty() {
            return Ok(());
        }
        let chunk = chunk::read(data)?;
        if let Some(text) = &chunk.text {
            self.add(text, deltas);
        }
        self.finish = self.finish.or(chunk.finish);
        self.usage = chunk.usage.or(self.usage);
        Ok(())
    }

    /// Adds a piece: what fits into a message, at a character's boundary, and without U+0000, which no store takes.
    fn add(&mut self, piece: &str, deltas: &mut dyn Deltas) {
        let clean: String;
        let mut piece = piece;
        if piece.contains('\0') {
            clean = piece.replace('\0', "");
            piece = &clean;
        }
        let room = CONTENT_BYTES_MAX - self.text.len();
        if piece.len() > room {
            self.is_cut = true;
            piece = piece.get(..piece.floor_char_boundary(room)).unwrap_or_default();
        }
        if !piece.is_empty() {
            self.text.push_str(piece);
            deltas.delta(piece);
        }
    }

    /// Nothing follows, and nothing is missing: the answer was one piece.
    pub(super) const fn ended(&mut self) {
        self.is_done = true;
    }

    /// Whether the text was cut because it is too long to be kept.
    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether nothing that may follow is wanted.
    pub(super) const fn is_over(&self) -> bool {
        self.is_done || self.is_cut
    }

    /// Whether the text is all there, whatever may follow.
    pub(super) const fn is_finished(&self) -> bool {
        self.finish.is_some() || self.is_over()
    }

    /// The answer. One that nothing said the end of is not whole.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Empty`].
    pub(super) fn answer(self) -> Result<Answer, UpstreamError> {
        if self.text.is_empty() {
            return Err(UpstreamError::Empty);
        }
        let is_whole = match self.finish {
            Some(Finish::Done) => true,
            Some(Finish::Filtered) => false,
            None => self.is_done,
        };
        Ok(Answer {
            text: self.text,
            status: if is_whole && !self.is_cut {
                Status::Complete
            } else {
                Status::Incomplete
            },
            usage: self.usage,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Pieces(Vec<String>);

    impl Deltas for Pieces {
        fn delta(&mut self, text: &str) {
            self.0.push(text.to_owned());
        }
    }

    fn collect(events: &[&str]) -> (Result<Answer, UpstreamError>, Vec<String>) {
        let (mut collector, mut pieces) = (Collector::default(), Pieces::default());
        for event in events {
            if let Err(error) = collector.take(event.as_bytes(), &mut pieces) {
                return (Err(error), pieces.0);
            }
        }
        (collector.answer(), pieces.0)
    }

    fn says(text: &str) -> String {
        serde_json::json!({"choices": [{"delta": {"content": text}}]}).to_string()
    }

    const STOP: &str = r#"{"choices":[{"finish_reason":"stop"}]}"#;

    #[test]
    fn an_answer_is_whole_where_something_says_so() {
        let text = says("a");
        for (events, expected) in [
            (vec![text.as_str(), STOP, "[DONE]"], Status::Complete),
            (vec![&text, STOP], Status::Complete),
            (vec![&text, " [done] "], Status::Complete),
            (vec![&text], Status::Incomplete),
            (
                vec![
                    &text,
                    r#"{"choices":[{"finish_reason":"content_filter"}]}"#,
                    "[DONE]",
                ],
                Status::Incomplete,
            ),
        ] {
            assert_eq!(collect(&events).0.unwrap().status, expected, "{events:?}");
        }
        assert!(matches!(collect(&[STOP, "[DONE]"]).0, Err(UpstreamError::Empty)));
        assert!(matches!(collect(&[]).0, Err(UpstreamError::Empty)));
    }

    #[test]
    fn pieces_are_passed_on_as_they_come() {
        let (answer, pieces) = collect(&[&says("a"), "", &says("b\0c"), &says("\0"), STOP]);
        assert_eq!(pieces, ["a", "bc"]);
        assert_eq!(answer.unwrap().text, "abc");
    }

    #[test]
    fn a_long_answer_is_cut_between_characters() {
        let piece = "ü".repeat(10_000);
        let (answer, pieces) = collect(&[&says("a"), &says(&piece), &says(&piece), STOP]);
        let answer = answer.unwrap();
        assert_eq!(
            (answer.text.len(), answer.status),
            (CONTENT_BYTES_MAX - 1, Status::Incomplete)
        );
        assert_eq!(pieces.concat(), answer.text);
        let exact = "a".repeat(CONTENT_BYTES_MAX);
        assert_eq!(
            collect(&[&says(&exact), STOP]).0.unwrap().status,
            Status::Complete
        );
    }
}
