//! The conformance suite: what every store must do, one case a promise.
//!
//! A store's crate instantiates it in an integration test (`tests/conformance.rs`), with `tokio` (features `macros` and
//! `rt-multi-thread`) among its dependencies:
//!
//! ```text
//! /// An empty store of its own, and what keeps its database alive for as long as the test runs.
//! async fn open() -> (SqliteStore, tempfile::TempDir) {
//!     let directory = tempfile::tempdir().unwrap();
//!     (SqliteStore::open(..).await.unwrap(), directory)
//! }
//!
//! hearth_testkit::conformance!(open);
//! hearth_testkit::conformance_keys!(open);
//! ```
//!
//! The second is about `KeyStore` alone, which may be kept elsewhere; the first about all the other ports of a store.
//!
//! [`conformance!`](crate::conformance!) takes the path of an async function without parameters that returns a store and a guard, and
//! expands to one `#[tokio::test(flavor = "multi_thread")]` for each case. The store is dropped before the guard, both at the end of the case. Where there is
//! nothing to keep alive, the guard is `()`.
//!
//! Ids are compared by their order only: a store may leave gaps.

pub mod api_keys;
pub mod appending;
pub mod claims;
pub mod completing;
pub mod concurrency;
pub mod contents;
pub mod ending;
pub mod erasing;
pub mod expected_version;
pub mod fence;
pub mod isolation;
pub mod listing;
pub mod loading;
mod observe;
pub mod paging;
mod random;
pub mod turns;
pub mod window;

use std::time::Duration;

use hearth_domain::ports::{HistoryStore, RequestLog, SessionIndex, TurnIndex};

/// What the suite asks of a store.
pub trait Store: HistoryStore + SessionIndex + TurnIndex + RequestLog {}

impl<S: HistoryStore + SessionIndex + TurnIndex + RequestLog> Store for S {}

/// A case that takes longer hangs.
const HANG_GUARD: Duration = Duration::from_secs(120);

/// Runs one case on a store of its own: what [`conformance!`](crate::conformance!) expands to.
///
/// # Panics
///
/// Where the case fails, or hangs.
pub async fn run<S, G, F>(open: impl Future<Output = (S, G)>, case: impl FnOnce(S) -> F)
where
    F: Future<Output = ()>,
{
    let guarded = async {
        let (store, guard) = open.await;
        case(store).await;
        drop(guard);
    };
    let outcome = tokio::time::timeout(HANG_GUARD, Box::pin(guarded)).await;
    assert!(outcome.is_ok(), "the case hangs");
}

/// One test for each case of the [conformance suite](mod@crate::conformance), each on a store of its own.
#[macro_export]
macro_rules! conformance {
    ($open:path) => {
        $crate::conformance_cases! { $open;
            loading::an_unknown_session_is_new_at_version_zero,
            loading::what_was_appended_is_loaded,
            loading::many_keys_are_answered_in_their_order,
            loading::no_keys_get_no_answers,
            appending::versions_grow_by_one_with_each_turn,
            appending::turns_of_one_session_in_one_call_follow_each_other,
            appending::sessions_in_one_call_do_not_mix,
            appending::no_turns_get_no_answers,
            expected_version::the_right_version_is_committed_onto,
            expected_version::a_wrong_version_changes_nothing,
            expected_version::a_wrong_version_disturbs_nobody_else_in_the_call,
            expected_version::a_call_is_its_turns_one_by_one,
            isolation::equal_sessions_of_other_departments_and_users_never_meet,
            isolation::keys_of_equal_joined_text_never_meet,
            isolation::ids_are_compared_byte_for_byte,
            contents::contents_are_kept_byte_for_byte,
            contents::sixteen_messages_of_the_longest_content_are_one_turn,
            contents::metadata_comes_back_on_pages,
            contents::an_incomplete_message_is_loaded_as_such,
            contents::a_time_of_its_own_is_kept_to_the_microsecond,
            contents::a_message_without_a_time_gets_the_time_of_its_commit,
            window::no_more_than_the_responses_are_kept,
            window::no_more_than_the_messages_are_kept,
            window::orphaned_answers_are_cut_and_a_last_question_is_kept,
            window::a_session_that_fits_keeps_its_leading_answer,
            window::any_turns_give_the_window_of_the_reference,
            paging::pages_go_back_from_the_newest,
            paging::pages_go_on_from_the_oldest,
            paging::pages_of_nothing_are_empty,
            ending::an_unknown_session_is_not_created,
            ending::an_ended_session_keeps_its_messages_and_its_first_end,
            ending::a_turn_reopens_an_ended_session,
            erasing::an_erased_session_is_new_at_a_raised_version,
            erasing::an_erase_may_be_repeated_and_of_the_unknown,
            erasing::an_erase_leaves_other_sessions_alone,
            erasing::a_user_is_erased_alone_and_whole,
            erasing::an_erased_session_is_in_no_list,
            fence::a_turn_that_read_what_was_erased_is_refused,
            fence::a_session_that_was_never_erased_has_no_fence,
            fence::an_erase_of_the_unknown_fences_its_first_turn,
            fence::a_repeated_erase_fences_what_was_read_between,
            fence::an_erased_user_is_fenced_in_every_session,
            fence::a_turn_that_is_refused_by_the_fence_disturbs_nobody_else_in_the_call,
            listing::sessions_come_newest_activity_first,
            listing::cursors_page_without_gaps_or_repeats,
            listing::equal_activity_is_ordered_by_id,
            listing::recent_sessions_come_newest_first_of_all_users,
            listing::keys_page_in_order_and_by_department,
            turns::a_turn_is_found_by_the_id_in_its_metadata,
            turns::a_turn_is_its_own_users_alone,
            turns::an_erased_turn_is_not_found,
            turns::a_turn_is_looked_for_among_the_newest_messages,
            claims::a_request_is_granted_once,
            claims::of_many_claims_at_once_one_is_granted,
            claims::equal_keys_of_others_are_other_requests,
            claims::a_claim_by_its_owner_renews_the_lease,
            claims::a_claim_whose_lease_ran_out_is_taken_over,
            claims::a_lease_that_ran_out_still_completes,
            claims::a_claim_given_back_is_granted_at_once,
            claims::only_a_running_claim_can_be_given_back,
            claims::another_body_under_the_same_key_is_told_apart,
            claims::requests_are_forgotten_in_steps,
            completing::a_request_without_a_turn_keeps_its_answer,
            completing::a_commit_completes_its_request,
            completing::a_claim_lost_commits_nothing_and_disturbs_nobody_else_in_the_call,
            completing::a_refused_turn_completes_nothing,
            completing::an_erase_blanks_the_answers_of_its_session,
            completing::an_erased_user_has_no_answers,
            concurrency::turns_of_one_session_get_versions_without_gaps,
            concurrency::one_expected_version_is_won_once,
            concurrency::no_load_sees_half_a_turn,
            concurrency::a_running_store_answers_a_ping,
        }
    };
}

/// The cases about API keys, for whatever keeps them.
#[macro_export]
macro_rules! conformance_keys {
    ($open:path) => {
        $crate::conformance_cases! { $open;
            api_keys::a_key_is_found_as_it_was_made,
            api_keys::keys_are_listed_oldest_first,
            api_keys::a_revoked_key_keeps_its_first_time,
            api_keys::an_id_is_taken_once,
            api_keys::a_key_for_no_department_is_for_none,
        }
    };
}

/// The part of the macros that repeats.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($open:path; $($module:ident::$case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                $crate::conformance::run($open(), $crate::conformance::$module::$case).await;
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    /// A case that the macro does not name would never run.
    #[test]
    fn every_case_is_in_the_macro() {
        let list = include_str!("conformance.rs");
        let modules = [
            ("api_keys", include_str!("conformance/api_keys.rs")),
            ("appending", include_str!("conformance/appending.rs")),
            ("claims", include_str!("conformance/claims.rs")),
            ("completing", include_str!("conformance/completing.rs")),
            ("concurrency", include_str!("conformance/concurrency.rs")),
            ("contents", include_str!("conformance/contents.rs")),
            ("ending", include_str!("conformance/ending.rs")),
            ("erasing", include_str!("conformance/erasing.rs")),
            (
                "expected_version",
                include_str!("conformance/expected_version.rs"),
            ),
            ("fence", include_str!("conformance/fence.rs")),
            ("isolation", include_str!("conformance/isolation.rs")),
            ("listing", include_str!("conformance/listing.rs")),
            ("loading", include_str!("conformance/loading.rs")),
            ("paging", include_str!("conformance/paging.rs")),
            ("turns", include_str!("conformance/turns.rs")),
            ("window", include_str!("conformance/window.rs")),
        ];
        for (module, source) in modules {
            let cases: Vec<&str> = source
                .lines()
                .filter_map(|line| {
                    let (case, _) = line.strip_prefix("pub async fn ")?.split_once("(store: impl ")?;
                    Some(case)
                })
                .collect();
            assert!(!cases.is_empty(), "{module}");
            for case in cases {
                assert!(list.contains(&format!("{module}::{case},")), "{module}::{case}");
            }
        }
    }
}
