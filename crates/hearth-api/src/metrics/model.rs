//! Calls of the model: what came of them, how long they took, and their tokens.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_domain::Department;
use hearth_domain::message::Status;
use hearth_domain::ports::{Answer, ChatModel, Clock, Deltas, ModelError, ModelStatus, Prompt};

use super::histogram::{Histogram, Observed};
use super::text::Text;

/// What came of a call, in the order of its counters.
const OUTCOMES: [&str; 7] = [
    "complete",
    "incomplete",
    "failed",
    "timed_out",
    "unavailable",
    "overloaded",
    "abandoned",
];

/// The place of a call that nobody waited for to its end: its turn's time was over.
const ABANDONED: usize = 6;

/// The calls of a model since the server started.
#[derive(Debug, Default)]
pub struct ModelMetrics {
    outcomes: [AtomicU64; OUTCOMES.len()],
    prompt_tokens: AtomicU64,
    completion_tokens: AtomicU64,
    durations: Histogram,
}

/// A model whose calls are counted.
pub struct MeasuredModel {
    model: Arc<dyn ChatModel>,
    metrics: Arc<ModelMetrics>,
    clock: Arc<dyn Clock>,
}

impl MeasuredModel {
    /// Counts the calls of `model`.
    #[must_use]
    pub fn new(model: Arc<dyn ChatModel>, metrics: Arc<ModelMetrics>, clock: Arc<dyn Clock>) -> Self {
        Self {
            model,
            metrics,
            clock,
        }
    }
}

impl ChatModel for MeasuredModel {
    fn name(&self, department: &Department) -> &str {
        self.model.name(department)
    }

    fn answer<'a>(
        &'a self,
        prompt: Prompt,
        deltas: &'a mut dyn Deltas,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, ModelError>> + Send + 'a>> {
        Box::pin(async move {
            let mut call = Call::begin(self);
            let answer = self.model.answer(prompt, deltas).await;
            call.ended(&answer);
            answer
        })
    }

    fn status(&self) -> ModelStatus {
        self.model.status()
    }
}

/// A call under way; it is counted when it is dropped, whatever ended it.
struct Call<'a> {
    of: &'a MeasuredModel,
    began: std::time::Duration,
    outcome: usize,
}

impl<'a> Call<'a> {
    fn begin(of: &'a MeasuredModel) -> Self {
        Self {
            of,
            began: of.clock.now(),
            outcome: ABANDONED,
        }
    }

    fn ended(&mut self, answer: &Result<Answer, ModelError>) {
        self.outcome = match answer {
            Ok(answer) if answer.status == Status::Incomplete => 1,
            Ok(_) => 0,
            Err(ModelError::Failed(_)) => 2,
            Err(ModelError::TimedOut) => 3,
            Err(ModelError::Unavailable { .. }) => 4,
            Err(ModelError::Overloaded) => 5,
        };
        if let Some(usage) = answer.as_ref().ok().and_then(|answer| answer.usage) {
            let metrics = &self.of.metrics;
            metrics
                .prompt_tokens
                .fetch_add(usage.prompt_tokens, Ordering::Relaxed);
            metrics
                .completion_tokens
                .fetch_add(usage.completion_tokens, Ordering::Relaxed);
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let metrics = &self.of.metrics;
        let duration = self.of.clock.now().saturating_sub(self.began);
        metrics
            .outcomes
            .get(self.outcome)
            .map(|count| count.fetch_add(1, Ordering::Relaxed));
        metrics.durations.record(duration);
    }
}

impl ModelMetrics {
    pub(super) fn write(&self, text: &mut Text) {
        let mut calls = text.counter(
            "hearth_model_calls_total",
            "Calls of the model by what came of them.",
        );
        for (outcome, count) in OUTCOMES.into_iter().zip(&self.outcomes) {
            calls.sample(&[("outcome", outcome)], count.load(Ordering::Relaxed));
        }
        let observed = Observed::of([&self.durations]);
        text.histogram(
            "hearth_model_call_duration_seconds",
            "Time that calls of the model took.",
        )
        .buckets(&[], &observed.at_most, observed.count, observed.sum);
        text.counter(
            "hearth_model_tokens_total",
            "Tokens, as far as the model says them.",
        )
        .sample(&[("kind", "prompt")], self.prompt_tokens.load(Ordering::Relaxed))
        .sample(
            &[("kind", "completion")],
            self.completion_tokens.load(Ordering::Relaxed),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    use futures_util::FutureExt;
    use hearth_domain::ports::{SystemClock, Usage};
    use hearth_domain::{History, Version};

    use super::*;

    /// Says what it was told to say; nothing, for ever, where that is nothing.
    struct Told(Mutex<Vec<Option<Result<Answer, ModelError>>>>);

    impl ChatModel for Told {
        fn name(&self, _department: &Department) -> &str {
            "told"
        }

        fn answer<'a>(
            &'a self,
            _prompt: Prompt,
            _deltas: &'a mut dyn Deltas,
        ) -> Pin<Box<dyn Future<Output = Result<Answer, ModelError>> + Send + 'a>> {
            let answer = self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()
                .flatten();
            Box::pin(async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            })
        }
    }

    struct Unheard;

    impl Deltas for Unheard {
        fn delta(&mut self, _text: &str) {}
    }

    fn prompt() -> Prompt {
        Prompt {
            department: Department::new("d").unwrap(),
            system: None,
            history: History::empty(Version::ZERO),
            skipped: 0,
            query: "q".into(),
            stream: false,
            traceparent: None,
        }
    }

    #[test]
    fn every_call_is_counted_once_by_what_came_of_it() {
        let answer = |status| {
            let usage = Usage {
                prompt_tokens: 10,
                completion_tokens: 3,
            };
            Some(Ok(Answer {
                text: "a".to_owned(),
                status,
                usage: Some(usage),
            }))
        };
        let unavailable = ModelError::Unavailable {
            retry_after: Duration::from_secs(1),
            source: "x".into(),
        };
        let told = vec![
            answer(Status::Complete),
            answer(Status::Complete),
            answer(Status::Incomplete),
            Some(Err(ModelError::Failed("x".into()))),
            Some(Err(ModelError::TimedOut)),
            Some(Err(unavailable)),
            Some(Err(ModelError::Overloaded)),
            None,
        ];
        let calls = told.len();
        let metrics = Arc::new(ModelMetrics::default());
        let model = MeasuredModel::new(
            Arc::new(Told(Mutex::new(told))),
            Arc::clone(&metrics),
            Arc::new(SystemClock::default()),
        );
        for _ in 0..calls {
            // The one that never answers is dropped here.
            let _answer = model.answer(prompt(), &mut Unheard).now_or_never();
        }
        let counts: Vec<u64> = metrics
            .outcomes
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        assert_eq!(counts, [2, 1, 1, 1, 1, 1, 1]);
        let mut text = Text::default();
        metrics.write(&mut text);
        let text = text.finish();
        for line in [
            "hearth_model_calls_total{outcome=\"abandoned\"} 1",
            "hearth_model_tokens_total{kind=\"prompt\"} 30",
            "hearth_model_tokens_total{kind=\"completion\"} 9",
            "hearth_model_call_duration_seconds_count 8",
        ] {
            assert!(
                text.lines().any(|other| other == line),
                "{line} is not in: {text}"
            );
        }
    }
}
