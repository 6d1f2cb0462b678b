//! What became of a turn.

use hearth_domain::ports::AppendError;
use hearth_domain::{Committed, Version};

use crate::error::{Failure, Fault, FaultKind};
use crate::rows::refusal::Unmet;

/// What became of one turn.
pub(super) type Outcome = Result<Committed, Refusal>;

/// Why a turn was not committed; shared by the turns of a batch.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    Conflict(Version),
    Erased,
    ClaimLost,
    NotCommitted(Fault),
    Unknown(Fault),
    Overloaded,
}

impl Refusal {
    /// The fault, where it is the database's absence: what comes next would meet it too.
    pub(super) fn database_away(&self) -> Option<&Fault> {
        match self {
            Self::NotCommitted(fault) | Self::Unknown(fault) => {
                (fault.kind() != FaultKind::Failed).then_some(fault)
            }
            Self::Conflict(_) | Self::Erased | Self::ClaimLost | Self::Overloaded => None,
        }
    }
}

impl From<Refusal> for AppendError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Conflict(current) => Self::VersionConflict { current },
            Refusal::Erased => Self::Erased,
            Refusal::ClaimLost => Self::ClaimLost,
            Refusal::NotCommitted(fault) => Self::NotCommitted(fault.into()),
            Refusal::Unknown(fault) => Self::Unknown(fault.into()),
            Refusal::Overloaded => Self::Overloaded,
        }
    }
}

impl From<Unmet> for Refusal {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Fence => Self::Erased,
            Unmet::Claim => Self::ClaimLost,
            Unmet::Version(current) => Self::Conflict(current),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(fault) | Failure::Refused(fault) => Self::NotCommitted(fault),
            Failure::Lost(fault) => Self::Unknown(fault),
        }
    }
}
