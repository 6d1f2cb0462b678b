//! What can happen, and how often.

use proptest::prelude::*;

use super::SESSIONS;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Read(usize),
    /// So many versions above what the store has.
    ReadSince(usize, u64),
    WarmUp(usize),
    Open(usize),
    Append(usize, usize),
    AppendOntoWrongVersion(usize),
    AppendAndForget(usize),
    AppendBehind(usize),
    EraseBehind(usize),
    End(usize),
    Erase(usize),
    EraseUser,
    Invalidate(usize),
    /// Other sessions come and need room.
    Crowd(usize),
    /// So many quarters of the idle time pass.
    Wait(u32),
    Sweep,
    StoreGoes,
    StorePanics,
    StoreComes,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let session = 0..SESSIONS;
    let bytes = prop_oneof![3 => Just(10_usize), 2 => Just(500), 1 => Just(6_000)];
    let step = prop_oneof![
        12 => session.clone().prop_map(Step::Read),
        3 => (session.clone(), 0..3_u64).prop_map(|(key, above)| Step::ReadSince(key, above)),
        1 => session.clone().prop_map(Step::WarmUp),
        1 => session.clone().prop_map(Step::Open),
        8 => (session.clone(), bytes).prop_map(|(key, bytes)| Step::Append(key, bytes)),
        1 => session.clone().prop_map(Step::AppendOntoWrongVersion),
        1 => session.clone().prop_map(Step::AppendAndForget),
        2 => session.clone().prop_map(Step::AppendBehind),
        1 => session.clone().prop_map(Step::EraseBehind),
        1 => session.clone().prop_map(Step::End),
        1 => session.clone().prop_map(Step::Erase),
        1 => Just(Step::EraseUser),
        2 => session.prop_map(Step::Invalidate),
        1 => (1..40_usize).prop_map(Step::Crowd),
        1 => (1..5_u32).prop_map(Step::Wait),
        1 => Just(Step::Sweep),
        2 => Just(Step::StoreGoes),
        1 => Just(Step::StorePanics),
        3 => Just(Step::StoreComes),
    ];
    prop::collection::vec(step, 1..80)
}
