//! The cap on requests in flight: past it a request is refused at once, before it costs anything.

use crate::error::{Code, Problem};
use crate::state::{Place, State};

/// A request that was let in.
pub enum Entered<'a> {
    /// It has a place.
    Counted(Place<'a>),
    /// It needs none: health tells how it is, however much is under way.
    Uncounted,
}

/// Lets a request for this path in if there is a place for it.
///
/// # Errors
///
/// [`Code::Overloaded`].
pub fn enter<'a>(state: &'a State, path: &str) -> Result<Entered<'a>, Problem> {
    if path.starts_with("/chatbot/health") {
        return Ok(Entered::Uncounted);
    }
    state.enter().map(Entered::Counted).ok_or_else(|| {
        Problem::new(
            Code::Overloaded,
            "the server has as many requests as it takes at once; try again",
        )
    })
}
