//! The request's id, for what a stream says and logs after its response began.

use std::sync::{Arc, OnceLock};

use crate::trace_context::TraceId;

/// A request's id and trace, once they are known: a response carries it among its extensions, and whoever gives it its id fills it in.
#[derive(Debug, Clone, Default)]
pub(crate) struct RequestName(Arc<OnceLock<(String, Option<TraceId>)>>);

impl RequestName {
    /// Names the request.
    pub(crate) fn fill(&self, id: &str, trace: Option<TraceId>) {
        self.0.get_or_init(|| (id.to_owned(), trace));
    }

    /// The id; empty until it is known.
    pub(super) fn id(&self) -> &str {
        self.0.get().map_or("", |(id, _)| id)
    }

    /// The caller's trace, where it sent one.
    pub(super) fn trace(&self) -> Option<&TraceId> {
        self.0.get()?.1.as_ref()
    }
}
