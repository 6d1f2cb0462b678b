//! Server-sent events out of bytes that are split anywhere.
//!
//! The rules are those of the WHATWG's HTML standard, section 9.2.6, of which only the data matters here; but the last event counts even
//! where the empty line after it is missing, which servers forget.

/// Bytes of one event's data, and of one line, at most: many times what a whole answer has.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// An event that is larger than any sane one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Takes bytes, gives the data of events.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    /// Whether the event has data so far, be it empty.
    has_data: bool,
    /// Whether `data` was given out, and is the next event's from now on.
    given: bool,
    /// Whether the line before ended with CR, so that an LF now belongs to it.
    after_cr: bool,
    /// Whether anything has come: a byte order mark may stand before it.
    begun: bool,
}

impl Events {
    /// The data of the next event, of which `input` brings the end; what was read is taken off `input`. Nothing once `input` is used up.
    ///
    /// # Errors
    ///
    /// [`TooLarge`]; nothing sensible comes after it.
    pub(super) fn next(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, TooLarge> {
        self.begin();
        while let Some(first) = input.first() {
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                *input = input.get(1..).unwrap_or_default();
                continue;
            }
            let end = input.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, rest) = input.split_at(end.unwrap_or(input.len()));
            if self.line.len() + part.len() > EVENT_BYTES_MAX {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(part);
            self.after_cr = rest.first() == Some(&b'\r');
            *input = rest.get(1..).unwrap_or_default();
            if end.is_some() && self.end_line()? {
                self.given = true;
                return Ok(Some(&self.data));
            }
        }
        Ok(None)
    }

    /// The event that the end of the stream completes.
    ///
    /// # Errors
    ///
    /// [`TooLarge`].
    pub(super) fn last(&mut self) -> Result<Option<&[u8]>, TooLarge> {
        self.begin();
        if !self.line.is_empty() {
            self.end_line()?;
        }
        self.given = true;
        Ok(self.has_data.then_some(&self.data))
    }

    fn begin(&mut self) {
        if std::mem::take(&mut self.given) {
            self.data.clear();
            self.has_data = false;
        }
    }

    /// Takes the line that is complete now; says whether the event is.
    fn end_line(&mut self) -> Result<bool, TooLarge> {
        let line = self.line.as_slice();
        let line = if std::mem::replace(&mut self.begun, true) {
            line
        } else {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        };
        if line.is_empty() {
            self.line.clear();
            return Ok(self.has_data);
        }
        if let Some(value) = data(line) {
            if self.data.len() + value.len() >= EVENT_BYTES_MAX {
                return Err(TooLarge);
            }
            if self.has_data {
                self.data.push(b'\n');
            }
            self.has_data = true;
            self.data.extend_from_slice(value);
        }
        self.line.clear();
        Ok(false)
    }
}

/// The value of a line of data.
fn data(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"data")?;
    if rest.is_empty() {
        return Some(rest);
    }
    let value = rest.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let mut events = Events::default();
        let mut read = Vec::new();
        let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
        for mut piece in pieces {
            while let Some(data) = events.next(&mut piece).unwrap() {
                read.push(text(data));
            }
        }
        read.extend(events.last().unwrap().map(text));
        read
    }

    fn check(stream: &str, expected: &[&str]) {
        assert_eq!(read([stream.as_bytes()]), expected, "{stream:?}");
        // Split at every byte, and at every single place.
        assert_eq!(read(stream.as_bytes().chunks(1)), expected, "{stream:?}");
        for at in 0..stream.len() {
            let (first, second) = stream.as_bytes().split_at(at);
            assert_eq!(read([first, second]), expected, "{stream:?} at {at}");
        }
    }

    #[test]
    fn lines_end_as_they_like() {
        check("data: a\n\ndata: b\n\n", &["a", "b"]);
        check("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]);
        check("data: a\r\rdata: b\r\r", &["a", "b"]);
        check("data: a\r\n\ndata: b\n\r\n", &["a", "b"]);
    }

    #[test]
    fn data_is_what_counts() {
        check(": ping\n\nevent: x\nid: 1\nretry: 2\ndata:a\n\n", &["a"]);
        check("data: a\ndata: b\ndata\ndata:  c\n\n", &["a\nb\n\n c"]);
        check("data:\n\n\n\ndata: ü\n\n", &["", "ü"]);
        check("\u{feff}data: a\n\n", &["a"]);
        check("database: a\nDATA: b\n{\"error\":1}\n\n", &[]);
    }

    #[test]
    fn the_last_event_needs_no_empty_line() {
        check("data: a\n\ndata: b", &["a", "b"]);
        check("data: a\n", &["a"]);
        check("", &[]);
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_kept() {
        let mut events = Events::default();
        let piece = vec![b'a'; EVENT_BYTES_MAX / 2];
        assert_eq!(events.next(&mut &*piece), Ok(None));
        assert_eq!(events.next(&mut &*piece), Ok(None));
        assert_eq!(events.next(&mut &b"a"[..]), Err(TooLarge));

        let mut events = Events::default();
        let mut line = b"data: ".to_vec();
        line.resize(1_024, b'a');
        line.push(b'\n');
        let refused = (0..2 * EVENT_BYTES_MAX / 1_024).any(|_| events.next(&mut &*line).is_err());
        assert!(refused);
    }

    proptest! {
        #[test]
        fn where_it_is_split_makes_no_difference(
            stream in "(data: ?[ab\u{fc}]{0,3}|data|: c|event: e|[a:]{0,2})?(\n|\r|\r\n)?(.{0,2}|\n|\r\n)*",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let whole = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).collect();
            cuts.push(whole.len());
            cuts.sort_unstable();
            let mut began = 0;
            let pieces: Vec<&[u8]> = cuts
                .iter()
                .map(|end| whole.get(std::mem::replace(&mut began, *end)..*end).unwrap())
                .collect();
            let lossy = |pieces: &[&[u8]]| {
                let mut events = Events::default();
                let mut read = Vec::new();
                for mut piece in pieces.iter().copied() {
                    while let Some(data) = events.next(&mut piece).unwrap() {
                        read.push(data.to_vec());
                    }
                }
                read.extend(events.last().unwrap().map(<[u8]>::to_vec));
                read
            };
            prop_assert_eq!(lossy(&pieces), lossy(&[whole]));
        }
    }
}
