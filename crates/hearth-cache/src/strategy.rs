//! How histories are read: the setting by which Hearth's memory is switched off without another deployment.

/// How histories are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// From memory, and from the store once a session.
    #[default]
    MemoryFirst,
    /// From the store, on every read; nothing is kept. Reads of a session at the same time share a call.
    PassThrough,
}
