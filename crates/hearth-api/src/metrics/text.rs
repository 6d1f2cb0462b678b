//! Prometheus' text format, version 0.0.4.

use std::fmt::{self, Write};
use std::time::Duration;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A label: its name and its value.
pub(super) type Label<'a> = (&'static str, &'a str);

/// A text that grows metric by metric. The samples of one metric stand together, after its description.
#[derive(Debug, Default)]
pub(super) struct Text(String);

/// What kind of metric it is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A metric that is being written.
pub(super) struct Metric<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Text {
    /// Begins a counter; its name ends with `_total`.
    pub(super) fn counter(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.begin(name, Kind::Counter, help)
    }

    /// Begins a gauge.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.begin(name, Kind::Gauge, help)
    }

    /// Begins a histogram.
    pub(super) fn histogram(&mut self, name: &'static str, help: &str) -> Metric<'_> {
        self.begin(name, Kind::Histogram, help)
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn begin(&mut self, name: &'static str, kind: Kind, help: &str) -> Metric<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        append(
            &mut self.0,
            format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"),
        );
        Metric {
            text: &mut self.0,
            name,
        }
    }
}

impl Metric<'_> {
    /// A sample.
    pub(super) fn sample(&mut self, labels: &[Label<'_>], value: impl fmt::Display) -> &mut Self {
        self.line("", labels, None, value);
        self
    }

    /// The samples of one histogram: what is within each bound, and the count and the sum of all.
    pub(super) fn buckets(
        &mut self,
        labels: &[Label<'_>],
        within: &[(Duration, u64)],
        count: u64,
        sum: Duration,
    ) -> &mut Self {
        for (bound, within) in within {
            let bound = bound.as_secs_f64().to_string();
            self.line("_bucket", labels, Some(("le", &bound)), within);
        }
        self.line("_bucket", labels, Some(("le", "+Inf")), count);
        self.line("_sum", labels, None, sum.as_secs_f64());
        self.line("_count", labels, None, count);
        self
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &[Label<'_>],
        last: Option<Label<'_>>,
        value: impl fmt::Display,
    ) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (index, (name, value)) in labels.iter().chain(&last).enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            append(self.text, format_args!("{before}{name}=\"{}\"", Escaped(value)));
        }
        if !labels.is_empty() || last.is_some() {
            self.text.push('}');
        }
        append(self.text, format_args!(" {value}\n"));
    }
}

/// A label's value with what would end it escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

fn append(text: &mut String, arguments: fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _written = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_of_prometheus() {
        let mut text = Text::default();
        text.counter("a_total", "What a is.")
            .sample(&[("x", "1"), ("y", "a\\b\"c\nd")], 7);
        text.gauge("b", "What b is.").sample(&[], 0.25);
        let within = [(Duration::from_micros(50), 1), (Duration::from_secs(2), 3)];
        text.histogram("c_seconds", "What c is.").buckets(
            &[("x", "1")],
            &within,
            4,
            Duration::from_millis(1_500),
        );
        assert_eq!(
            text.finish(),
            "# HELP a_total What a is.\n# TYPE a_total counter\n\
             a_total{x=\"1\",y=\"a\\\\b\\\"c\\nd\"} 7\n\
             # HELP b What b is.\n# TYPE b gauge\n\
             b 0.25\n\
             # HELP c_seconds What c is.\n# TYPE c_seconds histogram\n\
             c_seconds_bucket{x=\"1\",le=\"0.00005\"} 1\n\
             c_seconds_bucket{x=\"1\",le=\"2\"} 3\n\
             c_seconds_bucket{x=\"1\",le=\"+Inf\"} 4\n\
             c_seconds_sum{x=\"1\"} 1.5\n\
             c_seconds_count{x=\"1\"} 4\n"
        );
    }
}
