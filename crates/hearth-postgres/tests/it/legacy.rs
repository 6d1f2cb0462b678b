//! Adoption as docs/ADOPTING.md tells it: its SQL is taken from there and executed, block by block, and the program that was there before
//! goes on working all the while.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hearth_domain::ports::{AppendError, Change, HistoryStore, PageFrom, SessionIndex};
use hearth_domain::{Append, Department, NewMessage, Role, Turn, UserId, Version};
use hearth_postgres::adoption::{ForeignWriters, IndexState, Relation};
use hearth_postgres::{PostgresConfig, PostgresStore, ReplicaId, TriggerAdded, migrate};
use hearth_testkit::postgres::TestDatabase;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::trigger::{Foreign, foreign};
use crate::{append, append_one, contents, key};

/// A database that is adopted by the document's steps.
struct Adopted {
    database: TestDatabase,
    owner: Client,
    /// A role belongs to the server: each test has its own.
    role: String,
    replica: ReplicaId,
    blocks: std::vec::IntoIter<String>,
}

impl Adopted {
    async fn by(section: &str) -> Self {
        let database = TestDatabase::empty().await.unwrap();
        Self {
            owner: database.client().await.unwrap(),
            role: format!("server_of_{}", database.name().replace('-', "_")),
            replica: ReplicaId::generate(),
            blocks: blocks_of(section).into_iter(),
            database,
        }
    }

    /// Executes the section's next blocks, as the database's owner.
    async fn steps(&mut self, count: usize) {
        for _ in 0..count {
            let block = self.blocks.next().unwrap().replace("hearth_server", &self.role);
            if let Err(error) = self.owner.batch_execute(&block).await {
                panic!("{error:?} in\n{block}");
            }
        }
    }

    /// Hearth's configuration, with the role's rights alone.
    fn config(&self) -> PostgresConfig {
        let url = self
            .database
            .url()
            .replace("postgres@", &format!("{}@", self.role));
        let mut config = PostgresConfig::new(url);
        config.notify = Some(self.replica);
        config
    }

    fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.config(), Handle::current()).unwrap()
    }

    /// What the document calls the way back; afterwards the role owns nothing, and goes.
    async fn abandon(mut self, table: &str) -> (TestDatabase, Client) {
        self.steps(1).await;
        assert!(self.blocks.next().is_none(), "the way back is the last step");
        let triggers =
            format!("SELECT FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND NOT tgisinternal");
        assert!(self.owner.query(&triggers, &[]).await.unwrap().is_empty());
        let role = &self.role;
        let drop = format!("DROP OWNED BY {role}; DROP ROLE {role}");
        self.owner.batch_execute(&drop).await.unwrap();
        (self.database, self.owner)
    }
}

/// The SQL of one section of the document.
fn blocks_of(section: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ADOPTING.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (_, section) = document.split_once(&format!("\n## {section}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("```sql\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// The program that was there before: writes and reads without a pause until it is stopped.
struct OldProgram {
    is_stopped: Arc<AtomicBool>,
    working: JoinHandle<u64>,
}

impl OldProgram {
    /// Both statements have one parameter, the number of the round; the second brings the number of rows of that round.
    async fn start(database: &TestDatabase, write: &'static str, read: &'static str) -> Self {
        let client = database.client().await.unwrap();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_stopped);
        let working = Handle::current().spawn(async move {
            let mut round = 0_u64;
            while !stop.load(Ordering::SeqCst) {
                round += 1;
                let thread = round.to_string();
                assert_eq!(client.execute(write, &[&thread]).await.unwrap(), 1);
                let row = client.query_one(read, &[&thread]).await.unwrap();
                assert_eq!(row.get::<_, i64>(0), 1, "round {round}");
                tokio::task::yield_now().await;
            }
            round
        });
        Self { is_stopped, working }
    }

    /// How many rounds there were, all of them good.
    async fn stop(self) -> u64 {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.working.await.unwrap()
    }
}

/// A turn of a question and its answer, in the way of the rest.
fn ask(session: &str, question: &str) -> Append {
    append(session, question)
}

fn messages(session: &str, messages: &[(Role, &str)]) -> Append {
    let message = |(role, content): &(Role, &str)| NewMessage::new(*role, *content).unwrap();
    Append::new(
        key(session),
        Turn::new(messages.iter().map(message).collect()).unwrap(),
    )
}

async fn listed(store: &PostgresStore) -> BTreeSet<String> {
    let (department, user) = (Department::new("support").unwrap(), UserId::new("ada").unwrap());
    let page = store.list(&department, &user, None, 100).await.unwrap();
    let sessions = page
        .sessions
        .iter()
        .map(|summary| summary.session.as_str().to_owned());
    sessions.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_this_shape_is_adopted_and_abandoned() {
    let mut adopted = Adopted::by("A table of this shape").await;
    adopted.steps(1).await;
    let before = "INSERT INTO chatbot_messages (department, user_id, session_id, role, content, reviewed) VALUES
                  ('support', 'ada', 'old', 'user', 'Hello', true), ('support', 'ada', 'old', 'assistant', 'Hi', true)";
    adopted.owner.batch_execute(before).await.unwrap();
    let old_program = OldProgram::start(
        &adopted.database,
        "INSERT INTO chatbot_messages (department, user_id, session_id, role, content)
         VALUES ('support', 'bob', $1, 'user', 'Hello')",
        "SELECT count(*) FROM chatbot_messages WHERE user_id = 'bob' AND session_id = $1",
    )
    .await;

    adopted.steps(2).await;
    migrate::run(&adopted.config()).await.unwrap();
    assert_eq!(
        migrate::add_trigger(&adopted.config()).await.unwrap(),
        TriggerAdded::Added
    );
    let store = adopted.store();
    let adoption = store.adoption().await.unwrap();
    assert_eq!(
        (adoption.relation, adoption.index, adoption.foreign_writers),
        (Relation::Table, IndexState::Usable, ForeignWriters::Trigger)
    );
    assert_eq!(adoption.warnings(), [""; 0]);

    assert_eq!(contents(&store, "old").await, ["Hello", "Hi"]);
    let committed = append_one(&store, ask("old", "Still there?")).await.unwrap();
    assert_eq!(committed.version, Version::new(1).unwrap());
    append_one(&store, ask("new", "Who are you?")).await.unwrap();
    assert_eq!(listed(&store).await, ["new", "old"].map(str::to_owned).into());
    assert!(store.page(&key("old"), PageFrom::Oldest, 3).await.unwrap().more);
    let rounds = old_program.stop().await;
    assert!(rounds > 0);

    let mut program = Foreign::on(&adopted.database, ReplicaId::generate()).await;
    let comment = "UPDATE public.chatbot_messages SET content = 'Hi, Ada' WHERE content = 'Hi'";
    assert_eq!(program.run(comment).await, foreign(&["old"]));
    assert_eq!(
        contents(&store, "old").await,
        ["Hello", "Hi, Ada", "Still there?", "answer"]
    );

    // The table's owner, whose search_path knows nothing of Hearth, takes the trigger off; Hearth's role may put it on again.
    let owner = PostgresConfig::new(adopted.database.url());
    assert!(migrate::remove_trigger(&owner).await.unwrap());
    assert_eq!(
        store.adoption().await.unwrap().foreign_writers,
        ForeignWriters::NotCovered
    );
    let added = migrate::add_trigger(&adopted.config()).await.unwrap();
    assert_eq!(added, TriggerAdded::Added);

    drop(store);
    let (_database, owner) = adopted.abandon("public.chatbot_messages").await;
    let insert = "INSERT INTO chatbot_messages (department, user_id, session_id, role, content)
                  VALUES ('support', 'ada', 'new', 'user', 'Hello again') RETURNING id";
    owner.query_one(insert, &[]).await.unwrap();
    let kept = "SELECT count(*) FROM chatbot_messages WHERE user_id = 'ada'";
    let kept: i64 = owner.query_one(kept, &[]).await.unwrap().get(0);
    assert_eq!(kept, 7);
    assert_eq!(program.heard().await, [], "nobody is told any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_shape_is_adopted_and_abandoned() {
    let mut adopted = Adopted::by("A table of another shape").await;
    adopted.steps(1).await;
    let before = "INSERT INTO exchanges (tenant, customer, thread, question, reply) VALUES
                  ('support', 'ada', 'old', 'Hello', 'Hi'), ('support', 'ada', 'old', 'Anybody?', NULL)";
    adopted.owner.batch_execute(before).await.unwrap();
    let old_program = OldProgram::start(
        &adopted.database,
        "INSERT INTO exchanges (tenant, customer, thread, question, reply)
         VALUES ('support', 'bob', $1, 'Hello', 'Hi')",
        "SELECT count(reply) FROM exchanges WHERE customer = 'bob' AND thread = $1",
    )
    .await;

    adopted.steps(4).await;
    migrate::run(&adopted.config()).await.unwrap();
    assert_eq!(
        migrate::add_trigger(&adopted.config()).await.unwrap(),
        TriggerAdded::FunctionOnly
    );
    let store = adopted.store();
    assert_eq!(
        store.adoption().await.unwrap().foreign_writers,
        ForeignWriters::NotCovered
    );
    adopted.steps(1).await;
    let adoption = store.adoption().await.unwrap();
    assert_eq!(
        (adoption.relation, adoption.index, adoption.foreign_writers),
        (Relation::View, IndexState::NotInspected, ForeignWriters::Trigger)
    );

    check_commits(&store, &adopted).await;
    check_the_old_programs_writes(&store, &adopted).await;
    assert_eq!(
        listed(&store).await,
        ["many", "new", "old"].map(str::to_owned).into()
    );
    store.erase(&key("many")).await.unwrap();
    assert_eq!(listed(&store).await, ["new", "old"].map(str::to_owned).into());
    let rounds = old_program.stop().await;
    assert!(rounds > 0);

    drop(store);
    let (_database, owner) = adopted.abandon("public.exchanges").await;
    let kept = "SELECT count(*) FROM exchanges WHERE customer = 'ada'";
    let kept: i64 = owner.query_one(kept, &[]).await.unwrap().get(0);
    assert_eq!(kept, 4, "three of the thread that was there, one of the new one");
}

/// Turns become rows of the table, with ids and times as they are read later, and nobody hears of them as another program's.
async fn check_commits(store: &PostgresStore, adopted: &Adopted) {
    let mut program = Foreign::on(&adopted.database, adopted.replica).await;
    let batch = [ask("new", "One?"), ask("many", "Two?"), ask("many", "Three?")];
    let committed: Vec<_> = store
        .append(&batch)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    for (committed, version) in committed.iter().zip([1, 1, 2]) {
        assert_eq!(committed.version, Version::new(version).unwrap());
    }
    let several = [
        (Role::Assistant, "Welcome"),
        (Role::User, "Four?"),
        (Role::User, "Five?"),
        (Role::Assistant, "answer"),
        (Role::Assistant, "one more"),
    ];
    let mut onto = messages("many", &several);
    onto.if_version = Some(Version::new(2).unwrap());
    append_one(store, onto).await.unwrap();
    let mut heard = program.heard().await;
    heard.retain(|change| !matches!(change, Change::Foreign(key) if key.user.as_str() == "bob"));
    let own = |change: &Change| matches!(change, Change::Committed { own: true, .. });
    assert!(heard.len() == 3 && heard.iter().all(own), "{heard:?}");

    assert_eq!(
        contents(store, "many").await,
        [
            "Two?", "answer", "Three?", "answer", "Welcome", "Four?", "Five?", "answer", "one more"
        ]
    );
    let page = store.page(&key("new"), PageFrom::Oldest, 10).await.unwrap();
    let read = page
        .messages
        .iter()
        .map(|message| (message.id, message.created_at));
    let told = committed
        .first()
        .unwrap()
        .messages
        .iter()
        .map(|row| (row.id, row.created_at));
    assert_eq!(read.collect::<Vec<_>>(), told.collect::<Vec<_>>());
    let row = "SELECT question, reply FROM exchanges WHERE thread = 'new'";
    let row = adopted.owner.query_one(row, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), ("One?", "answer"));

    // What has no place is refused, and nothing of it is kept.
    let system = messages("new", &[(Role::User, "Six?"), (Role::System, "Be brief")]);
    let error = append_one(store, system).await.unwrap_err();
    assert!(matches!(error, AppendError::NotCommitted(_)), "{error:?}");
    assert_eq!(contents(store, "new").await, ["One?", "answer"]);
}

/// A question that the old program asks, and the answer that comes later, are seen when they are there.
async fn check_the_old_programs_writes(store: &PostgresStore, adopted: &Adopted) {
    let mut program = Foreign::on(&adopted.database, adopted.replica).await;
    assert_eq!(contents(store, "old").await, ["Hello", "Hi", "Anybody?"]);
    let answer = "UPDATE exchanges SET reply = 'Me', replied_at = now() WHERE question = 'Anybody?'";
    assert!(program.run(answer).await.contains(&Change::Foreign(key("old"))));
    let question =
        "INSERT INTO exchanges (tenant, customer, thread, question) VALUES ('support', 'ada', 'old', 'Who?')";
    assert!(program.run(question).await.contains(&Change::Foreign(key("old"))));
    assert_eq!(
        contents(store, "old").await,
        ["Hello", "Hi", "Anybody?", "Me", "Who?"]
    );
}
