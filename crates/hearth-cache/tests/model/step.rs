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
    /// So many thirds of the bound on staleness pass.
    ThirdsPass(u32),
    Feed(FeedStep),
}

/// What can happen with a change feed.
#[derive(Debug, Clone)]
pub(super) enum FeedStep {
    /// A row of another program; the feed tells of it.
    ForeignRow(usize),
    /// It tells of all that happened since it last did.
    Tells,
    /// The same, and its heartbeat comes back.
    KeepsUp,
    /// It tells that anything may have changed.
    TellsOfEverything,
    /// It loses its source; what it has not told is never told.
    IsLost,
    /// It listens anew; what it has not told is never told.
    ListensAnew,
}

/// A life of a cache: what happens, and whether a feed is followed.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) follows: bool,
    pub(super) steps: Vec<Step>,
}

pub(super) fn lives() -> impl Strategy<Value = Life> {
    let alone = prop::collection::vec(step(), 1..80).prop_map(|steps| Life {
        follows: false,
        steps,
    });
    let step = prop_oneof![4 => step(), 3 => feed_step()];
    let following = prop::collection::vec(step, 1..120).prop_map(|steps| Life { follows: true, steps });
    prop_oneof![1 => alone, 2 => following]
}

fn feed_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..SESSIONS).prop_map(Step::AppendBehind),
        1 => (0..SESSIONS).prop_map(Step::EraseBehind),
        3 => (0..SESSIONS).prop_map(Step::Read),
        2 => (0..SESSIONS).prop_map(|number| Step::Feed(FeedStep::ForeignRow(number))),
        4 => Just(Step::Feed(FeedStep::Tells)),
        10 => Just(Step::Feed(FeedStep::KeepsUp)),
        1 => Just(Step::Feed(FeedStep::TellsOfEverything)),
        1 => Just(Step::Feed(FeedStep::IsLost)),
        2 => Just(Step::Feed(FeedStep::ListensAnew)),
        3 => (1..5_u32).prop_map(Step::ThirdsPass),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..SESSIONS;
    let bytes = prop_oneof![3 => Just(10_usize), 2 => Just(500), 1 => Just(6_000)];
    prop_oneof![
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
    ]
}
