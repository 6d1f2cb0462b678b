//! Turns that the table will not have, or not whole: each fails alone.

use hearth_domain::ports::{AppendError, HistoryStore, StoreError};

use crate::support::open;
use crate::{append, append_one, contents};

#[tokio::test]
async fn a_turn_that_the_table_refuses_fails_alone() {
    let (store, database) = open().await;
    let client = database.client().await.unwrap();
    client
        .batch_execute("ALTER TABLE chatbot_messages ADD CHECK (content <> 'bad')")
        .await
        .unwrap();
    let turn = |number: usize| {
        let question = if number == 17 {
            "bad".to_owned()
        } else {
            format!("question {number}")
        };
        append(&format!("session {}", number % 5), &question)
    };
    let outcomes = store.append(&(0..40).map(turn).collect::<Vec<_>>()).await;
    let refused: Vec<usize> = (0..40).filter(|number| outcomes[*number].is_err()).collect();
    assert_eq!(refused, [17]);
    assert!(matches!(
        outcomes[17],
        Err(AppendError::NotCommitted(StoreError::Failed(_)))
    ));
    for session in 0..5 {
        let asked: Vec<String> = (0..40)
            .filter(|number| number % 5 == session && *number != 17)
            .flat_map(|number| [format!("question {number}"), "answer".to_owned()])
            .collect();
        assert_eq!(contents(&store, &format!("session {session}")).await, asked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_of_which_the_table_swallows_a_message_fails_alone_and_whole() {
    let (store, database) = open().await;
    let client = database.client().await.unwrap();
    client
        .batch_execute(
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
                 $$BEGIN IF NEW.content = 'swallowed' THEN RETURN NULL; END IF; RETURN NEW; END$$;
             CREATE TRIGGER swallow BEFORE INSERT ON chatbot_messages FOR EACH ROW EXECUTE FUNCTION swallow()",
        )
        .await
        .unwrap();
    let turns = [
        append("a", "one"),
        append("s", "before"),
        append("s", "swallowed"),
        append("s", "after"),
        append("z", "two"),
    ];
    let outcomes = store.append(&turns).await;
    let versions: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().ok().map(|committed| committed.version.get()))
        .collect();
    assert_eq!(versions, [Some(1), Some(1), None, Some(2), Some(1)]);
    assert!(
        matches!(outcomes[2], Err(AppendError::NotCommitted(_))),
        "{outcomes:?}"
    );
    assert_eq!(
        contents(&store, "s").await,
        ["before", "answer", "after", "answer"]
    );
    let committed = "SELECT count(*) = 8 FROM chatbot_messages";
    assert!(client.query_one(committed, &[]).await.unwrap().get::<_, bool>(0));
}

/// The answer's row comes before the commit: what the commit itself refuses must not be told as done.
#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_the_commit_itself_refuses_is_not_acknowledged() {
    let (store, database) = open().await;
    let client = database.client().await.unwrap();
    client
        .batch_execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$BEGIN IF NEW.content = 'bad' THEN RAISE 'refused at the commit'; END IF; RETURN NULL; END$$;
             CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON chatbot_messages DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await
        .unwrap();
    let alone = append_one(&store, append("s", "bad")).await;
    assert!(matches!(alone, Err(AppendError::NotCommitted(_))), "{alone:?}");
    let turns = [append("a", "one"), append("s", "bad"), append("z", "two")];
    let outcomes = store.append(&turns).await;
    let acknowledged: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
    assert_eq!(acknowledged, [true, false, true], "{outcomes:?}");
    assert_eq!(contents(&store, "a").await, ["one", "answer"]);
    assert!(contents(&store, "s").await.is_empty());
}
