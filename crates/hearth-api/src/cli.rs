//! The command line: every command of the `hearth` binary and what it takes.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use hearth_domain::Department;

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
    Migrate {
        /// Also build the index that reads of an existing table need, without blocking its writers
        #[arg(long)]
        index: bool,
    },
    /// Look at the settings
    Config {
        /// What to do with them.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Take dialogues over from a file of JSON Lines
    ///
    /// Each question with its answers becomes one turn. A line that is wrong is reported with its number and the rest goes
    /// on; the exit code is 1 at the end. A session that already holds exactly these messages is skipped, so that a second
    /// run adds nothing.
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

/// What can be done with the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Print the settings as they are, each with its source, secrets hidden
    Print,
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
            ("hearth migrate", Command::Migrate { index: false }),
            ("hearth migrate --index", Command::Migrate { index: true }),
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
            "hearth export --department ",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
