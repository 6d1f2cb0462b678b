//! The change feed: how a replica hears what others commit.

use std::future::{Future, pending};
use std::time::Duration;

use crate::ids::{ConversationKey, Version};

/// Tells of changes to sessions, whoever made them.
///
/// # Contract
///
/// - What is told was committed before it is told, and is seen by every load that begins afterwards.
/// - [`Notice::FreshAsOf`] of a moment comes after everything that was committed before that moment.
/// - [`Notice::Gap`] comes first, and again whenever something may have been missed.
pub trait ChangeFeed: Send + 'static {
    /// The next thing to know, when there is one. Never ends; a feed that has lost its source finds it again by itself.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the caller stops waiting.
    fn next(&mut self) -> impl Future<Output = Notice> + Send;
}

/// Something to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The feed listens anew: what was loaded before may have missed changes.
    Gap,
    /// The source is lost: nothing is told until the next [`Notice::Gap`].
    Lost,
    /// A heartbeat came back that was sent at this moment of the process's [`Clock`](super::Clock).
    FreshAsOf(Duration),
    /// Sessions changed.
    Changes(Vec<Change>),
}

/// A session changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Hearth committed to it.
    Committed {
        /// The session.
        key: ConversationKey,
        /// The version that it reached.
        version: Version,
        /// Whether this replica made the commit.
        own: bool,
    },
    /// It was ended or erased: it leaves memory.
    Gone {
        /// The session.
        key: ConversationKey,
        /// Whether this replica did it.
        own: bool,
    },
    /// Another program wrote its rows: no version tells.
    Foreign(ConversationKey),
    /// Any session may have changed.
    Everything,
}

/// The feed of a process that is the store's only writer: there is nothing to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullFeed;

impl ChangeFeed for NullFeed {
    fn next(&mut self) -> impl Future<Output = Notice> + Send {
        pending()
    }
}
