//! What a row keeps: contents, metadata, times.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use hearth_domain::ports::{Clock, PageFrom, SystemClock};
use hearth_domain::{Role, Status};
use serde_json::json;

use super::Store;
use super::observe::{commit, contents, history};
use crate::build::{assistant, exchange, key, message, turn, user};

/// Whatever a database, an array literal or JSON might trip over.
fn awkward() -> Vec<String> {
    let control: String = (1..=0x1F_u8)
        .map(char::from)
        .chain(['\u{7F}', '\u{85}'])
        .collect();
    let mut contents: Vec<String> = [
        " ",
        "\n",
        "\t",
        "'",
        "''",
        "\"",
        "\\",
        "\\\\",
        "\\n",
        "\\u0000",
        "NULL",
        "null",
        "{}",
        "{a,b}",
        "{\"a\"}",
        "[]",
        "a,b",
        "$1",
        "?",
        "%s",
        "-- x",
        "';drop table chatbot_messages;--",
        "a\r\nb\tc",
        " padded ",
        "0",
        "0123",
        "1e3",
        "日本語",
        "\u{1F469}\u{200D}\u{1F52C}",
        "e\u{301}",
        "\u{FEFF}bom",
        "\u{2028}\u{2029}",
        "\u{10FFFF}",
        "\u{FFFD}",
    ]
    .map(str::to_owned)
    .to_vec();
    contents.push(control);
    contents
}

/// Every awkward content, as a question and as an answer.
pub async fn contents_are_kept_byte_for_byte(store: impl Store) {
    let key = key("d", "u", "s");
    let awkward = awkward();
    for content in &awkward {
        commit(&store, &key, exchange(content, content)).await;
    }
    let page = store.page(&key, PageFrom::Oldest, 200).await.unwrap();
    let stored: Vec<_> = page.messages.into_iter().map(|message| message.content).collect();
    let expected: Vec<_> = awkward
        .iter()
        .flat_map(|content| [content.clone(), content.clone()])
        .collect();
    assert_eq!(stored, expected);
    // The window of thirty responses holds the newest thirty exchanges.
    let newest = expected
        .iter()
        .skip(expected.len() - 60)
        .cloned()
        .collect::<Vec<_>>();
    assert_eq!(contents(&history(&store, &key).await), newest);
}

/// 512 KiB in one turn: four-byte characters, quotes and newlines.
pub async fn sixteen_messages_of_the_longest_content_are_one_turn(store: impl Store) {
    let key = key("d", "u", "s");
    let fillers = ["x", "\u{1F600}", "\"", "\n"];
    let messages: Vec<_> = fillers
        .iter()
        .cycle()
        .take(16)
        .map(|filler| message(Role::User, &filler.repeat(32_768 / filler.len())))
        .collect();
    let committed = commit(&store, &key, turn(&messages)).await;
    assert_eq!(committed.messages.len(), 16);
    let expected: Vec<_> = messages
        .iter()
        .map(|message| message.content().to_owned())
        .collect();
    assert!(
        contents(&history(&store, &key).await) == expected,
        "all bytes come back"
    );
}

/// Whatever JSON it is, and none where there was none.
pub async fn metadata_comes_back_on_pages(store: impl Store) {
    let key = key("d", "u", "s");
    let values = [
        json!({"model": "builtin", "usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
        json!({"text": "日本語 \" \\ \u{1F600}", "list": [1, -2, 3.5, true, null]}),
        json!([]),
        json!("text"),
        json!(7),
    ];
    let mut messages = vec![user("without")];
    messages.extend(
        values
            .iter()
            .map(|value| assistant("with").with_metadata(value.clone())),
    );
    commit(&store, &key, turn(&messages)).await;
    let page = store.page(&key, PageFrom::Newest, 10).await.unwrap();
    let stored: Vec<_> = page
        .messages
        .into_iter()
        .map(|message| message.metadata)
        .collect();
    let expected: Vec<_> = std::iter::once(None).chain(values.map(Some)).collect();
    assert_eq!(stored, expected);
}

/// The status in a row's metadata is the message's status in its history.
pub async fn an_incomplete_message_is_loaded_as_such(store: impl Store) {
    let key = key("d", "u", "s");
    let broken_off = assistant("Once upon").with_metadata(json!({"status": "incomplete", "model": "m"}));
    let strange = assistant("a time").with_metadata(json!({"status": ["incomplete"]}));
    commit(
        &store,
        &key,
        turn(&[user("tell me a story"), broken_off, strange]),
    )
    .await;
    let statuses: Vec<_> = history(&store, &key)
        .await
        .messages()
        .map(|message| message.status)
        .collect();
    assert_eq!(statuses, [Status::Complete, Status::Incomplete, Status::Complete]);
}

/// Finer parts are cut off, on both sides of the epochs that databases count from.
pub async fn a_time_of_its_own_is_kept_to_the_microsecond(store: impl Store) {
    let key = key("d", "u", "s");
    let times: Vec<DateTime<Utc>> = [
        (1_700_000_000, 123_456_000),
        (1_700_000_000, 123_456_789),
        (1_700_000_000, 999_999_999),
        (0, 0),
        (-1, 123_456_789),
        (946_684_799, 123_456_789),
        (-2_208_988_800, 1_000),
        (253_402_300_799, 999_999_000),
    ]
    .map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).unwrap())
    .to_vec();
    let messages: Vec<_> = times.iter().map(|time| user("then").at(*time)).collect();
    let committed = commit(&store, &key, turn(&messages)).await;

    let expected: Vec<_> = times.iter().map(|time| time.trunc_subsecs(6)).collect();
    let answered: Vec<_> = committed.messages.iter().map(|row| row.created_at).collect();
    assert_eq!(answered, expected);
    let loaded: Vec<_> = history(&store, &key)
        .await
        .messages()
        .map(|message| message.created_at)
        .collect();
    assert_eq!(loaded, expected);
    let page = store.page(&key, PageFrom::Newest, 10).await.unwrap();
    let paged: Vec<_> = page.messages.iter().map(|message| message.created_at).collect();
    assert_eq!(paged, expected);
}

/// The store's clock is near ours; an hour tells a wrong time zone from a slow machine.
pub async fn a_message_without_a_time_gets_the_time_of_its_commit(store: impl Store) {
    let key = key("d", "u", "s");
    let committed = commit(&store, &key, exchange("what time is it?", "now")).await;
    let now = SystemClock::default().utc();
    for row in &committed.messages {
        assert!(
            (now - row.created_at).abs() < TimeDelta::minutes(30),
            "{}",
            row.created_at
        );
        assert_eq!(row.created_at, row.created_at.trunc_subsecs(6));
    }
    let loaded: Vec<_> = history(&store, &key)
        .await
        .messages()
        .map(|message| message.created_at)
        .collect();
    let answered: Vec<_> = committed.messages.iter().map(|row| row.created_at).collect();
    assert_eq!(loaded, answered);
}
