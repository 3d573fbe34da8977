//! Finds private keys and secret access keys in cells. Everything in a manifest stays in the journal forever, so a
//! secret is refused, and never passed on, shown or kept.
//!
//! A cheap rule that finds too much filters the records first; only then are their cells examined one by one.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::meaning::fold;

/// The shortest text that is searched: a line that begins a private key.
const LEAST_BYTES: usize = 16;

/// Characters of a secret access key.
const SECRET_CHARS: usize = 40;

/// Characters of an access key's id.
const KEY_ID_CHARS: usize = 20;

/// Base64 of a private key without its armour, or of the armour itself. OpenSSH's magic word; PuTTY's does not need any.
/// Then `-----BEGIN ` with OPENSSH, RSA, EC, DSA, ENCRYPTED and PRIVATE; and DER: Ed25519 and EC, by PKCS #8 and SEC 1.
const ENCODED: [&str; 12] = [
    "b3BlbnNzaC1rZXktdjE",
    "LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUg",
    "LS0tLS1CRUdJTiBSU0EgUFJJVkFURS",
    "LS0tLS1CRUdJTiBFQyBQUklWQVRF",
    "LS0tLS1CRUdJTiBEU0EgUFJJVkFURS",
    "LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFURS",
    "LS0tLS1CRUdJTiBQUklWQVRFIEtFW",
    "MC4CAQAwBQYDK2Vw",
    "MIGHAgEAMBMGByqGSM49",
    "MIG2AgEAMBAGByqGSM49",
    "MHcCAQEE",
    "MIGkAgEBBD",
];

/// Beginnings of AWS session tokens.
const TOKENS: [&str; 4] = ["IQoJb3JpZ2luX2Vj", "FwoGZXIvYXdz", "FQoGZXIvYXdz", "AgoGZXIvYXdz"];

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Secret {
    /// A private key, or a part of one.
    #[error("a private key")]
    PrivateKey,
    /// The secret of an access key.
    #[error("a secret access key")]
    AccessKey,
    /// A session token.
    #[error("a session token")]
    SessionToken,
}

/// What a column's name says about the content of its cells.
pub(super) fn named(column: &str) -> Option<Secret> {
    let folded = fold(column);
    let has = |words: &[&str]| words.iter().any(|word| folded.contains(word));
    if has(&["privatekey", "privkey", "keymaterial", "pemkey"]) || matches!(folded.as_str(), "pem" | "ppk") {
        Some(Secret::PrivateKey)
    } else if has(&["secret", "accesskey", "credential", "password"]) {
        Some(Secret::AccessKey)
    } else {
        has(&["sessiontoken", "securitytoken"]).then_some(Secret::SessionToken)
    }
}

/// Whether there may be a secret anywhere in `text`. Finds too much; of what [`find`] finds, it misses only texts that are
/// shorter than a secret access key and recognised by their column's name alone.
pub(super) fn suspected(text: &str) -> bool {
    text.len() >= LEAST_BYTES && (has_long_run(text) || marks_private_key(text))
}

/// What secret `cell` holds, if any, given what its column's name says and whether its record has an access key's id.
pub(super) fn find(cell: &str, named: Option<Secret>, beside_key_id: bool) -> Option<Secret> {
    if cell.len() < LEAST_BYTES {
        return None;
    }
    if marks_private_key(cell) || ENCODED.iter().any(|start| cell.contains(start)) || has_rsa(cell) {
        return Some(Secret::PrivateKey);
    }
    let mut runs = runs(cell).filter(|run| run.len() >= SECRET_CHARS);
    if runs.clone().any(|run| TOKENS.iter().any(|start| run.starts_with(start))) {
        return Some(Secret::SessionToken);
    }
    if let Some(named @ (Secret::PrivateKey | Secret::SessionToken)) = named
        && runs.clone().any(|run| run.len() > SECRET_CHARS && !run.starts_with("AAAA") && !run.starts_with('/'))
    {
        return Some(named);
    }
    let told = beside_key_id || named == Some(Secret::AccessKey) || fold(cell).contains("secretaccesskey");
    // A path has the same characters, but a word of exactly this length is hardly a path.
    let alone = |run: &str| run.contains(['/', '+']) && cell.split_whitespace().any(|word| word == run);
    let is_secret = |run: &str| is_secret_access_key(run) && (told || alone(run));
    runs.any(is_secret).then_some(Secret::AccessKey)
}

/// What secret a `text` outside a manifest holds, such as an operator's reason that the journal keeps.
#[must_use]
pub fn secret_in(text: &str) -> Option<Secret> {
    find(text, None, has_key_id(text))
}

/// Whether `text` begins a private key without ending it: the lines that follow belong to it.
pub(super) fn begins_private_key(text: &str) -> bool {
    marks_private_key(text) && !text.contains("END")
}

/// Whether a lone cell may be a line of the private key that an earlier line began.
pub(super) fn continues_private_key(cell: &str) -> bool {
    let cell = cell.trim();
    cell.contains(": ") || cell.bytes().all(is_run) || marks_private_key(cell) || cell.contains("PRIVATE KEY")
}

/// Whether the line ends a private key, or PuTTY's key file.
pub(super) fn ends_private_key(cell: &str) -> bool {
    cell.contains("END") && cell.contains("PRIVATE KEY") || cell.starts_with("Private-MAC")
}

/// The armour of a private key: PEM of any kind, SSH2's, PGP's, PuTTY's, age's, or a JSON Web Key.
fn marks_private_key(text: &str) -> bool {
    let find = |finder: &Finder<'_>| finder.find(text.as_bytes());
    find(&PUTTY).is_some()
        || find(&AGE).is_some()
        || find(&PEM).is_some_and(|at| text[..at].contains("BEGIN") || text[..at].contains("END"))
        || find(&JWK).is_some() && text.contains("\"d\"")
}

// Prepared once, because every record of the manifest is searched for each of them.
static PUTTY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("PuTTY-User-Key-File"));
static AGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("AGE-SECRET-KEY-1"));
static PEM: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("PRIVATE KEY"));
static JWK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"kty\""));

/// Base64 of an RSA key by PKCS #1 or PKCS #8: a sequence of two bytes' length that begins with the integer 0.
fn has_rsa(text: &str) -> bool {
    text.match_indices("MII").any(|(at, _)| {
        matches!(text.as_bytes().get(at..at + 9), Some([_, _, _, _, _, b'A' | b'Q' | b'g' | b'w', b'I', b'B', b'A']))
    })
}

/// Whether the id of an access key is in `text`: `AKIA` or `ASIA` and 16 more capitals or digits.
pub(super) fn has_key_id(text: &str) -> bool {
    ["AKIA", "ASIA"].iter().any(|start| {
        text.match_indices(start).any(|(at, _)| {
            let rest = &text.as_bytes()[at..];
            let len = rest.iter().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
            len == KEY_ID_CHARS && !rest.get(len).is_some_and(u8::is_ascii_alphanumeric)
        })
    })
}

/// Forty characters of base64 with capitals, small letters and digits, so not only hexadecimal as digests are.
fn is_secret_access_key(run: &str) -> bool {
    let any = |class: fn(&u8) -> bool| run.bytes().any(|b| class(&b));
    run.len() == SECRET_CHARS
        && any(u8::is_ascii_uppercase)
        && any(u8::is_ascii_lowercase)
        && any(u8::is_ascii_digit)
        && !run.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_run(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

/// The stretches of base64 in `text`, without `=` at their ends, which also separates a name from a value.
fn runs(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split(|c: char| !(c.is_ascii() && is_run(c as u8)))
        .map(|run| run.trim_matches('='))
        .flat_map(|run| run.split('='))
}

/// Whether there is a stretch of base64 that is long enough for a secret access key and is not only a digest's digits. In text
/// without base64, it reads only every fortieth byte, because a stretch of that length covers one of them.
fn has_long_run(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = SECRET_CHARS - 1;
    while at < bytes.len() {
        let before = bytes[..=at].iter().rev().take_while(|b| is_run(**b)).count();
        if before == 0 {
            at += SECRET_CHARS;
            continue;
        }
        let start = at + 1 - before;
        let len = bytes[start..].iter().take_while(|b| is_run(**b)).count();
        if len >= SECRET_CHARS && !bytes[start..start + len].iter().all(u8::is_ascii_hexdigit) {
            return true;
        }
        at = start + len + SECRET_CHARS;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    // From AWS's public documentation: the example secret on every page about access keys.
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";

    fn found(column: &str, cell: &str) -> Option<Secret> {
        let found = find(cell, named(column), has_key_id(cell));
        assert!(found.is_none() || suspected(cell), "{cell}");
        found
    }

    /// Armour is assembled here, so that no scanner mistakes this file for a key.
    fn armour(kind: &str) -> String {
        format!("-----BEGIN {kind}{}-----\nAAAA\n-----END {kind}{}-----", "PRIVATE KEY", "PRIVATE KEY")
    }

    #[test]
    fn private_keys() {
        for kind in ["", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED "] {
            let pem = armour(kind);
            assert_eq!(found("note", &pem), Some(Secret::PrivateKey), "{kind}");
            assert_eq!(found("note", &pem.replace('\n', "\\n")), Some(Secret::PrivateKey), "as text of JSON");
            assert_eq!(
                found("note", pem.lines().next().unwrap_or_default()),
                Some(Secret::PrivateKey),
                "its first line"
            );
        }
        for cell in [
            "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none".to_owned(),
            format!("---- BEGIN SSH2 ENCRYPTED {} ----", "PRIVATE KEY"),
            format!("-----BEGIN PGP {} BLOCK-----", "PRIVATE KEY"),
            format!("{}AAAABG5vbmUAAAAEbm9uZQAAAAAAAAAB", "b3BlbnNzaC1rZXktdjEA"),
            format!("{}AQAAASCBKcwggSjAgEAAoIBAQ", "MIIEvQIBADANBgkqhkiG9w0B"),
            format!("{}Qxj3XmZ4dLq0ePZ1F2b3c4d5e6f", "MIIEpAIBAAKCAQEA"),
            format!("{}BCIEIAAAAAAAAAAAAAAAAAAAAAAAAA", "MC4CAQAwBQYDK2Vw"),
            format!("{}QTIFBSSVZBVEUgS0VZLS0tLS0KTUlJRXBB", "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt"),
            r#"{"kty":"RSA","n":"x","e":"AQAB","d":"y"}"#.to_owned(),
        ] {
            assert_eq!(found("note", &cell), Some(Secret::PrivateKey), "{cell}");
        }
        let bare = "AbCdEfGh0123456789".repeat(4);
        assert_eq!(found("privateKeyBase64", &bare), Some(Secret::PrivateKey));
        assert_eq!(found("note", &bare), None);
    }

    #[test]
    fn secret_access_keys() {
        for (column, cell) in [
            ("note", format!("{KEY_ID}:{SECRET}")),
            ("note", format!("export AWS_SECRET_ACCESS_KEY={SECRET}")),
            ("note", SECRET.to_owned()),
            ("Secret Access Key", SECRET.replace('/', "a")),
            ("aws_secret", SECRET.to_owned()),
        ] {
            assert_eq!(found(column, &cell), Some(Secret::AccessKey), "{column}: {cell}");
        }
        let plain = SECRET.replace('/', "a");
        assert_eq!(found("note", &plain), None, "any forty letters");
        assert_eq!(find(&plain, None, true), Some(Secret::AccessKey), "beside the id of an access key");
        assert_eq!(found("note", &format!("IQoJb3JpZ2luX2Vj{}", "Ab0/".repeat(20))), Some(Secret::SessionToken));
    }

    #[test]
    fn what_is_no_secret() {
        for (column, cell) in [
            ("note", "delete the private key, too"),
            ("note", "BEGIN of the cleanup"),
            ("note", KEY_ID),
            ("note", "b8026ed14f97a35c20ee710bc9863dfa1267549e"),
            ("access key", "b8026ed14f97a35c20ee710bc9863dfa1267549e"),
            ("access key", KEY_ID),
            ("private_key_path", "/home/ci/keys/production/lightsail/runner01/key"),
            ("has_private_key", "yes"),
            ("arn", "arn:aws:lightsail:us-east-1:111122223333:KeyPair/05859e3d-331d-48ba-9034-0123456789ab"),
            ("publicKeyBase64", "AAAAB3NzaC1yc2EAAAADAQABAAABAQDAbCdEfGh0123456789AbCdEfGh0123456789"),
            ("key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbCdEfGh0123456789AbCdEfGh0123456789AbCd ci"),
            ("sha256", "SHA256:ENShRe/0uDLSw9c+7tc9PxkDp4blyBDTgBSIyTAJYaa"),
        ] {
            assert_eq!(found(column, cell), None, "{column}: {cell}");
        }
    }

    #[test]
    fn long_runs_are_found_wherever_they_are() {
        for at in 0..130 {
            for len in [39, 40, 41, 80, 200] {
                let text = format!("{}{}-x", "ab:".repeat(100).split_at(at).0, "Zz".repeat(len).split_at(len).0);
                let longest = text.split([':', '-']).map(str::len).max();
                assert_eq!(has_long_run(&text), longest >= Some(SECRET_CHARS), "{text}");
            }
        }
        assert!(!has_long_run("b8026ed14f97a35c20ee710bc9863dfa1267549e,") && !has_long_run(""));
    }

    #[test]
    fn a_key_that_lies_across_lines() {
        let pem = armour("RSA ");
        let lines: Vec<&str> = pem.lines().collect();
        assert!(begins_private_key(lines[0]) && !begins_private_key(&pem));
        assert!(continues_private_key(lines[1]) && continues_private_key("Proc-Type: 4") && ends_private_key(lines[2]));
        assert!(!continues_private_key("runner-01"));
    }
}
