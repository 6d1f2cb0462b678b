//! Running a program so that it, and what it started in turn, ends when this one is interrupted.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long a program may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a program came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// Because this program was told to stop, by the signal of this number.
    Interrupted(u8),
}

impl Ended {
    /// Whether all went well.
    pub(crate) fn is_success(self) -> bool {
        matches!(self, Self::Exited(status) if status.success())
    }

    /// The code to exit with in turn; a shell's convention for signals.
    pub(crate) fn code(self) -> ExitCode {
        let code = match self {
            Self::Exited(status) => status.code().or_else(|| Some(status.signal()? + 128)),
            Self::Interrupted(number) => Some(i32::from(number) + 128),
        };
        ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
    }
}

/// Runs `command` to its end in a process group of its own; an interruption of this process is passed on to the group.
pub(crate) fn run(command: &mut Command) -> Result<Ended> {
    runtime()?.block_on(async {
        let mut stop = Stop::new()?;
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = tokio::process::Command::from(take(command))
            .spawn()
            .with_context(|| format!("failed to run {name}"))?;
        tokio::select! {
            status = child.wait() => Ok(Ended::Exited(status?)),
            number = stop.recv() => {
                end(&mut child).await?;
                Ok(Ended::Interrupted(number))
            }
        }
    })
}

/// Blocks until this process is told to stop.
pub(crate) fn wait_for_stop() -> Result<()> {
    runtime()?.block_on(async {
        Stop::new()?.recv().await;
        Ok(())
    })
}

/// Asks a process to end.
pub(crate) fn terminate(id: i64) -> Result<()> {
    send("TERM", id)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("failed to start a runtime")
}

/// The same command, alone in its group.
fn take(command: &mut Command) -> Command {
    command.process_group(0);
    std::mem::replace(command, Command::new("true"))
}

async fn end(child: &mut tokio::process::Child) -> Result<()> {
    let Some(id) = child.id() else { return Ok(()) };
    let group = -i64::from(id);
    send("TERM", group)?;
    if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
        send("KILL", group)?;
        child.wait().await?;
    }
    Ok(())
}

/// The shell's own `kill` is on every machine; calling the system for it would be unsafe code.
fn send(signal: &str, target: i64) -> Result<()> {
    Command::new("sh")
        .args([
            "-c",
            "kill -s \"$1\" -- \"$2\"",
            "kill",
            signal,
            &target.to_string(),
        ])
        .status()
        .context("failed to run sh")?;
    Ok(())
}

/// The signals that tell a program to stop.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn recv(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.hang_up.recv() => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Ended {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(&mut command).unwrap()
    }

    #[test]
    fn the_exit_code_is_passed_on() {
        assert!(shell("exit 0").is_success());
        assert!(!shell("exit 3").is_success());
        assert_eq!(
            format!("{:?}", shell("exit 3").code()),
            format!("{:?}", ExitCode::from(3))
        );
        assert_eq!(
            format!("{:?}", shell("kill -s KILL $$").code()),
            format!("{:?}", ExitCode::from(137))
        );
        assert_eq!(
            format!("{:?}", Ended::Interrupted(15).code()),
            format!("{:?}", ExitCode::from(143))
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert!(run(&mut Command::new("/nowhere/program")).is_err());
    }
}
