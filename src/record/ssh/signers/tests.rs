use super::super::tests as samples;
use super::*;

const NAMESPACE: &str = samples::NAMESPACE;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-06-01T12:00:00Z")
}

fn allowed(list: &str, principal: &str, key: &PublicKey, when: &str) -> Result<(), NotAllowed> {
    Signers::parse(list).allows(principal, key, NAMESPACE, at(when))
}

#[test]
fn a_principal_a_key_a_namespace_and_a_time_must_all_be_allowed() {
    let (key, other) = (samples::ED25519.key(), samples::RSA.key());
    let list = format!(
        "# who may approve\n\n\
         alice@example.com {}\n\
         bob,!mallory,m* namespaces=\"file,plan@*\" {} a comment\r\n\
         \tcarol   valid-after=\"20260601Z\",VALID-BEFORE=\"202606011230Z\"   {}\n\
         dave namespaces=\"maker@keybatch\",valid-before=\"20200101Z\" {}",
        samples::ED25519.key,
        samples::RSA.key,
        samples::ED25519.key,
        samples::ED25519.key
    );
    let signers = Signers::parse(&list);
    assert_eq!(signers.faults(), []);
    let allows = |principal: &str, key: &PublicKey| signers.allows(principal, key, NAMESPACE, now());
    assert_eq!(allows("alice@example.com", &key), Ok(()));
    assert_eq!(allows("bob", &other), Ok(()));
    assert_eq!(allows("mike", &other), Ok(()));
    assert_eq!(allows("carol", &key), Ok(()));
    assert_eq!(allows("Alice@example.com", &key), Err(NotAllowed::Principal("Alice@example.com".into())));
    assert_eq!(allows("mallory", &other), Err(NotAllowed::Principal("mallory".into())));
    let no_key = NotAllowed::Key { principal: "bob".into(), key: samples::ED25519.fingerprint.into() };
    assert_eq!(allows("bob", &key), Err(no_key));
    let no_namespace = NotAllowed::Namespace { line: 6, namespace: NAMESPACE.into() };
    assert_eq!(allows("dave", &key), Err(no_namespace));
    let for_maker = |principal: &str| signers.allows(principal, &key, "maker@keybatch", now());
    assert!(matches!(for_maker("dave"), Err(NotAllowed::NoLonger { line: 6, .. })));
    assert_eq!(for_maker("alice@example.com"), Ok(()));
}

#[test]
fn both_ends_of_the_time_are_valid() {
    let key = samples::ED25519.key();
    let list = format!("a valid-after=\"20260601123000Z\",valid-before=\"202606011231Z\" {}", samples::ED25519.key);
    for (when, expected) in [
        ("2026-06-01T12:29:59.999Z", Err(true)),
        ("2026-06-01T12:30:00Z", Ok(())),
        ("2026-06-01T12:31:00.999Z", Ok(())),
        ("2026-06-01T12:31:01Z", Err(false)),
    ] {
        let found = allowed(&list, "a", &key, when);
        assert_eq!(found.map_err(|why| matches!(why, NotAllowed::NotYet { .. })), expected, "{when}");
    }
}

#[test]
fn the_reason_is_what_comes_closest() {
    let key = samples::ED25519.key();
    let [ed25519, rsa] = [samples::ED25519.key, samples::RSA.key];
    let list = format!("a valid-before=\"20250101Z\" {ed25519}\na {rsa}\na namespaces=\"x\" {ed25519}\nb {ed25519}");
    assert!(matches!(allowed(&list, "a", &key, "2026-01-01T00:00:00Z"), Err(NotAllowed::NoLonger { line: 1, .. })));
    // One line that allows it is enough, wherever it is.
    assert_eq!(allowed(&format!("{list}\na {ed25519}"), "a", &key, "2026-01-01T00:00:00Z"), Ok(()));
}

#[test]
fn a_line_that_is_not_understood_allows_nothing_and_is_reported() {
    let key = samples::ED25519.key;
    let faults = [
        ("a", "its key cannot be read"),
        ("a ssh-ed25519", "its key cannot be read"),
        ("a ssh-ed25519 AAAA", "its key cannot be read"),
        (&format!("a namespaces=x {key}"), "namespaces needs a value in quotation marks"),
        (&format!("a namespaces=\"x {key}"), "a quotation mark is not closed"),
        (&format!("a nonsense {key}"), "\"nonsense\" is no option"),
        (&format!("a cert-authority=\"yes\" {key}"), "is no option"),
        (&format!("a cert-authority,cert-authority {key}"), "cert-authority is given twice"),
        (&format!("a namespaces=\"x\",namespaces=\"y\" {key}"), "namespaces is given twice"),
        (&format!("Alice Smith {key}"), "\"Smith\" is no option"),
        (&format!("Alice van Smith {key}"), "a principal with a space is not one principal"),
        (&format!("\"\" {key}"), "it names no principal"),
        (&format!("a valid-before=\"20200101\" {key}"), "needs a time in UTC, 20200101Z"),
        (&format!("a valid-before=\"2020-01-01Z\" {key}"), "YYYYMMDDZ"),
        (&format!("a valid-before=\"20201301Z\" {key}"), "YYYYMMDDZ"),
        (&format!("a valid-before=\"\" {key}"), "YYYYMMDDZ"),
        (&format!("a valid-after=\"20200101Z\",valid-before=\"20200101Z\" {key}"), "not later"),
        (&format!("a {}", samples::CERTIFICATE.key), "it holds a certificate"),
    ];
    for (line, expected) in faults {
        let signers = Signers::parse(&format!("# first\n{line}\n"));
        assert!(signers.is_empty() && signers.text().is_empty(), "{line}");
        let [fault] = signers.faults() else { panic!("{line}: {:?}", signers.faults()) };
        assert!(fault.line == 2 && fault.why.contains(expected), "{line}: {fault}");
    }
    let mixed = Signers::parse(&format!("a nonsense {key}\nb {key}\n"));
    assert_eq!((mixed.faults().len(), mixed.text()), (1, format!("b {key}\n")));
}

#[test]
fn quoted_options_hold_spaces_and_commas() {
    let key = samples::ED25519.key;
    let list = format!("\"a\" namespaces=\"x y,plan@keybatch\",valid-after=\"20200101Z\" {key} some words");
    assert_eq!(allowed(&list, "a", &samples::ED25519.key(), "2026-01-01T00:00:00Z"), Ok(()));
}

#[test]
fn a_certificate_is_allowed_by_its_authority_for_the_names_in_it() {
    let key = samples::CERTIFICATE.key();
    let list = format!("alice,carol cert-authority,namespaces=\"plan@keybatch\" {}\n", samples::AUTHORITY);
    let when = "2026-06-01T00:00:00Z";
    assert_eq!(allowed(&list, "alice", &key, when), Ok(()));
    let refused =
        |list: &str, principal: &str| matches!(allowed(list, principal, &key, when), Err(NotAllowed::Key { .. }));
    assert!(refused(&list, "carol"), "the certificate is not for carol");
    assert_eq!(allowed(&list, "bob", &key, when), Err(NotAllowed::Principal("bob".into())));
    assert!(refused(&list.replace("cert-authority,", ""), "alice"), "the line gives the key, not its certificates");
    let plain = format!("alice {}", samples::ED25519.key);
    assert!(refused(&plain, "alice"), "a line for the key allows no certificate over it, as in ssh-keygen");
    let authority = format!("alice cert-authority {}", samples::ED25519.key);
    assert!(allowed(&authority, "alice", &samples::ED25519.key(), when).is_err(), "an authority signs no text");
}

#[test]
fn somebody_may_sign_where_nobody_is_named() {
    let [ed25519, rsa] = [samples::ED25519.key, samples::RSA.key];
    let authority = samples::AUTHORITY;
    let list =
        format!("a,b {ed25519}\n*@example.com,!eve@example.com {rsa}\nalice cert-authority {authority}\nc {ed25519}\n");
    let signers = Signers::parse(&list);
    let somebody = |key: &PublicKey| signers.somebody(key, NAMESPACE, now());
    assert_eq!(somebody(&samples::ED25519.key()), Ok(vec!["a".into(), "b".into(), "c".into()]));
    assert_eq!(somebody(&samples::RSA.key()), Ok(vec!["*@example.com,!eve@example.com".into()]));
    assert_eq!(somebody(&samples::CERTIFICATE.key()), Ok(vec!["alice".into()]));
    let nobody = somebody(&samples::ECDSA_256.key());
    assert_eq!(nobody, Err(NotAllowed::NobodysKey(samples::ECDSA_256.fingerprint.into())));
    let other = Signers::parse(&format!("a namespaces=\"x\" {ed25519}"));
    assert!(matches!(other.somebody(&samples::ED25519.key(), NAMESPACE, now()), Err(NotAllowed::Namespace { .. })));
}

#[test]
fn a_person_is_known_by_a_key_whatever_it_may_sign() {
    let list = format!("a namespaces=\"maker@keybatch\",valid-before=\"20200101Z\" {}", samples::ED25519.key);
    let signers = Signers::parse(&list);
    assert!(signers.knows("a", &samples::ED25519.key()));
    assert!(signers.knows("a", &samples::CERTIFICATE.key()), "it is the same key");
    assert!(!signers.knows("b", &samples::ED25519.key()) && !signers.knows("a", &samples::RSA.key()));
}

#[test]
fn the_sample_is_understood_and_allows_what_it_says() {
    let signers = Signers::parse(include_str!("../../../../samples/allowed_signers"));
    assert_eq!((signers.faults(), signers.lines.len()), (&[][..], 3));
    assert_eq!(signers.allows("alice@example.com", &samples::ED25519.key(), NAMESPACE, now()), Ok(()));
    assert_eq!(signers.allows("bob@example.com", &samples::ECDSA_256.key(), NAMESPACE, now()), Ok(()));
    let checkpoint = signers.allows("alice@example.com", &samples::ED25519.key(), "checkpoint@keybatch", now());
    assert!(matches!(checkpoint, Err(NotAllowed::Namespace { .. })));
    assert!(
        signers.allows("bob@example.com", &samples::ECDSA_256.key(), NAMESPACE, at("2027-01-02T00:00:00Z")).is_err()
    );
}

proptest::proptest! {
    /// Whatever is in the file: no line is lost, none is both, and what is allowed was written there.
    #[test]
    fn any_file_is_read(pieces in proptest::collection::vec(0_usize..14, 0..40), other in "\\PC{0,20}") {
        let key = samples::ED25519.key;
        let words = [
            "a", "*", "!b", ",", " ", "\t", "\n", "\"", "namespaces=\"x\"", "valid-before=\"20200101Z\"", "cert-authority",
            "#", key, other.as_str(),
        ];
        let text: String = pieces.iter().map(|piece| words[*piece]).collect();
        let signers = Signers::parse(&text);
        let lines = text.lines().map(|line| line.trim_matches([' ', '\t', '\r']));
        let meant = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        proptest::prop_assert_eq!(signers.lines.len() + signers.faults.len(), meant);
        proptest::prop_assert_eq!(Signers::parse(&signers.text()).lines.len(), signers.lines.len());
        let is_allowed = signers.allows("a", &samples::ED25519.key(), NAMESPACE, now()).is_ok();
        proptest::prop_assert!(!is_allowed || text.contains(key));
        proptest::prop_assert!(signers.allows("a", &samples::RSA.key(), NAMESPACE, now()).is_err());
    }
}
