//! What a call asks of its caller.

use hearth_domain::Scope;

/// Who may make a call. In open mode everybody may make every call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever reaches the address; neither keys nor rates are looked at.
    Public,
    /// Who has a key with this scope, or any key where none is named, for all departments that the request names.
    Key(Option<Scope>, Named),
}

/// Where a request names departments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// It names none.
    Nowhere,
    /// The query's `department`.
    InQuery,
    /// The body's `department`.
    InBody,
    /// The `department` of each of the body's `sessions`; its `recent` stands for all departments.
    InSessions,
}
