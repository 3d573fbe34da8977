//! A helper program (`credential_process`). It is run here and not by the SDK, whose error is one text that quotes the
//! program: here exit codes are distinguished, and nothing that the program writes to standard error is kept.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use aws_sdk_lightsail::config::Credentials;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::fault::ProgramFault;
use super::held::keys;

/// Larger than any credentials.
const MAX_OUTPUT_BYTES: u64 = 1024 * 1024;

/// What the program prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    version: Option<serde_json::Value>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// The program's name: the first word of its command that is not an assignment, without its folder. Nothing else of the
/// command, because arguments may be secrets.
pub(super) fn name(command: &str) -> String {
    let mut rest = command.trim_start();
    loop {
        let (word, after) = first_word(rest);
        let assignment = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        if !assignment {
            let name = word.rsplit('/').next().unwrap_or_default();
            return if name.is_empty() { "a program".to_owned() } else { name.to_owned() };
        }
        rest = after.trim_start();
    }
}

/// The first word as a shell reads it, and what follows it.
fn first_word(text: &str) -> (String, &str) {
    let (mut word, mut quote) = (String::new(), None);
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match quote {
            Some(mark) if letter == mark => quote = None,
            Some(_) => word.push(letter),
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            None if letter == '\\' => word.extend(letters.next().map(|(_, letter)| letter)),
            None if letter.is_whitespace() || matches!(letter, ';' | '|' | '&' | '<' | '>' | '(' | ')') => {
                return (word, &text[at + letter.len_utf8()..]);
            }
            None => word.push(letter),
        }
    }
    (word, "")
}

/// Runs the program once. It is killed if this future is dropped.
pub(super) async fn run(command: &str, now: Timestamp) -> Result<Credentials, ProgramFault> {
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", command])
        // The manifest may be on standard input, and standard error may hold secrets.
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| ProgramFault::NotStarted(error.kind()))?;
    let mut printed = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(MAX_OUTPUT_BYTES).read_to_end(&mut printed).await;
        read.map_err(|error| ProgramFault::NotStarted(error.kind()))?;
    }
    let status = child.wait().await.map_err(|error| ProgramFault::NotStarted(error.kind()))?;
    judge(status)?;
    credentials(&printed, now)
}

fn judge(status: ExitStatus) -> Result<(), ProgramFault> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(127), _) => Err(ProgramFault::NotFound),
        (Some(126), _) => Err(ProgramFault::NotExecutable),
        (Some(code), _) => Err(ProgramFault::Exit(code)),
        (None, signal) => Err(ProgramFault::Signal(signal.unwrap_or_default())),
    }
}

fn credentials(printed: &[u8], now: Timestamp) -> Result<Credentials, ProgramFault> {
    let wrong = ProgramFault::Output;
    let printed: Printed = serde_json::from_slice(printed).map_err(|_| wrong("not one JSON object"))?;
    match printed.version {
        Some(version) if version.as_u64() == Some(1) => {}
        Some(_) => return Err(wrong("its Version is not 1")),
        None => return Err(wrong("it has no Version")),
    }
    let given = |value: Option<String>| value.filter(|text| !text.trim().is_empty());
    let id = given(printed.access_key_id).ok_or(wrong("it has no AccessKeyId"))?;
    let secret = given(printed.secret_access_key).ok_or(wrong("it has no SecretAccessKey"))?;
    let expiry = match given(printed.expiration) {
        None => None,
        Some(text) => Some(text.parse::<Timestamp>().map_err(|_| wrong("its Expiration is no RFC 3339 time"))?),
    };
    if expiry.is_some_and(|at| at <= now) {
        return Err(ProgramFault::Expired);
    }
    Ok(keys(id, secret, given(printed.session_token), expiry, "credential_process"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_without_its_arguments() {
        for (command, expected) in [
            ("/opt/bin/awscreds-custom --username helen", "awscreds-custom"),
            ("sh -c 'echo sealed >&2; exit 3'", "sh"),
            ("\"/opt/my tools/vault\" --token hunter2", "vault"),
            ("TOKEN=hunter2 helper", "helper"),
            ("TOKEN='a b' OTHER=c /usr/bin/helper;x", "helper"),
            ("my\\ helper x", "my helper"),
            ("", "a program"),
        ] {
            assert_eq!(name(command), expected, "{command}");
        }
    }

    #[test]
    fn what_a_program_prints_is_checked() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let read = |text: &str| credentials(text.as_bytes(), now).map(|keys| keys.access_key_id().to_owned());
        let whole = r#"{"Version":1,"AccessKeyId":"AKIDTEST","SecretAccessKey":"x","Expiration":"2026-01-01T01:00:00+00:00","More":[]}"#;
        assert_eq!(read(whole), Ok("AKIDTEST".to_owned()));
        assert_eq!(read(&whole.replace("01T01", "01T00").replace("01:00:00", "00:00:00")), Err(ProgramFault::Expired));
        for wrong in [
            "",
            "null",
            "[]",
            "{}",
            &whole.replace(":1,", ":2,"),
            &whole.replace("\"x\"", "\"\""),
            &whole.replace("AccessKeyId", "Key"),
        ] {
            assert!(matches!(read(wrong), Err(ProgramFault::Output(_))), "{wrong}");
        }
    }
}
