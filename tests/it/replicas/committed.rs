//! What was committed, told by the database itself: triggers write down every turn and every erasure with its version, in the same
//! transaction. The place of a version in its table is given out under the lock of the session's row, so that it tells the order of commits.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::Client;

/// Responses in a history, as the servers are configured.
const RESPONSES_MAX: usize = 30;

const AUDIT: &str = "
    CREATE TABLE audit_versions (session_id text, version bigint, tx bigint, place bigserial);
    CREATE TABLE audit_messages (id bigint, session_id text, role text, content text, tx bigint);
    CREATE FUNCTION audit_version() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO audit_versions VALUES (NEW.session_id, NEW.version, txid_current());
        RETURN NULL;
    END $$;
    CREATE FUNCTION audit_message() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO audit_messages VALUES (NEW.id, NEW.session_id, NEW.role, NEW.content, txid_current());
        RETURN NULL;
    END $$;
    CREATE TRIGGER audit AFTER INSERT OR UPDATE ON chatbot_sessions FOR EACH ROW EXECUTE FUNCTION audit_version();
    CREATE TRIGGER audit AFTER INSERT ON chatbot_messages FOR EACH ROW EXECUTE FUNCTION audit_message();";

/// A message: its id, its role, its content.
pub(crate) type Message = (u64, String, String);

/// What raised a session's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Turn(Vec<Message>),
    Erased,
}

/// By session, what was committed, in the order of its versions: the first one has version 1.
pub(crate) struct Committed(HashMap<String, Vec<Event>>);

/// Begins to write down what is committed.
pub(crate) async fn audit(client: &Client) {
    client.batch_execute(AUDIT).await.unwrap();
}

impl Committed {
    pub(crate) async fn read(client: &Client) -> Self {
        let messages = "SELECT session_id, tx, id, role, content FROM audit_messages ORDER BY id";
        let mut of_transactions: HashMap<(String, i64), Vec<Message>> = HashMap::new();
        for row in client.query(messages, &[]).await.unwrap() {
            let id = row.get::<_, i64>("id").cast_unsigned();
            let message = (id, row.get("role"), row.get("content"));
            let transaction = (row.get("session_id"), row.get("tx"));
            of_transactions.entry(transaction).or_default().push(message);
        }
        let versions = "SELECT session_id, tx, max(version) AS version FROM audit_versions
                        GROUP BY 1, 2 ORDER BY min(place)";
        let mut sessions: HashMap<String, Vec<Event>> = HashMap::new();
        for row in client.query(versions, &[]).await.unwrap() {
            let (session, tx): (String, i64) = (row.get("session_id"), row.get("tx"));
            let version = usize::try_from(row.get::<_, i64>("version")).unwrap();
            let turns = of_transactions
                .remove(&(session.clone(), tx))
                .map(turns)
                .unwrap_or_default();
            let events = sessions.entry(session).or_default();
            let raised = version - events.len();
            match (raised, turns.len()) {
                // The end of a session raises nothing.
                (0, 0) => {}
                (1, 0) => events.push(Event::Erased),
                _ => {
                    assert_eq!(
                        raised,
                        turns.len(),
                        "each turn has a version of its own: {turns:?}"
                    );
                    events.extend(turns.into_iter().map(Event::Turn));
                }
            }
        }
        assert!(
            of_transactions.is_empty(),
            "messages without a version: {of_transactions:?}"
        );
        Self(sessions)
    }

    /// A session's newest version.
    pub(crate) fn newest(&self, session: &str) -> u64 {
        self.events(session).len().try_into().unwrap()
    }

    /// What has this version.
    pub(crate) fn event(&self, session: &str, version: u64) -> Option<&Event> {
        let place = usize::try_from(version).unwrap().checked_sub(1)?;
        self.events(session).get(place)
    }

    /// The history of a session at a version; none where there never was that version.
    pub(crate) fn history(&self, session: &str, version: u64) -> Option<Vec<Message>> {
        let events = self.events(session).get(..usize::try_from(version).unwrap())?;
        let mut turns: Vec<&Vec<Message>> = Vec::new();
        for event in events {
            match event {
                Event::Turn(turn) => turns.push(turn),
                Event::Erased => turns.clear(),
            }
        }
        let window = turns.len().saturating_sub(RESPONSES_MAX);
        Some(turns[window..].iter().copied().flatten().cloned().collect())
    }

    /// The queries of all turns, and how often each was committed.
    pub(crate) fn queries(&self) -> BTreeMap<&str, usize> {
        let mut queries = BTreeMap::new();
        for event in self.0.values().flatten() {
            if let Event::Turn(turn) = event {
                *queries.entry(turn[0].2.as_str()).or_default() += 1;
            }
        }
        queries
    }

    fn events(&self, session: &str) -> &[Event] {
        self.0.get(session).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Every turn of these tests is a query and the response to it.
fn turns(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let turns: Vec<Vec<Message>> = messages.chunks(2).map(<[Message]>::to_vec).collect();
    for turn in &turns {
        let roles: Vec<&str> = turn.iter().map(|(_, role, _)| role.as_str()).collect();
        assert_eq!(
            roles,
            ["user", "assistant"],
            "half a turn was committed: {turn:?}"
        );
    }
    turns
}
