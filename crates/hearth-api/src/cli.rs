//! The command line: every command of the `hearth` binary and what it takes.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, Parser, Subcommand};
use hearth_domain::{Department, Departments, Scope};

use crate::commands::keys::NewKey;

/// Characters in the label of a key, at most.
const LABEL_CHARS_MAX: usize = 128;

/// Keeps conversations warm: a conversation-history server for LLM chatbots.
///
/// Without a command it serves. Settings come from built-in defaults, the files of the folder `config`, the environment
/// (HEARTH__SECTION__KEY; HEARTH_PROFILE names a file of that folder) and --set, the later winning over the earlier.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "hearth", version)]
pub struct Cli {
    /// Where settings come from.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// What to do; to serve where none is given.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// The command that was given, or the one that is meant without.
    #[must_use]
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve)
    }
}

/// Where settings come from; taken by every command.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct SettingsArgs {
    /// Set one setting, over every other source, as in --set server.port=8001; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// The folder of default.toml, PROFILE.toml and local.toml [default: config, where there is one]
    #[arg(long, global = true, value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Serve the API; what `hearth` does without a command
    Serve,
    /// Bring the store's tables up to date, and stop
    Migrate(MigrateArgs),
    /// Look at the settings
    Config {
        /// What to do with them.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Make, list and revoke API keys; works beside a running server
    Keys {
        /// What to do with them.
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Take dialogues over from a file of JSON Lines
    ///
    /// Each question with its answers becomes one turn. A line that is wrong is reported with its number and the rest goes
    /// on; the exit code is 1 at the end. A line whose messages its session already begins with is skipped, so that a second
    /// run adds nothing; one that goes on adds what is missing.
    Import {
        /// The file to read; - reads standard input
        file: Stream,
    },
    /// Write every session as JSON Lines, in the form that `import` takes
    Export {
        /// Only this department
        #[arg(long, value_name = "DEPARTMENT")]
        department: Option<Department>,
        /// The file to write; - writes standard output
        #[arg(default_value = "-")]
        file: Stream,
    },
}

/// What is done beyond the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Args)]
pub struct MigrateArgs {
    /// Also build the index that reads of an existing table need, without blocking its writers
    #[arg(long)]
    pub index: bool,
    /// Also put the trigger on the table through which the writes of other programs are noticed
    #[arg(long, conflicts_with = "without_trigger")]
    pub with_trigger: bool,
    /// Take that trigger off the table, and do nothing else
    #[arg(long, conflicts_with = "index")]
    pub without_trigger: bool,
}

/// What can be done with the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Print the settings as they are, each with its source, secrets hidden
    Print,
}

/// What can be done with API keys.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum KeysCommand {
    /// Make a key, and write it to standard output: it is shown this once, and kept only as a hash
    Create(CreateKey),
    /// List the keys, revoked ones included
    List,
    /// Revoke a key; running servers refuse it within seconds
    Revoke {
        /// The key's id: its 16 digits after `hearth_`
        id: String,
    },
}

/// The key that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(group(ArgGroup::new("where").required(true).args(["department", "all_departments"])))]
pub struct CreateKey {
    /// A department that the key opens; may be repeated
    #[arg(long, value_name = "DEPARTMENT")]
    pub department: Vec<Department>,
    /// The key opens every department, those to come included
    #[arg(long)]
    pub all_departments: bool,
    /// What the key is for, with commas between: read (sessions and messages), chat (chat, append, warm up one, end, erase),
    /// admin (warm up many, figures, details)
    #[arg(long, required = true, value_delimiter = ',', value_name = "SCOPES")]
    pub scopes: Vec<Scope>,
    /// What people call the key
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = label)]
    pub label: String,
}

impl From<CreateKey> for NewKey {
    fn from(key: CreateKey) -> Self {
        Self {
            label: key.label,
            departments: if key.all_departments {
                Departments::All
            } else {
                Departments::Only(key.department.into_iter().collect())
            },
            scopes: key.scopes.into_iter().collect(),
        }
    }
}

/// A label is printed on a line with others.
fn label(text: &str) -> Result<String, &'static str> {
    if text.chars().count() > LABEL_CHARS_MAX || text.chars().any(char::is_control) {
        return Err("must be at most 128 characters, none of them a control character");
    }
    Ok(text.to_owned())
}

/// A file, or the standard stream that `-` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stream {
    /// Standard input or standard output, whichever is meant.
    Standard,
    /// A file.
    File(PathBuf),
}

impl FromStr for Stream {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "-" => Self::Standard,
            path => Self::File(PathBuf::from(path)),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lines_mean_their_commands() {
        let dialogues = Stream::File(PathBuf::from("d.jsonl"));
        for (line, command) in [
            ("hearth", Command::Serve),
            ("hearth serve", Command::Serve),
            ("hearth migrate", Command::Migrate(MigrateArgs::default())),
            (
                "hearth migrate --index --with-trigger",
                Command::Migrate(MigrateArgs {
                    index: true,
                    with_trigger: true,
                    without_trigger: false,
                }),
            ),
            (
                "hearth migrate --without-trigger",
                Command::Migrate(MigrateArgs {
                    without_trigger: true,
                    ..MigrateArgs::default()
                }),
            ),
            (
                "hearth config print",
                Command::Config {
                    command: ConfigCommand::Print,
                },
            ),
            (
                "hearth import d.jsonl",
                Command::Import {
                    file: dialogues.clone(),
                },
            ),
            (
                "hearth import -",
                Command::Import {
                    file: Stream::Standard,
                },
            ),
            (
                "hearth export",
                Command::Export {
                    department: None,
                    file: Stream::Standard,
                },
            ),
            (
                "hearth export --department sales d.jsonl",
                Command::Export {
                    department: Some(Department::new("sales").unwrap()),
                    file: dialogues,
                },
            ),
        ] {
            assert_eq!(parse(line).unwrap().into_command(), command, "{line}");
        }
    }

    #[test]
    fn a_key_needs_scopes_and_departments() {
        let parsed = |line| {
            let command = parse(line).unwrap().into_command();
            let Command::Keys {
                command: KeysCommand::Create(key),
            } = command
            else {
                panic!("{line}: {command:?}");
            };
            NewKey::from(key)
        };
        let key = parsed("hearth keys create --department a --department b --scopes chat,read --label x");
        let only = ["a", "b"].map(|name| Department::new(name).unwrap());
        assert_eq!(key.departments, Departments::Only(only.into()));
        assert_eq!(key.scopes, [Scope::Read, Scope::Chat].into());
        assert_eq!(key.label, "x");
        let all = parsed("hearth keys create --all-departments --scopes admin");
        assert_eq!(all.departments, Departments::All);
        for line in [
            "hearth keys create --scopes chat",
            "hearth keys create --department a",
            "hearth keys create --department a --all-departments --scopes chat",
            "hearth keys create --department a --scopes chat,write",
            "hearth keys create --department a --scopes ",
            "hearth keys create --department a --scopes chat --label a\tb",
            "hearth keys revoke",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn settings_are_taken_before_and_after_the_command() {
        for line in [
            "hearth --config-dir etc --set a.b=1 --set c.d=x=y migrate",
            "hearth migrate --set a.b=1 --set c.d=x=y --config-dir etc",
        ] {
            let settings = parse(line).unwrap().settings;
            assert_eq!(settings.set, ["a.b=1", "c.d=x=y"], "{line}");
            assert_eq!(settings.config_dir, Some(PathBuf::from("etc")), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for line in [
            "hearth server",
            "hearth config",
            "hearth import",
            "hearth serve extra",
            "hearth migrate --with-trigger --without-trigger",
            "hearth migrate --index --without-trigger",
            "hearth export --department ",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
