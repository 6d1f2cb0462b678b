//! The store by itself: migrates the database that `DATABASE_URL` names, commits a turn to a session and reads the session back. Run it
//! twice, and the second run reads what the first one wrote.

use std::error::Error;

use hearth_domain::ports::HistoryStore;
use hearth_domain::{Append, ConversationKey, NewMessage, Role, Turn, WindowLimits};
use hearth_postgres::{PostgresConfig, PostgresStore, migrate};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the conversation is this program's answer")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("DATABASE_URL").map_err(|_| "DATABASE_URL must name a PostgreSQL database")?;
    let config = PostgresConfig::new(url);
    migrate::run(&config).await?;
    let store = PostgresStore::open(&config, tokio::runtime::Handle::current())?;
    let adoption = store.adoption().await?;
    println!("messages are in {} ({:?})", adoption.name, adoption.relation);

    let key = ConversationKey::parse("examples", "ada", "standalone")?;
    let messages = vec![
        NewMessage::new(Role::User, "How long have we talked?")?,
        NewMessage::new(Role::Assistant, "Count the lines.")?,
    ];
    let append = Append {
        key: key.clone(),
        turn: Turn::new(messages)?,
        if_version: None,
        read_version: None,
        completes: None,
    };
    for outcome in store.append(&[append]).await {
        println!("committed as version {}", outcome?.version);
    }
    for lookup in store.load(&[key], WindowLimits::default()).await? {
        for message in lookup.into_history().messages() {
            println!("{} {}: {}", message.id, message.role.as_str(), message.content);
        }
    }
    Ok(())
}
