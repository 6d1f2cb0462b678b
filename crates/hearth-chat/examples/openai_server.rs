//! Asks an OpenAI-compatible server and shows the answer as it comes: `-- http://127.0.0.1:11434/v1 MODEL "Hello"`, the key in
//! `OPENAI_API_KEY`.

use std::io::{Write, stdout};
use std::sync::Arc;

use hearth_chat::models::openai::BaseUrl;
use hearth_chat::models::{OpenAiConfig, OpenAiModel};
use hearth_domain::ports::{ChatModel, Deltas, Prompt, SystemClock};
use hearth_domain::{Department, History, Version};
use tokio::runtime::Handle;

/// Shows each piece at once.
struct Shown;

impl Deltas for Shown {
    fn delta(&mut self, text: &str) {
        let mut out = stdout().lock();
        // A reader that went away misses the rest.
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(model), Some(query)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("takes a URL, a model and a query".into());
    };
    let mut config = OpenAiConfig::new(BaseUrl::parse(&url)?, model);
    config.api_key = std::env::var("OPENAI_API_KEY").ok().map(Into::into);
    let model = OpenAiModel::new(config, Arc::new(SystemClock::default()), Handle::current())?;
    let prompt = Prompt {
        department: Department::new("example")?,
        system: None,
        history: History::empty(Version::ZERO),
        skipped: 0,
        query: query.into(),
        stream: true,
        traceparent: None,
    };
    let answer = model.answer(prompt, &mut Shown).await?;
    println!("\n{:?}, {:?}", answer.status, answer.usage);
    Ok(())
}
