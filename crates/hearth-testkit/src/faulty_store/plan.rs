//! What a faulty store was told, and what it has seen.

use std::collections::HashMap;

use hearth_domain::ConversationKey;

use super::gate::Doorway;

/// The kinds of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// `load`, whatever the number of keys.
    Load,
    /// `append`, whatever the number of turns; a failure is `NotCommitted` for each of them.
    Append,
    /// `page`.
    Page,
    /// `end`.
    End,
    /// `erase`.
    Erase,
    /// `erase_user`.
    EraseUser,
    /// `ping`.
    Ping,
    /// `list`.
    List,
    /// `recent`.
    Recent,
    /// `keys`.
    Keys,
    /// `find_turn`.
    FindTurn,
    /// `claim`.
    Claim,
    /// `complete`.
    Complete,
    /// `release`.
    Release,
    /// `forget_requests`.
    ForgetRequests,
    /// `create_key`.
    CreateKey,
    /// `find_key`.
    FindKey,
    /// `list_keys`.
    ListKeys,
    /// `revoke_key`.
    RevokeKey,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Load,
        Self::Append,
        Self::Page,
        Self::End,
        Self::Erase,
        Self::EraseUser,
        Self::Ping,
        Self::List,
        Self::Recent,
        Self::Keys,
        Self::Claim,
        Self::Complete,
        Self::Release,
        Self::ForgetRequests,
        Self::CreateKey,
        Self::FindKey,
        Self::ListKeys,
        Self::RevokeKey,
    ];
}

/// Where a call can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// A load has begun and has seen nothing yet.
    BeforeLoad,
    /// A load has its rows and has not returned them: whatever happens now, it does not show.
    AfterLoad,
    /// An append has begun and has committed nothing yet.
    BeforeAppend,
    /// An append has committed and has not said so.
    AfterAppend,
    /// An erase of a session has begun and has erased nothing yet.
    BeforeErase,
    /// An erase of a session has erased and has not said so.
    AfterErase,
    /// A question for a key has begun and has seen nothing yet.
    BeforeFindKey,
    /// A claim has begun and has taken nothing yet.
    BeforeClaim,
    /// A claim has its answer and has not returned it.
    AfterClaim,
}

/// What is going to happen, and what happened.
#[derive(Debug, Default)]
pub(super) struct Plan {
    failures: HashMap<Call, usize>,
    pub(super) panic_in_load: bool,
    pub(super) commits_to_forget: usize,
    pub(super) gates: HashMap<Point, Doorway>,
    pub(super) calls: HashMap<Call, usize>,
    pub(super) loads: Vec<Vec<ConversationKey>>,
}

impl Plan {
    pub(super) fn fail(&mut self, call: Call, count: usize) {
        self.failures.insert(call, count);
    }

    pub(super) fn recover(&mut self) {
        self.failures.clear();
        self.panic_in_load = false;
        self.commits_to_forget = 0;
    }

    /// Whether this call fails; `usize::MAX` stands for "until told otherwise".
    pub(super) fn takes_failure(&mut self, call: Call) -> bool {
        let Some(left) = self.failures.get_mut(&call) else {
            return false;
        };
        let fails = *left > 0;
        if *left != usize::MAX {
            *left = left.saturating_sub(1);
        }
        fails
    }

    pub(super) fn takes_forgotten_commit(&mut self) -> bool {
        let forgets = self.commits_to_forget > 0;
        self.commits_to_forget = self.commits_to_forget.saturating_sub(1);
        forgets
    }
}
