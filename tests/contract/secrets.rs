//! Credentials, session tokens and signatures never reach journal, log, stdout, stderr or any file under the home,
//! not at trace level, and not when the service itself echoes them.

use std::path::Path;

use crate::support::{Act, Bench, Done, Effect, SECRET_CANARY, TOKEN_CANARY};

/// What must not appear anywhere; in parts, so that shortened or re-encoded values are found, too.
fn canaries() -> Vec<String> {
    vec![
        SECRET_CANARY[..20].to_owned(),
        SECRET_CANARY[20..].to_owned(),
        TOKEN_CANARY[..20].to_owned(),
        TOKEN_CANARY[20..40].to_owned(),
        "Signature=".to_owned(),
        "AWS4-HMAC-SHA256 Credential".to_owned(),
    ]
}

/// Looks for every canary in the bytes.
#[track_caller]
fn clean(label: &str, bytes: &[u8]) {
    for canary in canaries() {
        let found = bytes.windows(canary.len()).position(|window| window == canary.as_bytes());
        if let Some(at) = found {
            let around =
                String::from_utf8_lossy(&bytes[at.saturating_sub(120)..(at + 20).min(bytes.len())]).into_owned();
            panic!("`{canary}` is in {label}: …{around}…");
        }
    }
}

/// Every file under a folder.
fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[track_caller]
fn all_clean(bench: &Bench, outputs: &[(&str, Done)]) {
    for (label, done) in outputs {
        clean(&format!("stdout of {label}"), done.stdout.as_bytes());
        clean(&format!("stderr of {label}"), done.stderr.as_bytes());
    }
    let mut found = Vec::new();
    files(bench.home(), &mut found);
    assert!(found.iter().any(|path| path.ends_with("journal.db")));
    for path in found {
        if let Ok(bytes) = std::fs::read(&path) {
            clean(&path.display().to_string(), &bytes);
        }
    }
}

/// A home where everything is logged at trace level.
fn tracing() -> Bench {
    let mut bench = Bench::new();
    for key in ["RUST_LOG", "KEYBATCH_LOG"] {
        bench.set(key, "trace");
    }
    bench
}

/// "Credentials, session tokens and signatures never reach journal, log or error text."
// SEMANTICS: P53
#[test]
fn no_secret_leaks_at_trace_level() {
    let bench = tracing();
    let names = bench.world.keys("key", 8);
    bench.world.script("DeleteKeyPair", &names[0], [Act::cut().with(Effect::Delete)]);
    bench.world.script("DeleteKeyPair", &names[1], [Act::hang()]);
    bench.world.script("DeleteKeyPair", &names[2], [Act::html_503(), Act::truncated()]);
    bench.world.always("DeleteKeyPair", &names[3], Act::denied());
    let stopped = bench.run(&bench.manifest(&names), &["--max-deletes", "4"]).exits(5);
    let wal = bench.home().join("journal.db-wal");
    if let Ok(bytes) = std::fs::read(wal) {
        clean("the write-ahead log", &bytes);
    }
    let mut outputs = vec![("run", stopped), ("resume", bench.resume())];
    for args in [&["doctor"][..], &["log"], &["show", "latest"], &["verify"], &["config", "show"], &["runs"]] {
        outputs.push((args[0], bench.keybatch(args)));
    }
    all_clean(&bench, &outputs);
}

/// The same after the process was killed during the run, with its write-ahead log still there.
#[test]
fn no_secret_leaks_from_a_killed_session() {
    let bench = tracing();
    let names = bench.world.keys("key", 4);
    bench.world.script("DeleteKeyPair", &names[1], [Act::hang()]);
    let live = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "1", "--attempt-timeout", "20s"]);
    bench.world.wait_for_deletes(2);
    let killed = live.kill();
    all_clean(&bench, &[("the killed run", killed)]);
}

/// Errors about credentials name no secret.
#[test]
fn no_secret_leaks_from_credential_errors() {
    for kind in ["InvalidClientTokenId", "InvalidSignatureException", "ExpiredTokenException"] {
        let bench = tracing();
        let names = bench.world.keys("key", 2);
        bench.world.always("DeleteKeyPair", "*", Act::type_only(403, kind));
        let done = bench.run(&bench.manifest(&names), &[]).exits(5);
        all_clean(&bench, &[(kind, done)]);
    }
}

/// Real InvalidSignatureException messages quote the canonical request with its token: that echo must not be kept.
// SEMANTICS: P53
#[test]
fn no_secret_leaks_when_the_service_echoes_it() {
    let bench = tracing();
    let names = bench.world.keys("key", 2);
    let message = format!(
        "The request signature we calculated does not match. The Canonical String for this request should have been\n\
         'POST\n/\n\nhost:lightsail.us-east-1.amazonaws.com\nx-amz-security-token:{TOKEN_CANARY}\n'"
    );
    bench.world.always("DeleteKeyPair", "*", Act::type_only(403, "InvalidSignatureException").saying(&message));
    let done = bench.run(&bench.manifest(&names), &[]).exits(5);
    let shown = bench.keybatch(&["log"]);
    all_clean(&bench, &[("run", done), ("log", shown)]);
}

/// No secret is ever taken by flag.
// SEMANTICS: P53
#[test]
fn no_flag_takes_a_secret() {
    let bench = Bench::new();
    for command in ["run", "resume", "sandbox", "doctor"] {
        let output = bench.command(&[command, "--help"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
        for flag in ["--secret", "--access-key", "--session-token", "--password"] {
            assert!(!text.contains(flag), "`{command}` takes {flag}");
        }
    }
}

/// What an operator writes stays in the journal forever, too: a secret in it is refused before a journal is opened. The error names the
/// flag, and the value appears nowhere.
// SEMANTICS: P53
#[test]
fn secrets_in_what_an_operator_says_are_refused() {
    let mut bench = tracing();
    let manifest = bench.manifest(&bench.world.keys("key", 1));
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let said = format!("AKIAIOSFODNN7EXAMPLE {secret}");
    let refused = |done: Done, flag: &str| {
        let done = done.exits(2);
        assert!(done.stderr.contains(flag) && done.stderr.contains("nothing was sent"), "{done}");
        assert!(!done.said().contains(&secret[..20]), "{done}");
    };
    for flag in ["--reason", "--ticket"] {
        refused(bench.run(&manifest, &[flag, &said]), flag);
        refused(bench.keybatch(&["resume", flag, &said]), flag);
    }
    refused(bench.run(&manifest, &["--accept-rollback", "--because", &said]), "--because");
    refused(bench.keybatch(&["resume", "--accept-rollback", "--because", &said]), "--because");
    refused(bench.keybatch(&["abandon", "latest", "--because", &said]), "--because");
    bench.set("KEYBATCH_REASON", &said);
    refused(bench.run(&manifest, &[]), "--reason");
    assert!(!bench.journal().exists() && bench.world.state().log.is_empty());
}

/// A private key, or a secret access key, in a cell of the manifest is a fault that names the column. It is in no entry, temporary file,
/// message or log, whether the manifest is refused or the row is skipped.
// SEMANTICS: P53
#[test]
fn secrets_in_cells_are_kept_nowhere() {
    // The example of AWS's documentation on access keys, and armour around words.
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let body = "KEYBATCHTESTKEYBATCHTESTKEYBATCHTESTKEYBATCHTESTKEYBATCHTEST";
    let pem = format!("-----BEGIN RSA {0}-----\n{body}\n-----END RSA {0}-----", "PRIVATE KEY");
    let header = "name,region,note,owner\n";
    for (label, row, place) in [
        ("a key in quotes", format!("spare,us-east-1,\"{pem}\",\n"), "column 3, `note`"),
        ("a key that JSON quoted", format!("spare,us-east-1,{},\n", pem.replace('\n', "\\n")), "column 3, `note`"),
        ("a key without quotes", format!("spare,us-east-1,\n{pem}\n"), "column 1, `name`"),
        ("a key in broken quotes", format!("spare,us-east-1,x\"{}\",\n", pem.replace('\n', " ")), "quote"),
        ("an access key in one cell", format!("spare,us-east-1,AKIAIOSFODNN7EXAMPLE {secret},x\n"), "column 3, `note`"),
        ("a secret behind a word", format!("spare,us-east-1,key {secret},x\n"), "column 3, `note`"),
        ("an access key in two", format!("spare,us-east-1,AKIAIOSFODNN7EXAMPLE,{secret}\n"), "column 4, `owner`"),
        ("one cell too many", format!("spare,us-east-1,,,{secret}\n"), "cell 5 of the row"),
        ("the name's place", format!("{secret},us-east-1,,\n"), "column 1, `name`"),
        ("the region's place", format!("spare,{secret},,\n"), "column 2, `region`"),
    ] {
        let bench = tracing();
        bench.world.key("probe");
        let text = format!("{header}probe,us-east-1,,\n{row}");
        let mut outputs = Vec::new();
        for flags in [&["--yes"][..], &["--yes", "--skip-invalid"], &["--dry-run"]] {
            let path = Path::new("-");
            let args = Bench::run_args(path, flags);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let done = bench.keybatch_fed(&args, &text);
            assert!(matches!(done.code, Some(3 | 4)), "{label}\n{done}");
            if flags.len() == 1 {
                assert!(done.said().contains(place), "{label}\n{done}");
            }
            outputs.push(done);
        }
        for args in [&["show", "latest"][..], &["log"], &["export", "latest"], &["runs"]] {
            outputs.push(bench.keybatch(args));
        }
        let mut found = Vec::new();
        files(bench.home(), &mut found);
        let files = found.iter().filter_map(|path| std::fs::read(path).ok());
        let said = outputs.iter().map(|done| format!("{}{}", done.stdout, done.stderr).into_bytes());
        for bytes in files.chain(said) {
            for part in [&secret[..20], &secret[20..], &body[..30]] {
                let leak = bytes.windows(part.len()).position(|window| window == part.as_bytes());
                assert_eq!(leak, None, "{label}: {part}");
            }
        }
    }
}
