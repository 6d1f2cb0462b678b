//! What the rows of one run share: the arguments, the dialogues, and PostgreSQL once a row has asked for it.

use anyhow::{Context, Result};
use hearth_testkit::dialogues::Dialogue;

use crate::arguments::Arguments;
use crate::database::Database;
use crate::dataset::{Dataset, read_dialogues};
use crate::progress::say;

/// One run.
pub(crate) struct Bench {
    pub(crate) arguments: Arguments,
    dialogues: Vec<Dialogue>,
    database: Option<Database>,
}

impl Bench {
    /// # Errors
    ///
    /// Where the dialogues cannot be read.
    pub(crate) fn new(arguments: Arguments) -> Result<Self> {
        let (dialogues, source) = read_dialogues(arguments.dialogues.as_deref())?;
        say(source);
        Ok(Self {
            arguments,
            dialogues,
            database: None,
        })
    }

    /// So many synthetic sessions, fewer where the run is scaled down.
    pub(crate) fn synthetic(&self, sessions: u64) -> Dataset {
        Dataset::synthetic(self.scaled(sessions))
    }

    /// So many sessions, fewer where the run is scaled down, of so many messages of so many bytes.
    pub(crate) fn sized(&self, name: &'static str, sessions: u64, messages: usize, bytes: usize) -> Dataset {
        Dataset::of_size(name, self.scaled(sessions), messages, bytes)
    }

    /// So many sessions of real dialogues, fewer where the run is scaled down.
    pub(crate) fn real(&self, sessions: u64) -> Dataset {
        Dataset::dialogues(&self.dialogues, self.scaled(sessions))
    }

    /// PostgreSQL, started when first asked for.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub(crate) fn database(&mut self) -> Result<&mut Database> {
        if self.database.is_none() {
            say("starting a throw-away PostgreSQL");
            self.database = Some(Database::start()?);
        }
        self.database.as_mut().context("PostgreSQL is gone")
    }

    /// PostgreSQL's version, where a row asked for it.
    pub(crate) fn postgres_version(&self) -> Option<String> {
        self.database.as_ref().map(|database| database.version.clone())
    }

    fn scaled(&self, sessions: u64) -> u64 {
        (sessions / self.arguments.scale_down).max(1)
    }
}
