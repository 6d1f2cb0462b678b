//! The caps on requests in flight, of all connections and of one: past them a request is refused at once, before it costs anything.

use std::rc::Rc;

use crate::connection::Connection;
use crate::error::{Code, Problem};
use crate::state::{Place, State};

/// A request that was let in.
pub enum Entered<'a> {
    /// It has a place.
    Counted(Place<'a>),
    /// It needs none: health tells how it is, however much is under way.
    Uncounted,
}

/// Lets a request for this path in that came by this connection, if there is a place for it.
///
/// # Errors
///
/// [`Code::Overloaded`].
pub fn enter<'a>(
    state: &'a State,
    connection: Option<&Rc<Connection>>,
    path: &str,
) -> Result<Entered<'a>, Problem> {
    if connection.is_some_and(|connection| connection.is_crowded()) {
        return Err(Problem::new(
            Code::Overloaded,
            "this connection has as many requests as one may have at once; try again, or open another",
        ));
    }
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
