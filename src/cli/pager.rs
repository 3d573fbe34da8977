//! What is longer than a terminal goes through a pager there: `$KEYBATCH_PAGER`, else `$PAGER`, else `less -FRX`. What is piped never
//! does.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Environment;

/// The pager if no variable names one: it shows colours, leaves the text on the screen, and ends by itself where one is enough.
const PAGER: (&str, &str) = ("less", "-FRX");

/// What `less` is told by its own variable, where another command starts it.
const LESS: &str = "FRX";

/// How often is looked whether the person has left the pager.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Options of commands that list things.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct PagerOptions {
    /// On a terminal, print without a pager (KEYBATCH_PAGER, PAGER, else less -FRX)
    #[arg(long, env = "KEYBATCH_NO_PAGER")]
    pub(super) no_pager: bool,
}

/// Where data goes.
#[derive(Debug, Clone, Default)]
pub(super) enum Output {
    /// To standard output.
    #[default]
    Standard,
    /// Through a pager; nothing once it has ended.
    Paged(Arc<Mutex<Option<ChildStdin>>>),
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard => io::stdout().write(bytes),
            Self::Paged(pipe) => match pipe.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                Some(pipe) => pipe.write(bytes),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard => io::stdout().flush(),
            // What was written to a pipe is there.
            Self::Paged(_) => Ok(()),
        }
    }
}

/// A pager at work.
#[derive(Debug, Clone)]
pub(super) struct Pager {
    child: Arc<Mutex<Child>>,
    pipe: Arc<Mutex<Option<ChildStdin>>>,
}

/// Whether the program that a command begins with can be found. A command that only a shell understands is taken to be.
fn is_there(command: &str, environment: &Environment) -> bool {
    let Some(program) = command.split_whitespace().next() else { return false };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+/".contains(&byte);
    if !program.bytes().all(is_plain) {
        return true;
    }
    if program.contains('/') {
        return Path::new(program).is_file();
    }
    let path = environment.variable("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
    std::env::split_paths(path).any(|folder| folder.join(program).is_file())
}

impl Pager {
    /// Starts one, if a person reads standard output and there is a pager.
    pub(super) fn start(environment: &Environment) -> Option<Self> {
        // Where nobody says what the terminal can do, a pager can do little, and asks.
        if !environment.stdout_is_terminal || environment.variable("TERM").is_none_or(|term| term == "dumb") {
            return None;
        }
        let mut command = match environment.variable("KEYBATCH_PAGER").or_else(|| environment.variable("PAGER")) {
            Some("cat") => return None,
            // What is not there can show nothing.
            Some(named) if !is_there(named, environment) => return None,
            // As git and man do: it may have arguments, and quotes.
            Some(named) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(named);
                shell
            }
            None => {
                let mut command = Command::new(PAGER.0);
                command.arg(PAGER.1);
                command
            }
        };
        if environment.set("LESS").is_none() {
            command.env("LESS", LESS);
        }
        let mut child = command.stdin(Stdio::piped()).spawn().ok()?;
        let pipe = Arc::new(Mutex::new(child.stdin.take()));
        Some(Self { child: Arc::new(Mutex::new(child)), pipe })
    }

    /// What is written to it.
    pub(super) fn output(&self) -> Output {
        Output::Paged(Arc::clone(&self.pipe))
    }

    /// Waits until the person has left it, which may be long before there is nothing more to show. Ctrl-C is the pager's: without a
    /// handler it would end this process and leave the pager behind.
    pub(super) async fn left(pager: Option<&Self>) {
        let Some(pager) = pager else { return std::future::pending().await };
        let _handler = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
        let has_ended = || {
            let ended = pager.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
            !matches!(ended, Ok(None))
        };
        while !has_ended() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the person has seen it all.
    pub(super) fn end(self) {
        drop(self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _status = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}
