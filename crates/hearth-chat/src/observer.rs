//! Who is told of a turn's steps while they happen: a port, so that traces need nothing of the chat and the chat nothing of traces.

use std::fmt;

use crate::request::ChatRequest;

/// A step of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reading the history.
    History,
    /// Asking the model.
    Model,
    /// Committing the turn.
    Commit,
}

/// Is told of the steps of one turn by the turn itself, which goes on when this returns: it must not wait.
pub trait TurnObserver: fmt::Debug + Send + Sync {
    /// A step begins. It has ended when what this returns is dropped.
    fn begin(&self, step: Step) -> Box<dyn StepUnderWay>;
}

/// A step that has begun.
pub trait StepUnderWay: Send {
    /// What a server that is asked in this step is sent as `traceparent`, so that its own part belongs to the step: W3C Trace Context.
    fn traceparent(&self) -> Option<String>;

    /// The step failed. A step that is dropped without this was done, or given up.
    fn failed(&mut self);
}

/// A step of a turn, whether or not anybody is told of it.
pub(crate) struct Observed(Option<Box<dyn StepUnderWay>>);

impl Observed {
    pub(crate) fn begin(request: &ChatRequest, step: Step) -> Self {
        Self(request.observer.as_ref().map(|observer| observer.begin(step)))
    }

    pub(crate) fn traceparent(&self) -> Option<String> {
        self.0.as_ref()?.traceparent()
    }

    /// Ends the step with what came of it.
    pub(crate) fn ended<T, E>(self, outcome: Result<T, E>) -> Result<T, E> {
        if let (Some(mut step), Err(_)) = (self.0, &outcome) {
            step.failed();
        }
        outcome
    }
}
