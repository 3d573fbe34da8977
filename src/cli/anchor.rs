//! The command that checkpoints are handed to: how it is written, and how it is run.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout, timeout_at};

use super::keygen::{foreign, one_line};
use crate::manifest::secret_in;
use crate::record::anchored::{AnchorFailure, RECEIPT_LIMIT_BYTES, Receipt};
use crate::session::anchoring::{Anchor, HandedOver};

/// How long the command may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long its output is awaited once it has ended: a process that it left behind may keep the pipes open.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// How much is shown of what it says on standard error.
const SAID_LIMIT_BYTES: usize = 2 * 1024;

/// A command: a program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AnchorCommand {
    program: String,
    arguments: Vec<String>,
    patience: Duration,
}

impl AnchorCommand {
    /// The command that is written so for a shell. It is split as a shell would, and nothing in it is expanded.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("it contains U+0000".into());
        }
        let words = shlex::split(text).ok_or("a quotation mark or a backslash in it has no end")?;
        let mut words = words.into_iter();
        let program = words.next().filter(|program| !program.is_empty()).ok_or("it names no program")?;
        Ok(Self { program, arguments: words.collect(), patience: PATIENCE })
    }

    /// Its first word.
    pub(super) fn first_word(&self) -> &str {
        &self.program
    }

    /// The program, if it is there and can be started: where it is named, or in one of the directories of `path`.
    pub(super) fn found(&self, path: &str) -> Option<PathBuf> {
        if self.program.contains('/') {
            return Some(PathBuf::from(&self.program)).filter(|file| is_program(file));
        }
        let mut files = std::env::split_paths(path).map(|directory| directory.join(&self.program));
        files.find(|file| is_program(file))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in foreign(std::env::vars_os().map(|(name, _)| name)) {
            command.env_remove(name);
        }
        // Ctrl-C, which stops a session in order, does not end it; and its children can be killed with it.
        command.process_group(0);
        command
    }

    async fn run(self, record: String) -> HandedOver {
        let begun = Instant::now();
        let mut out = Captured::new(RECEIPT_LIMIT_BYTES);
        let mut said = Captured::new(SAID_LIMIT_BYTES);
        let mut handed = match self.command().spawn() {
            Err(error) => not_started(&error),
            Ok(child) => {
                let mut group = Group { child };
                match timeout_at(begun + self.patience, group.work(record, &mut out, &mut said)).await {
                    Err(_) => {
                        group.kill().await;
                        let detail = format!("after {} s", self.patience.as_secs());
                        HandedOver { failure: Some((AnchorFailure::Timeout, Some(detail))), ..HandedOver::default() }
                    }
                    Ok(Err(error)) => {
                        group.kill().await;
                        not_started(&error)
                    }
                    Ok(Ok(status)) => ended(status),
                }
            }
        };
        handed.receipt = out.receipt();
        handed.said = one_line(&said.kept);
        handed.elapsed = begun.elapsed();
        handed
    }
}

impl Anchor for AnchorCommand {
    fn program(&self) -> &str {
        &self.program
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn hand_over(&self, record: String) -> BoxFuture<'static, HandedOver> {
        Box::pin(self.clone().run(record))
    }
}

/// Whether the file is there and may be executed.
pub(super) fn is_program(file: &Path) -> bool {
    std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn not_started(error: &std::io::Error) -> HandedOver {
    HandedOver { failure: Some((AnchorFailure::NotStarted, Some(error.to_string()))), ..HandedOver::default() }
}

fn ended(status: ExitStatus) -> HandedOver {
    let exit_code = status.code();
    let failure = match exit_code {
        Some(0) => None,
        Some(_) => Some((AnchorFailure::Exit, None)),
        None => Some((AnchorFailure::Signal, None)),
    };
    HandedOver { exit_code, failure, ..HandedOver::default() }
}

/// The command as a process, with all that it starts. Dropped before it has ended, it is killed.
struct Group {
    child: Child,
}

impl Group {
    /// Hands the record over and waits for the end.
    async fn work(&mut self, record: String, out: &mut Captured, said: &mut Captured) -> std::io::Result<ExitStatus> {
        let (stdin, stdout, stderr) = (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let write = async move {
            if let Some(mut pipe) = stdin {
                // A command that ends without reading it says by its exit code whether that is right.
                let _ = pipe.write_all(record.as_bytes()).await;
            }
        };
        let pipes = async { tokio::join!(write, out.read(stdout), said.read(stderr)) };
        tokio::pin!(pipes);
        tokio::select! {
            _ = &mut pipes => self.child.wait().await,
            status = self.child.wait() => {
                let _ = timeout(AFTERWARDS, pipes).await;
                status
            }
        }
    }

    /// Kills it and its children, unless it has ended.
    fn kill_all(&self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }

    async fn kill(&mut self) {
        self.kill_all();
        let _ = self.child.wait().await;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// The beginning of what comes out of a pipe, and how much all of it is.
struct Captured {
    most: usize,
    kept: Vec<u8>,
    bytes: u64,
}

impl Captured {
    fn new(most: usize) -> Self {
        Self { most, kept: Vec::new(), bytes: 0 }
    }

    /// Reads the pipe to its end, so that nobody waits for a reader.
    async fn read(&mut self, pipe: Option<impl AsyncRead + Unpin>) {
        let Some(mut pipe) = pipe else { return };
        let mut piece = [0; 8 * 1024];
        while let Ok(read @ 1..) = pipe.read(&mut piece).await {
            let room = self.most.saturating_sub(self.kept.len()).min(read);
            self.kept.extend_from_slice(&piece[..room]);
            self.bytes += read as u64;
        }
    }

    fn receipt(&self) -> Receipt {
        match secret_in(&String::from_utf8_lossy(&self.kept)) {
            Some(_) => Receipt::with_a_secret(),
            None => Receipt::new(&self.kept, self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let AnchorCommand { program, arguments, .. } = AnchorCommand::parse(text).unwrap();
        std::iter::once(program).chain(arguments).collect()
    }

    #[test]
    fn a_command_is_split_as_a_shell_would_and_nothing_in_it_is_expanded() {
        assert_eq!(words("git-anchor /srv/audit"), ["git-anchor", "/srv/audit"]);
        assert_eq!(words("  a\t'b c'  \"d e\" f\\ g h'i'\"j\"  "), ["a", "b c", "d e", "f g", "hij"]);
        assert_eq!(words(r#"sh -c 'cat >> "$HOME/x"; echo ok'"#), ["sh", "-c", r#"cat >> "$HOME/x"; echo ok"#]);
        assert_eq!(words(r#"a "\"b\" \\ \$c" '\d' ''"#), ["a", r#""b" \ $c"#, r"\d", ""]);
        assert_eq!(words("a $HOME ~ * | b > c; d &"), ["a", "$HOME", "~", "*", "|", "b", ">", "c;", "d", "&"]);
        for (text, why) in [
            ("", "names no program"),
            ("  ", "names no program"),
            ("'' a", "names no program"),
            ("a 'b", "has no end"),
            ("a \"b", "has no end"),
            ("a\0b", "U+0000"),
        ] {
            assert!(AnchorCommand::parse(text).unwrap_err().contains(why), "{text:?}");
        }
    }

    async fn shell(script: &str, patience: Duration) -> HandedOver {
        let arguments = ["-c", script].map(str::to_owned).to_vec();
        AnchorCommand { program: "sh".into(), arguments, patience }.run("the record\n".into()).await
    }

    #[tokio::test]
    async fn a_command_gets_the_record_and_its_output_is_the_receipt() {
        let handed = shell("cat; echo why >&2; exit 0", PATIENCE).await;
        assert_eq!((handed.exit_code, handed.failure, handed.said.as_str()), (Some(0), None, "why"));
        assert_eq!(handed.receipt.text.as_deref(), Some("the record\n"));
        let failed = shell("exit 3", PATIENCE).await;
        assert_eq!((failed.exit_code, failed.failure), (Some(3), Some((AnchorFailure::Exit, None))));
        assert_eq!(shell("kill -9 $$", PATIENCE).await.failure, Some((AnchorFailure::Signal, None)));
        let much = shell("head -c 1000000 /dev/zero | tr '\\0' x", PATIENCE).await;
        assert_eq!(much.receipt.bytes, Some(1_000_000));
        assert_eq!(much.receipt.text.map(|text| text.len()), Some(RECEIPT_LIMIT_BYTES));
        let missing = AnchorCommand::parse("/no/such/program").unwrap().run(String::new()).await;
        assert!(matches!(missing.failure, Some((AnchorFailure::NotStarted, Some(_)))), "{missing:?}");
        let secret =
            shell("printf '%s\\n' '-----BEGIN OPENSSH PRIVATE KEY-----' b3BlbnNzaC1rZXktdjEAAAAA", PATIENCE).await;
        assert_eq!(secret.receipt, Receipt::with_a_secret());
    }

    #[tokio::test]
    async fn a_command_that_does_not_end_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().join("child");
        let script = format!("(sleep 2; touch '{}') & sleep 60", mark.display());
        let begun = std::time::Instant::now();
        let handed = shell(&script, Duration::from_millis(300)).await;
        assert!(matches!(handed.failure, Some((AnchorFailure::Timeout, _))), "{handed:?}");
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(!mark.exists(), "a child went on");
    }

    #[tokio::test]
    async fn a_process_that_it_leaves_behind_is_not_awaited() {
        let begun = std::time::Instant::now();
        let handed = shell("sleep 20 & echo done", PATIENCE).await;
        assert_eq!((handed.failure, handed.receipt.text.as_deref()), (None, Some("done\n")));
        assert!(begun.elapsed() < Duration::from_secs(15));
    }
}
