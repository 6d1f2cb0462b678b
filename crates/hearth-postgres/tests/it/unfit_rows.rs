//! Rows of other programs that cannot be served: they are named, and hide nothing else.

use hearth_domain::ports::{HistoryStore, PageFrom, SessionIndex, StoreError};
use hearth_domain::{Department, UserId, WindowLimits};

use crate::adoption::{INDEX, TABLE, adopted};
use crate::support::store_on;
use crate::{contents, key};

/// A row of session `s` that Hearth cannot serve is named wherever it is read, and its words are not.
async fn check_named(role: &str, content: &str, created_at: &str) {
    let table = TABLE
        .replace("content text NOT NULL", "content text")
        .replace("role varchar(16) NOT NULL", "role varchar(16)")
        .replace("timestamptz NOT NULL", "timestamptz");
    let database = adopted(&format!("{table}{INDEX}")).await;
    let insert = format!(
        "INSERT INTO chatbot_messages (department, user_id, session_id, role, content, created_at)
         VALUES ('support', 'ada', 's', {role}, {content}, {created_at}) RETURNING id"
    );
    let client = database.client().await.unwrap();
    let id: i64 = client.query_one(&insert, &[]).await.unwrap().get(0);
    let store = store_on(&database);
    let load = store.load(&[key("s")], WindowLimits::default()).await;
    let page = store.page(&key("s"), PageFrom::Newest, 10).await;
    for error in [load.unwrap_err(), page.unwrap_err()] {
        let StoreError::Failed(source) = error else {
            panic!("{error}");
        };
        assert!(source.to_string().contains(&format!("row {id} ")), "{source}");
        assert!(!source.to_string().contains("secret"), "{source}");
    }
    // Nobody else's sessions are hidden by it, nor the user's own.
    assert_eq!(contents(&store, "old").await, ["Hello", "Hi"]);
    let (department, user) = (Department::new("support").unwrap(), UserId::new("ada").unwrap());
    let list = store.list(&department, &user, None, 10).await.unwrap();
    assert_eq!(list.sessions.len(), 3);
}

#[tokio::test]
async fn a_row_that_cannot_be_served_is_named() {
    check_named("'robot'", "'secret words'", "now()").await;
    check_named("NULL", "'secret words'", "now()").await;
    check_named("'user'", "NULL", "now()").await;
    check_named("'user'", "'secret words'", "NULL").await;
    check_named("'user'", "'secret words'", "'infinity'").await;
    check_named("'user'", "'secret words'", "'-infinity'").await;
}

#[tokio::test]
async fn rows_without_a_whole_key_are_passed_over() {
    let table = TABLE.replace(
        r#"user_id varchar(128) COLLATE "en-x-icu" NOT NULL"#,
        "user_id varchar(128)",
    );
    let row = "INSERT INTO chatbot_messages (department, session_id, role, content)
               VALUES ('support', 's', 'user', '?'), ('another', 's', 'user', '?'), ('yet another', 's', 'user', '?')";
    let database = adopted(&format!("{table}{INDEX}{row}")).await;
    let store = store_on(&database);
    assert_eq!(store.recent(10).await.unwrap(), [key("Other"), key("old")]);
    assert_eq!(store.keys(None, None, 10).await.unwrap().len(), 2);
}
