//! `ssh-keygen`, run as a program: it makes every signature, and verifies those that keybatch itself cannot.
//!
//! Keys stay where they are: the program finds the agent by SSH_AUTH_SOCK, asks for a passphrase at the terminal, and waits for a
//! touch of a hardware key.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::scratch::Scratch;
use super::{CliError, Code, Context, Exit};
use crate::record::ssh::{Answer, Program, PublicKey, Question, Signature, Verification};

/// The program, looked for in PATH.
const PROGRAM: &str = "ssh-keygen";

/// How long a person may take: to type a passphrase, or to touch a key.
const PERSON: Duration = Duration::from_secs(120);

/// How long it may take where no person is asked.
const ALONE: Duration = Duration::from_secs(20);

/// Larger than anything that it prints.
const MAX_OUTPUT_BYTES: u64 = 256 * 1024;

/// How often it is looked whether the program has ended: short beside the milliseconds that a signature takes.
const LOOKED_AT: Duration = Duration::from_millis(2);

/// Which key signs.
#[derive(Debug, Clone)]
pub(super) struct SigningKey {
    /// A file: of a private key, of a public key whose private half the agent has, or of a certificate over such a key.
    pub(super) file: PathBuf,
    /// Whether the agent must have it.
    pub(super) agent: bool,
}

/// Whether a person may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// At the terminal, or through SSH_ASKPASS. What the program says, e.g. that it waits for a touch, is seen there at once.
    Person,
    /// Nobody is: in the midst of a session, a question would wait unseen. Nor does Ctrl-C, which stops a session in order, end
    /// the program.
    Nobody,
}

/// Signs `text` for `namespace`, and makes sure that the signature holds.
///
/// # Errors
/// Where there is no signature, with what to do about it.
pub(super) fn sign(key: &SigningKey, namespace: &str, text: &[u8], asking: Asking) -> Result<Signature, CliError> {
    let mut arguments: Vec<&OsStr> = ["-q", "-Y", "sign"].map(OsStr::new).to_vec();
    if key.agent {
        arguments.push(OsStr::new("-U"));
    }
    let file = key.file.as_os_str();
    arguments.extend([OsStr::new("-f"), file, OsStr::new("-n"), OsStr::new(namespace)]);
    let ended = run(&arguments, text, asking).map_err(|error| not_run(&error))?;
    let shown = super::shown(&key.file.to_string_lossy());
    let refused = |why: &str| {
        let mut error = CliError::new(Exit::Environment, format!("ssh-keygen did not sign with the key {shown}"))
            .code(Code::Signing);
        error.causes.extend(Some(why.to_owned()).filter(|why| !why.is_empty()));
        error
    };
    if !ended.good {
        let hint = match asking {
            Asking::Person => {
                "name a private key, or a public key or certificate whose private key the agent has (ssh-add)"
            }
            Asking::Nobody => {
                "a session cannot ask for a passphrase or a touch: add the key to an agent with ssh-add, and name its file"
            }
        };
        return Err(refused(&ended.said).hint(hint));
    }
    let text_of_signature = String::from_utf8_lossy(&ended.out);
    let signature = Signature::parse(&text_of_signature)
        .map_err(|error| refused(&format!("what it printed is no signature: {error}")))?;
    match signature.verify(namespace, text) {
        Verification::Verified | Verification::NeedsProgram(_) => Ok(signature),
        Verification::Bad(bad) => Err(refused(&format!("its signature does not hold: {bad}"))),
    }
}

/// The only key of the agent, as a file that names it.
///
/// # Errors
/// Where there is no agent, or it has no key or several.
pub(super) fn key_of_agent(scratch: &Scratch) -> Result<SigningKey, CliError> {
    let refused = |why: &str| CliError::new(Exit::Environment, why.to_owned()).code(Code::Signing);
    let ended = run_program("ssh-add", &[OsStr::new("-L")], b"", Asking::Nobody)
        .map_err(|error| refused("ssh-add cannot be run, so the agent's keys are not known").hint(error.to_string()))?;
    let listed = String::from_utf8_lossy(&ended.out).into_owned();
    let keys: Vec<&str> = listed.lines().filter(|line| PublicKey::from_file(line).is_some()).collect();
    match keys.as_slice() {
        [] => {
            Err(refused("there is no agent with a key").hint("add the key with ssh-add, or name its file with --key"))
        }
        [one] => {
            let file = scratch.path().join("agent.pub");
            write_new(&file, format!("{one}\n").as_bytes())
                .map_err(|error| refused("the agent's key cannot be noted").hint(error.to_string()))?;
            Ok(SigningKey { file, agent: true })
        }
        several => {
            let named = several.iter().filter_map(|line| {
                let comment = line.splitn(3, ' ').nth(2).unwrap_or_default();
                let key = PublicKey::from_file(line)?;
                Some(format!("{} {} {}", key.kind(), key.fingerprint(), super::shown(comment)))
            });
            let refused =
                CliError::new(Exit::Usage, format!("the agent has {} keys", several.len())).code(Code::Signing);
            let refused = named.fold(refused, |refused, key| refused.hint(format!("it has {key}")));
            Err(refused.hint("name the file of one public key with --key: the agent signs with it"))
        }
    }
}

/// Verifies by `ssh-keygen -Y verify`.
pub(super) struct Keygen<'a> {
    pub(super) context: &'a Context,
}

/// The same, for as long as it is needed.
pub(super) struct OwnKeygen(pub(super) Context);

impl Program for OwnKeygen {
    fn verify(&self, question: &Question<'_>) -> Answer {
        Keygen { context: &self.0 }.verify(question)
    }
}

impl Program for Keygen<'_> {
    fn verify(&self, question: &Question<'_>) -> Answer {
        let unavailable = |error: &dyn std::fmt::Display| Answer::Unavailable(error.to_string());
        let scratch = match Scratch::create(self.context) {
            Ok(scratch) => scratch,
            Err(error) => return unavailable(&error),
        };
        let (signers, signature) = (scratch.path().join("signers"), scratch.path().join("signature"));
        let written = write_new(&signers, question.signers.as_bytes())
            .and_then(|()| write_new(&signature, question.signature.to_armour().as_bytes()));
        if let Err(error) = written {
            return unavailable(&error);
        }
        let time = format!("verify-time={}", question.at.strftime("%Y%m%d%H%M%SZ"));
        let arguments = [
            OsStr::new("-Y"),
            OsStr::new("verify"),
            OsStr::new("-f"),
            signers.as_os_str(),
            OsStr::new("-I"),
            OsStr::new(question.principal),
            OsStr::new("-n"),
            OsStr::new(question.namespace),
            OsStr::new("-s"),
            signature.as_os_str(),
            OsStr::new("-O"),
            OsStr::new(&time),
        ];
        match run(&arguments, question.text, Asking::Nobody) {
            Ok(ended) if ended.good => Answer::Good,
            Ok(ended) => Answer::Bad(ended.said),
            Err(error) => unavailable(&error),
        }
    }
}

/// The error where the program cannot be run.
fn not_run(error: &io::Error) -> CliError {
    let late = error.kind() == io::ErrorKind::TimedOut;
    let message =
        if late { "ssh-keygen did not sign in time" } else { "ssh-keygen cannot be run, so nothing was signed" };
    let mut it = CliError::new(Exit::Environment, message).code(Code::Signing);
    it.causes.push(error.to_string());
    if late {
        it.hint("touch the hardware key when it asks for that, or use a key that an agent has")
    } else {
        it.hint("install OpenSSH's client programs (openssh-client), version 8.9 or later")
    }
}

/// How the program ended.
struct Ended {
    good: bool,
    out: Vec<u8>,
    /// What it said on standard error, on one line.
    said: String,
}

fn run(arguments: &[&OsStr], input: &[u8], asking: Asking) -> io::Result<Ended> {
    run_program(PROGRAM, arguments, input, asking)
}

/// Runs a program without a shell, and without what it need not know.
fn run_program(program: &str, arguments: &[&OsStr], input: &[u8], asking: Asking) -> io::Result<Ended> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in foreign(std::env::vars_os().map(|(name, _)| name)) {
        command.env_remove(name);
    }
    let patience = match asking {
        Asking::Person => {
            if io::stderr().is_terminal() {
                command.stderr(Stdio::inherit());
            }
            PERSON
        }
        Asking::Nobody => {
            command.process_group(0);
            // It asks this instead of the terminal, where a process in the background would be stopped.
            command.env("SSH_ASKPASS_REQUIRE", "force").env("SSH_ASKPASS", "/bin/false");
            ALONE
        }
    };
    let mut child = command.spawn()?;
    let written = child.stdin.take().map(|mut pipe| {
        let input = input.to_owned();
        // A program that ends without reading it says why by itself.
        std::thread::spawn(move || drop(pipe.write_all(&input)))
    });
    let (out, said) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let ended = wait(&mut child, patience);
    let text = |bytes: mpsc::Receiver<Vec<u8>>| bytes.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
    let (out, said) = (text(out), one_line(&text(said)));
    drop(written);
    Ok(Ended { good: ended?, out, said })
}

/// The variables that the program has no business with: credentials and settings of AWS and of keybatch.
pub(super) fn foreign(names: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let is_foreign = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("AWS_") || name.starts_with("KEYBATCH_")
    };
    names.filter(is_foreign).collect()
}

/// Reads a pipe to its end, beside everything else.
fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (hand_over, taken) = mpsc::channel();
    if let Some(pipe) = pipe {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.take(MAX_OUTPUT_BYTES).read_to_end(&mut bytes);
            let _ = hand_over.send(bytes);
        });
    }
    taken
}

/// Whether the program ended well; it is killed where that takes too long.
fn wait(child: &mut Child, patience: Duration) -> io::Result<bool> {
    let until = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            let seconds = patience.as_secs();
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not end within {seconds} s, and was killed"),
            ));
        }
        std::thread::sleep(LOOKED_AT);
    }
}

/// What was said, on one line: lines end with a carriage return, too.
pub(super) fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Writes a file that must not exist yet, for this user alone.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, input: &[u8], asking: Asking) -> io::Result<Ended> {
        run_program("sh", &[OsStr::new("-c"), OsStr::new(script)], input, asking)
    }

    #[test]
    fn a_program_gets_its_input_and_is_heard_on_both_pipes() {
        let ended = shell("cat; echo why >&2; printf 'then\\r\\n' >&2; exit 3", b"text", Asking::Nobody).unwrap();
        assert_eq!((ended.good, ended.out, ended.said.as_str()), (false, b"text".to_vec(), "why; then"));
        // More than a pipe holds, in both directions, and more than is kept.
        let much = vec![b'x'; 1 << 20];
        let ended = shell("cat", &much, Asking::Person).unwrap();
        assert_eq!(ended.out.len() as u64, MAX_OUTPUT_BYTES);
        // What does not read its input ends all the same.
        assert!(shell("exit 0", &much, Asking::Nobody).unwrap().good);
        assert!(run_program("no-such-program", &[], b"", Asking::Person).is_err());
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let begun = Instant::now();
        let error = wait(&mut child, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn the_program_learns_nothing_of_aws() {
        let names =
            ["AWS_SECRET_ACCESS_KEY", "KEYBATCH_JOURNAL", "SSH_AUTH_SOCK", "HOME", "AWSOME"].map(OsString::from);
        assert_eq!(foreign(names.into_iter()), ["AWS_SECRET_ACCESS_KEY", "KEYBATCH_JOURNAL"].map(OsString::from));
    }
}
