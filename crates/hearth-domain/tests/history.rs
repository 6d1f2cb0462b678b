//! The history's invariants, over rows as they come: any roles, any lengths, any limits.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected stops"
)]

use chrono::DateTime;
use hearth_domain::{
    History, HistoryError, Message, MessageId, MessageView, Role, Status, Version, WindowLimits,
};
use proptest::prelude::*;

fn any_role() -> impl Strategy<Value = Role> {
    prop_oneof![
        6 => Just(Role::User), 6 => Just(Role::Assistant), 1 => Just(Role::System), 1 => Just(Role::Tool)
    ]
}

fn any_rows(longest: usize) -> impl Strategy<Value = Vec<Message>> {
    let row = (any_role(), ".{0,12}", any::<bool>(), 1..4_i64);
    proptest::collection::vec(row, 0..longest).prop_map(|rows| {
        let mut id = 0;
        rows.into_iter()
            .map(|(role, content, whole, step)| {
                id += step;
                Message {
                    id: MessageId(id),
                    role,
                    content,
                    created_at: DateTime::from_timestamp_micros(id * 1_000_003).unwrap(),
                    metadata: (!whole).then(|| serde_json::json!({"status": "incomplete"})),
                }
            })
            .collect()
    })
}

fn any_limits() -> impl Strategy<Value = WindowLimits> {
    (1..6_u16, 1..12_u16).prop_map(|(responses, messages)| WindowLimits::new(responses, messages).unwrap())
}

fn views(rows: &[Message]) -> Vec<MessageView<'_>> {
    rows.iter().map(Message::view).collect()
}

/// What a store reads: the newest rows, one more than the window holds.
fn newest(rows: &[Message], limits: WindowLimits) -> &[Message] {
    let count = usize::try_from(limits.rows_to_read()).unwrap();
    &rows[rows.len().saturating_sub(count)..]
}

fn load(rows: &[Message], version: u64, limits: WindowLimits) -> History {
    History::from_rows(
        &views(newest(rows, limits)),
        Version::new(version).unwrap(),
        limits,
    )
    .unwrap()
}

proptest! {
    #[test]
    fn content_bytes_are_never_too_few_nor_many_too_many(rows in any_rows(12), limits in any_limits()) {
        let history = load(&rows, 1, limits);
        let contents: Vec<usize> = history
            .messages()
            .map(|message| serde_json::to_string(&message.content).unwrap().len() - 2)
            .collect();
        for index in 0..=contents.len() + 1 {
            let rest = contents.get(index..).unwrap_or_default();
            let exact: usize = rest.iter().sum();
            let told = history.content_bytes_from(index);
            prop_assert!(told >= exact && told <= exact + 50 * rest.len(), "{told} for {exact} from {index}");
        }
    }

    #[test]
    fn a_window_is_the_longest_whole_run_of_newest_rows(rows in any_rows(40), limits in any_limits()) {
        let history = load(&rows, 1, limits);
        let kept: Vec<MessageView<'_>> = history.messages().collect();
        let start = rows.len() - kept.len();

        prop_assert_eq!(&kept, &views(&rows[start..]), "the newest rows, unchanged");
        prop_assert_eq!(history.is_truncated(), start > 0);
        prop_assert!(kept.len() <= usize::from(limits.messages_max()));
        let responses = |rows: &[Message]| rows.iter().filter(|row| row.role == Role::Assistant).count();
        prop_assert_eq!(responses(&rows[start..]), usize::from(history.responses()));
        prop_assert!(history.responses() <= limits.responses_max());
        if start > 0 {
            prop_assert!(kept.first().is_none_or(|first| !first.role.is_answer()), "no orphan first");
            let longer = rows[..start].iter().rposition(|row| !row.role.is_answer());
            if let Some(longer) = longer {
                let too_long = rows.len() - longer > usize::from(limits.messages_max())
                    || responses(&rows[longer..]) > usize::from(limits.responses_max());
                prop_assert!(too_long, "a longer window would have fitted");
            }
        }
    }

    #[test]
    fn extending_equals_loading(
        rows in any_rows(40), turns in proptest::collection::vec(1..5_usize, 1..8), limits in any_limits(),
    ) {
        let added: usize = turns.iter().sum::<usize>().min(rows.len());
        let mut known = rows.len() - added;
        let mut history = load(&rows[..known], 0, limits);
        for (turn, version) in turns.into_iter().zip(1..) {
            let next = (known + turn).min(rows.len());
            let turn = views(&rows[known..next]);
            history = history.extended(turn.into_iter(), Version::new(version).unwrap(), limits).unwrap();
            known = next;
            let loaded = load(&rows[..known], version, limits);
            prop_assert_eq!(&history, &loaded);
            prop_assert_eq!(history.etag(), loaded.etag());
            prop_assert_eq!(history.responses(), loaded.responses());
            prop_assert_eq!(history.heap_bytes(), loaded.heap_bytes());
        }
    }

    #[test]
    fn its_bytes_are_a_json_array(rows in any_rows(12)) {
        let history = load(&rows, 1, WindowLimits::default());
        let text = format!("[{}]", std::str::from_utf8(history.json()).unwrap());
        let array: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(array.len(), history.len());
        for (value, message) in array.iter().zip(history.messages()) {
            prop_assert_eq!(&value["content"], &*message.content);
            prop_assert_eq!(value.get("status").is_some(), message.status == Status::Incomplete);
        }
    }
}

#[test]
fn etags_tell_contents_versions_and_truncation_apart() {
    let row = |id, content: &str| Message {
        id: MessageId(id),
        role: Role::User,
        content: content.into(),
        created_at: DateTime::UNIX_EPOCH,
        metadata: None,
    };
    let one = WindowLimits::new(1, 1).unwrap();
    let (a, b) = (row(1, "a"), row(1, "b"));
    let limits = WindowLimits::default();
    let etags = [
        load(std::slice::from_ref(&a), 1, limits).etag(),
        load(&[b], 1, limits).etag(),
        load(std::slice::from_ref(&a), 2, limits).etag(),
        load(&[row(0, "c"), a.clone()], 1, one).etag(),
        History::empty(Version::ZERO).etag(),
    ];
    for (index, etag) in etags.iter().enumerate() {
        assert!(!etags[..index].contains(etag), "{index} collides");
    }
    assert_eq!(etags[0], load(&[a], 1, limits).etag());
}

#[test]
fn rows_out_of_order_are_refused() {
    let row = |id| Message {
        id: MessageId(id),
        role: Role::User,
        content: "a".into(),
        created_at: DateTime::UNIX_EPOCH,
        metadata: None,
    };
    let limits = WindowLimits::default();
    let rows = [row(2), row(1)];
    assert_eq!(
        History::from_rows(&views(&rows), Version::ZERO, limits),
        Err(HistoryError::Unordered)
    );
    let history = load(&rows[..1], 1, limits);
    let turn = [row(2)];
    assert_eq!(
        history.extended(turn.iter().map(Message::view), Version::ZERO, limits),
        Err(HistoryError::Unordered)
    );
}
