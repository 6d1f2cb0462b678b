//! What a refused turn's conditions are compared with.

use diesel::Queryable;
use hearth_domain::{Append, Version};

use crate::error::Fault;
use crate::rows::version_of;

/// A session's versions, none where Hearth never wrote to it, and whether the turn's request is still its owner's.
#[derive(Queryable)]
pub(crate) struct RefusalRow {
    version: Option<i64>,
    erased_version: Option<i64>,
    is_owned: bool,
}

/// Which of its conditions a turn does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// Its session was erased since it was read.
    Fence,
    /// Its request is not its owner's.
    Claim,
    /// Its session has this version.
    Version(Version),
}

impl RefusalRow {
    /// The first of the turn's conditions that is not met; none where all are met by now.
    pub(crate) fn unmet(&self, append: &Append) -> Result<Option<Unmet>, Fault> {
        let erased = self.erased_version.map(version_of).transpose()?;
        if erased.is_some_and(|erased| append.read_version.is_some_and(|read| read <= erased)) {
            return Ok(Some(Unmet::Fence));
        }
        if append.completes.is_some() && !self.is_owned {
            return Ok(Some(Unmet::Claim));
        }
        let current = version_of(self.version.unwrap_or_default())?;
        let is_other = append.if_version.is_some_and(|expected| expected != current);
        Ok(is_other.then_some(Unmet::Version(current)))
    }
}
