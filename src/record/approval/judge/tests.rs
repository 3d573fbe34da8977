use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::record::ssh::tests as samples;

/// A program that says the same to each question, and keeps the principals that it was asked about.
struct Scripted {
    answer: Answer,
    asked: RefCell<Vec<String>>,
}

impl Scripted {
    fn new(answer: Answer) -> Self {
        Self { answer, asked: RefCell::default() }
    }
}

impl Program for Scripted {
    fn verify(&self, question: &Question<'_>) -> Answer {
        assert_eq!((question.text, question.namespace), (samples::TEXT, PLAN_NAMESPACE));
        self.asked.borrow_mut().push(question.principal.to_owned());
        self.answer.clone()
    }
}

fn presented(from: &str, named: Option<&str>, text: String) -> Presented {
    Presented { from: from.into(), named: named.map(|name| name.parse().unwrap()), text }
}

fn of(sample: &samples::Sample, named: Option<&str>) -> Presented {
    presented(named.unwrap_or("unnamed"), named, sample.text())
}

fn judged_by(program: &Scripted, list: &str, apart: &[Party], all: &[Presented]) -> Vec<Judged> {
    let signers = Signers::parse(list);
    assert_eq!(signers.faults(), []);
    let text = str::from_utf8(samples::TEXT).unwrap();
    let at = "2026-06-01T00:00:00Z".parse().unwrap();
    Judge { text, signers: &signers, at, apart, program }.judge(all)
}

fn judged(list: &str, apart: &[Party], all: &[Presented]) -> Vec<Judged> {
    judged_by(&Scripted::new(Answer::Unavailable("there is none".into())), list, apart, all)
}

/// Who counts, and the word for each that does not.
fn said(judged: &[Judged]) -> Vec<String> {
    let word = |one: &Judged| match &one.counts {
        Ok(()) => one.principal.as_ref().unwrap().as_str().to_owned(),
        Err(why) => format!("({})", why.as_str()),
    };
    judged.iter().map(word).collect()
}

#[test]
fn persons_with_keys_of_their_own_count() {
    let list = format!("alice {}\nbob {}\ncarol {}\n", samples::ED25519.key, samples::RSA.key, samples::ECDSA_384.key);
    let all =
        [of(&samples::ED25519, Some("alice")), of(&samples::RSA, Some("bob")), of(&samples::ECDSA_384, Some("carol"))];
    assert_eq!(said(&judged(&list, &[], &all)), ["alice", "bob", "carol"]);
    // A file's name is a hint: the key decides.
    let renamed =
        [of(&samples::ED25519, Some("bob")), of(&samples::RSA, None), of(&samples::ECDSA_384, Some("mallory"))];
    assert_eq!(said(&judged(&list, &[], &renamed)), ["alice", "bob", "carol"]);
}

#[test]
fn what_is_wrong_with_a_signature_is_said() {
    let list = format!(
        "alice {}\nbob valid-before=\"20200101Z\" {}\ncarol valid-after=\"20300101Z\" {}\ndave namespaces=\"maker@keybatch\" {}\n*@example.com {}\n",
        samples::ED25519.key,
        samples::RSA.key,
        samples::ECDSA_256.key,
        samples::ECDSA_384.key,
        samples::ECDSA_521.key
    );
    let torn = samples::ED25519.text().replace("-----END", "");
    let altered = samples::ED25519.text().replace("U1NIU0lHAAAAAQ", "U1NIU0lHAAAAAg");
    for (one, expected) in [
        (presented("x", Some("alice"), torn), "(unreadable)"),
        (presented("x", Some("alice"), altered), "(unreadable)"),
        (of(&samples::RSA, Some("bob")), "(no_longer_valid)"),
        (of(&samples::RSA, None), "(no_longer_valid)"),
        (of(&samples::ECDSA_256, Some("carol")), "(not_yet_valid)"),
        (of(&samples::ECDSA_384, Some("dave")), "(not_allowed)"),
        (of(&samples::HARDWARE_ED25519, Some("eve")), "(not_allowed)"),
        (of(&samples::HARDWARE_ED25519, Some("alice")), "(not_allowed)"),
        (of(&samples::ECDSA_521, None), "(not_allowed)"),
        (of(&samples::ECDSA_521, Some("erin@example.com")), "erin@example.com"),
        (of(&samples::CERTIFICATE, Some("alice")), "(not_allowed)"),
    ] {
        let from = one.from.clone();
        assert_eq!(said(&judged(&list, &[], &[one])), [expected], "{from}");
    }
    let reason = |one: Presented| judged(&list, &[], &[one])[0].counts.clone().unwrap_err().to_string();
    let eve = reason(of(&samples::HARDWARE_ED25519, Some("eve")));
    assert!(eve.contains("does not name eve"), "{eve}");
    let alice = reason(of(&samples::HARDWARE_ED25519, Some("alice")));
    assert!(alice.contains("does not give alice the key SHA256:"), "{alice}");
}

#[test]
fn a_signature_over_another_text_or_for_another_purpose_does_not_count() {
    let signers = Signers::parse(&format!("alice {}\n", samples::ED25519.key));
    let program = Scripted::new(Answer::Good);
    let at = "2026-06-01T00:00:00Z".parse().unwrap();
    let judge = Judge { text: "keybatch \n", signers: &signers, at, apart: &[], program: &program };
    assert_eq!(said(&judge.judge(&[of(&samples::ED25519, Some("alice"))])), ["(bad_signature)"]);
    // The namespace, in base64 at its place: the same length, and another word.
    let (old, new) = (STANDARD.encode("plan@keybatc"), STANDARD.encode("plax@keybatc"));
    let text = samples::ED25519.text();
    let bytes = STANDARD.decode(text.lines().nth(1).unwrap()).unwrap();
    let at_namespace = bytes.windows(13).position(|bytes| bytes == b"plan@keybatch").unwrap();
    let mut other = bytes.clone();
    other[at_namespace + 3] = b'x';
    let text = text.replace(&STANDARD.encode(&bytes), &STANDARD.encode(&other));
    assert_eq!(said(&judge.judge(&[presented("x", Some("alice"), text)])), ["(other_namespace)"], "{old} {new}");
    assert!(program.asked.borrow().is_empty());
}

#[test]
fn the_program_is_asked_what_cannot_be_verified_here_and_only_about_persons_who_may_sign() {
    let list = format!("alice,bob cert-authority {}\neve {}\n", samples::AUTHORITY, samples::ED25519.key);
    let ask = |answer: Answer, named: Option<&str>| {
        let program = Scripted::new(answer);
        let word = said(&judged_by(&program, &list, &[], &[of(&samples::CERTIFICATE, named)])).remove(0);
        (word, program.asked.into_inner())
    };
    let bad = || Answer::Bad("expired".into());
    let missing = || Answer::Unavailable("not found".into());
    let strings = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(ask(Answer::Good, Some("bob")), ("bob".into(), strings(&["bob"])));
    assert_eq!(ask(Answer::Good, None), ("alice".into(), strings(&["alice"])));
    assert_eq!(ask(Answer::Good, Some("eve")), ("alice".into(), strings(&["alice"])));
    assert_eq!(ask(bad(), None), ("(refused)".into(), strings(&["alice", "bob"])));
    assert_eq!(ask(missing(), None), ("(no_program)".into(), strings(&["alice"])));
}

#[test]
fn one_person_and_one_key_count_once() {
    let list = format!("alice {}\nalice {}\nbob {}\n", samples::ED25519.key, samples::RSA.key, samples::ED25519.key);
    let twice = [of(&samples::ED25519, Some("alice")), of(&samples::ED25519, Some("alice"))];
    assert_eq!(said(&judged(&list, &[], &twice)), ["alice", "(same_principal)"]);
    let two_keys = [of(&samples::ED25519, Some("alice")), of(&samples::RSA, Some("alice"))];
    assert_eq!(said(&judged(&list, &[], &two_keys)), ["alice", "(same_principal)"]);
    let one_key = [of(&samples::ED25519, Some("alice")), of(&samples::ED25519, Some("bob"))];
    assert_eq!(said(&judged(&list, &[], &one_key)), ["alice", "(same_key)"]);
    // A certificate over a key is that key.
    let list = format!("alice {}\nbob cert-authority {}\n", samples::ED25519.key, samples::AUTHORITY);
    let program = Scripted::new(Answer::Good);
    let both = [of(&samples::ED25519, Some("alice")), of(&samples::CERTIFICATE, Some("bob"))];
    assert_eq!(said(&judged_by(&program, &list, &[], &both)), ["alice", "(same_key)"]);
}

#[test]
fn under_four_eyes_neither_the_maker_nor_the_session_approves_with_whatever_key() {
    let list = format!(
        "alice {}\nalice {}\nbob {}\nbob valid-before=\"20200101Z\",namespaces=\"x\" {}\ncarol {}\n",
        samples::ED25519.key,
        samples::RSA.key,
        samples::ECDSA_256.key,
        samples::ECDSA_384.key,
        samples::ECDSA_521.key
    );
    let all = [
        of(&samples::ED25519, Some("alice")),
        of(&samples::RSA, Some("alice")),
        of(&samples::ECDSA_256, Some("bob")),
        of(&samples::ECDSA_521, Some("carol")),
    ];
    let party = |role, sample: &samples::Sample| Party { role, key: sample.key() };
    let maker = party(Role::Maker, &samples::ED25519);
    assert_eq!(said(&judged(&list, std::slice::from_ref(&maker), &all)), ["(maker)", "(maker)", "bob", "carol"]);
    // Bob's old key, which may sign nothing any more, is still Bob's.
    let session = party(Role::Session, &samples::ECDSA_384);
    assert_eq!(said(&judged(&list, &[maker, session], &all)), ["(maker)", "(maker)", "(session)", "carol"]);
    let unknown = party(Role::Maker, &samples::HARDWARE_ECDSA);
    assert_eq!(said(&judged(&list, &[unknown], &all)), ["alice", "(same_principal)", "bob", "carol"]);
}

/// A key of a kind that only the program knows, and a signature with it: nothing is computed.
fn made_up(number: u8) -> (PublicKey, String) {
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let key = [string(b"x-key"), string(&[number])].concat();
    let fields = [&key[..], b"plan@keybatch", b"", b"sha512", &string(b"x-key")].map(string).concat();
    let body = STANDARD.encode([&b"SSHSIG\0\0\0\x01"[..], &fields].concat());
    let text = format!("-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----\n");
    (PublicKey::from_wire(&key).unwrap(), text)
}

/// Every list of two persons and three keys, every two signatures with any names, and every party: who counts is allowed, apart,
/// and new; who does not count is not.
#[test]
fn exactly_those_count_who_may_and_are_new() {
    let keys: Vec<_> = (1..=3).map(made_up).collect();
    let words = |key: &PublicKey| format!("x-key {}", STANDARD.encode(wire(key)));
    let persons = ["a", "b"];
    let ones: Vec<_> = (0..keys.len()).flat_map(|key| [None, Some("a"), Some("b")].map(|named| (key, named))).collect();
    for list in 0_u32..64 {
        let given = |person: usize, key: usize| list >> (person * 3 + key) & 1 == 1;
        let lines = (0..2).flat_map(|person| (0..3).map(move |key| (person, key)));
        let lines = lines.filter(|(person, key)| given(*person, *key));
        let text: String =
            lines.map(|(person, key)| format!("{} {}\n", persons[person], words(&keys[key].0))).collect();
        for party in [None, Some(0)] {
            let apart: Vec<_> =
                party.map(|key: usize| Party { role: Role::Maker, key: keys[key].0.clone() }).into_iter().collect();
            for first in &ones {
                for second in &ones {
                    let all = [first, second].map(|(key, named)| presented("x", *named, keys[*key].1.clone()));
                    let found = judged_by(&Scripted::new(Answer::Good), &text, &apart, &all);
                    let mut counted: Vec<(usize, usize)> = Vec::new();
                    for ((key, named), judged) in [first, second].into_iter().zip(&found) {
                        let named = named.and_then(|named| persons.iter().position(|person| *person == named));
                        let whose = named.filter(|person| given(*person, *key));
                        let whose = whose.or_else(|| (0..2).find(|person| given(*person, *key)));
                        let is_apart =
                            |person: usize| party.is_some_and(|of_party| of_party == *key || given(person, of_party));
                        let is_new = |person: usize| counted.iter().all(|(p, k)| *p != person && k != key);
                        let expected = whose.filter(|person| !is_apart(*person) && is_new(*person));
                        let counts = judged.counts.is_ok().then(|| judged.principal.as_ref().unwrap().as_str());
                        assert_eq!(counts, expected.map(|person| persons[person]), "{text}{first:?} {second:?}");
                        counted.extend(expected.map(|person| (person, *key)));
                    }
                }
            }
        }
    }
}

fn wire(key: &PublicKey) -> Vec<u8> {
    let (_, number) = (1..=3).map(|number| (made_up(number).0, number)).find(|(other, _)| other == key).unwrap();
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    [string(b"x-key"), string(&[number])].concat()
}

#[test]
fn who_may_not_approve_must_be_somebody_by_the_list() {
    let signers = Signers::parse(&format!("alice {}\n", samples::ED25519.key));
    let nobody = Signers::parse(&format!("alice {}\n", samples::RSA.key));
    let program = Scripted::new(Answer::Good);
    let at = "2026-06-01T00:00:00Z".parse().unwrap();
    let word = |signers: &Signers, role, text: &str, armour: &str| {
        let judge = Judge { text, signers, at, apart: &[], program: &program };
        judge.party(role, armour).map(|party| (party.role, party.key)).map_err(|why| why.as_str())
    };
    let text = "keybatch\n";
    assert_eq!(word(&signers, Role::Maker, text, samples::MAKER), Ok((Role::Maker, samples::ED25519.key())));
    assert_eq!(word(&signers, Role::Maker, "keybatch \n", samples::MAKER), Err("bad_signature"));
    assert_eq!(word(&signers, Role::Maker, text, "nothing"), Err("unreadable"));
    assert_eq!(word(&nobody, Role::Maker, text, samples::MAKER), Err("not_allowed"));
    // Neither an approval nor the maker's signature is one of the session.
    assert_eq!(word(&signers, Role::Maker, text, &samples::ED25519.text()), Err("other_namespace"));
    assert_eq!(word(&signers, Role::Session, text, samples::MAKER), Err("other_namespace"));
}
