//! Forged, removed, exchanged, doubled and moved approvals, by somebody who can make every hash, root and number anew: what the entries
//! themselves show convicts without anything from outside, and what they cannot show, the reviewer's own demand does.

mod signed;

use std::sync::Arc;

use keybatch::record::Entry;
use keybatch::record::ssh::Signers;
use keybatch::verify::{Demand, Options, Report, Verdict, verify};
use serde_json::{Value, json};

use self::signed::{NoProgram, Signable, Story, approval_by, fingerprint, key, signature, signed_by, signers, story};
use super::sample as journals;
use super::sample::{Copy, resealed, run};

/// What `verify` says of these entries, resealed.
fn said(court: &Court, bodies: &[Value], demand: Option<(usize, bool)>) -> Report {
    let Court { copy, story, .. } = court;
    copy.put(&story.file);
    run(copy.rewrite(&resealed(bodies)));
    let demand = demand.map(|(approvals, four_eyes)| Demand {
        approvals,
        four_eyes,
        signers: Some(signers()),
        program: Arc::new(NoProgram),
        policies: Vec::new(),
    });
    run(verify(&copy.path(), Options { demand, ..Options::default() })).unwrap()
}

/// Where the entry of this kind is, the `nth` of them.
fn place(bodies: &[Value], kind: &str, nth: usize) -> usize {
    let mut places = bodies.iter().enumerate().filter(|(_, body)| body["kind"] == kind).map(|(place, _)| place);
    places.nth(nth).unwrap_or_else(|| panic!("{kind} {nth}"))
}

/// An entry made of `fields`, as of the session of the one at `place`.
fn like(bodies: &[Value], place: usize, fields: &Value) -> Value {
    let mut body = bodies[place].clone();
    body.as_object_mut().unwrap().retain(|name, _| ["at", "session", "v"].contains(&name.as_str()));
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    // It has no number that anything else refers to.
    body["seq"] = 9_999.into();
    body
}

struct Court {
    copy: Copy,
    story: Story,
    bodies: Vec<Value>,
}

impl Court {
    fn new() -> Self {
        let story = story();
        let bodies = story.bodies.iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        Self { copy: Copy::new(), story, bodies }
    }

    fn edited(&self, edit: impl FnOnce(&mut Vec<Value>)) -> Vec<Value> {
        let mut bodies = self.bodies.clone();
        edit(&mut bodies);
        bodies
    }

    /// The entries themselves show it: the first that cannot be is that at `bad`.
    #[track_caller]
    fn convicts(&self, what: &str, bad: usize, edit: impl FnOnce(&mut Vec<Value>)) {
        let report = said(self, &self.edited(edit), None);
        assert_eq!(
            (report.verdict, report.first_bad),
            (Verdict::IllegalHistory, Some(bad as u64)),
            "{what}: {report:?}"
        );
        assert!(report.detail.contains("cannot follow"), "{what}: {report:?}");
    }

    /// Nothing in the entries shows it, and what the reviewer demands does.
    #[track_caller]
    fn misses(&self, what: &str, demand: (usize, bool), edit: impl FnOnce(&mut Vec<Value>)) {
        let bodies = self.edited(edit);
        let alone = said(self, &bodies, None);
        assert_eq!(alone.verdict, Verdict::SelfConsistent, "{what}: {alone:?}");
        let report = said(self, &bodies, Some(demand));
        assert_eq!(report.verdict, Verdict::IllegalHistory, "{what}: {report:?}");
        assert!(report.detail.contains("lacks what is demanded"), "{what}: {report:?}");
    }
}

fn set(bodies: &mut [Value], place: usize, fields: &Value) {
    bodies[place].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
}

// SEMANTICS: P103
#[test]
fn a_forged_approval_is_convicted_though_every_hash_is_right() {
    let court = Court::new();
    for demand in [None, Some((1, false))] {
        let report = said(&court, &court.bodies, demand);
        assert_eq!(report.verdict, Verdict::SelfConsistent, "nothing is wrong with the original: {report:?}");
    }
    let (first, second) = (&court.story.first, &court.story.second);
    let (anna, ben) = (place(&court.bodies, "plan_approved", 0), place(&court.bodies, "plan_approved", 1));
    let of_second = place(&court.bodies, "plan_approved", 2);
    let forge = |what: &str, fields: &Value| court.convicts(what, anna, |bodies| set(bodies, anna, fields));
    forge("over another text", &json!({ "signature": signature("anna", "plan@keybatch", "another text\n") }));
    forge("for another purpose", &json!({ "signature": signature("anna", "maker@keybatch", &first.text) }));
    forge("a file's signature", &json!({ "signature": signature("anna", "file", &first.text) }));
    forge("another key than it names", &json!({ "signature": signature("eve", "plan@keybatch", &first.text) }));
    forge("no signature", &json!({ "signature": "-----BEGIN SSH SIGNATURE-----\n" }));
    forge("another key's fingerprint", &json!({ "key": fingerprint("eve") }));
    forge("another plan's root", &json!({ "plan_root": second.root }));
    forge("of nobody", &json!({ "signer": "maker" }));
    forge("of the other plan", &court.bodies[of_second]);
    let mut stolen = court.bodies[of_second].clone();
    stolen["plan_root"] = first.root.clone().into();
    forge("of the other plan, told to be of this one", &stolen);
    forge("by the maker's key", &approval_by("max", "eve", &first.root, &first.text));
    forge("by the session's key", &approval_by("rosa", "eve", &first.root, &first.text));
    court.convicts("exchanged between the plans", anna, |bodies| {
        let own = bodies[anna]["signature"].take();
        bodies[anna]["signature"] = bodies[of_second]["signature"].take();
        bodies[of_second]["signature"] = own;
    });
    court.convicts("doubled", ben, |bodies| {
        let fields = bodies[anna].clone();
        let double = like(bodies, anna, &fields);
        bodies.insert(ben, double);
        bodies[ben]["seq"] = 9_999.into();
    });
    court.convicts("one key under two names", ben, |bodies| {
        set(bodies, ben, &approval_by("anna", "ben", &first.root, &first.text));
    });
    court.convicts("one person with two keys", ben, |bodies| {
        set(bodies, ben, &approval_by("eve", "anna", &first.root, &first.text));
    });
    let (sealed, started) = (place(&court.bodies, "plan_sealed", 0), place(&court.bodies, "run_started", 0));
    court.convicts("behind the start", started, |bodies| {
        let approval = bodies.remove(ben);
        bodies.insert(started, approval);
    });
    court.convicts("before the seal", sealed, |bodies| {
        let approval = bodies.remove(ben);
        bodies.insert(sealed, approval);
    });
}

// SEMANTICS: P103
#[test]
fn what_is_missing_is_missed_by_whoever_demands_it() {
    let court = Court::new();
    let first = &court.story.first;
    // Of the second run there is one approval, so what is demanded of all runs is that.
    let only_first = |bodies: &mut Vec<Value>| {
        let end = place(bodies, "session_closed", 1) + 1;
        bodies.truncate(end);
    };
    let anna = place(&court.bodies, "plan_approved", 0);
    let whole = said(&court, &court.edited(only_first), Some((2, true)));
    assert_eq!(whole.verdict, Verdict::SelfConsistent, "{whole:?}");
    court.misses("an approval that was removed", (2, false), |bodies| {
        only_first(bodies);
        bodies.remove(anna);
    });
    court.misses("all approvals of one run", (1, false), |bodies| {
        let of_second = place(bodies, "plan_approved", 2);
        bodies.remove(of_second);
    });
    court.misses("an approval by somebody unknown", (2, false), |bodies| {
        only_first(bodies);
        set(bodies, anna, &approval_by("mallory", "mallory", &first.root, &first.text));
    });
    court.misses("an approval under somebody else's name", (2, false), |bodies| {
        only_first(bodies);
        set(bodies, anna, &approval_by("eve", "anna", &first.root, &first.text));
    });
    court.misses("the maker's approval with another key", (2, true), |bodies| {
        only_first(bodies);
        set(bodies, anna, &approval_by("second", "max", &first.root, &first.text));
    });
    court.misses("both signatures of four eyes, and that of the second session", (1, true), |bodies| {
        only_first(bodies);
        bodies.retain(|body| body["kind"] != "plan_signed");
    });
    court.misses("a maker whom nobody knows", (1, true), |bodies| {
        only_first(bodies);
        let maker = place(bodies, "plan_signed", 0);
        set(bodies, maker, &signed_by("mallory", "maker", &first.root, &first.text));
    });
}

// SEMANTICS: P103
#[test]
fn who_made_and_who_runs_a_plan_cannot_be_exchanged_in_its_journal() {
    let court = Court::new();
    let (first, second) = (&court.story.first, &court.story.second);
    let (maker, own) = (place(&court.bodies, "plan_signed", 0), place(&court.bodies, "plan_signed", 1));
    let (later, started) = (place(&court.bodies, "plan_signed", 2), place(&court.bodies, "run_started", 0));
    let sign = |person, role, of: &Signable| signed_by(person, role, &of.root, &of.text);
    court.convicts("the maker's alone removed", started - 1, |bodies| drop(bodies.remove(maker)));
    court.convicts("the session's alone removed", started - 1, |bodies| drop(bodies.remove(own)));
    let attempt = place(&court.bodies, "attempt_started", 0);
    court.convicts("that of a later session removed", attempt - 1, |bodies| drop(bodies.remove(later)));
    court.convicts("of another plan", maker, |bodies| set(bodies, maker, &sign("max", "maker", second)));
    court.convicts("twice by its maker", own, |bodies| set(bodies, own, &sign("eve", "maker", first)));
    court.convicts("by another key than the session's", own, |bodies| set(bodies, own, &sign("eve", "session", first)));
    court.convicts("told as the maker's", maker, |bodies| {
        set(bodies, maker, &json!({ "signature": signature("max", "checkpoint@keybatch", &first.text) }));
    });
    let unknown = court.edited(|bodies| set(bodies, maker, &json!({ "role": "owner" })));
    let report = said(&court, &unknown, None);
    assert_eq!((report.verdict, report.first_bad), (Verdict::IllegalHistory, Some(maker as u64)), "{report:?}");
    court.convicts("by one who approved", place(&court.bodies, "plan_approved", 0), |bodies| {
        set(bodies, maker, &sign("anna", "maker", first));
    });
    court.convicts("by the maker behind the start", started, |bodies| {
        let signed = bodies.remove(maker);
        bodies.insert(started, signed);
        // The other one goes with it, so that neither is missed.
        let own = bodies.remove(own - 1);
        bodies.insert(started, own);
        bodies.swap(started - 1, started);
    });
}

/// The second session belongs to one of those who approved: whoever runs a plan does not count.
// SEMANTICS: P103
#[test]
fn an_approver_who_goes_on_with_the_run_does_not_count() {
    let court = Court::new();
    let first = &court.story.first;
    let bodies = court.edited(|bodies| {
        let end = place(bodies, "session_closed", 1) + 1;
        bodies.truncate(end);
        // Ben goes on, with a key that approved nothing.
        let (opened, signed) = (place(bodies, "session_opened", 1), place(bodies, "plan_signed", 2));
        let settings = json!({ "sign_key": fingerprint("eve") });
        let digest = keybatch::domain::sha256(settings.to_string().as_bytes());
        set(bodies, opened, &json!({ "settings": settings, "settings_sha256": digest }));
        set(bodies, signed, &signed_by("eve", "session", &first.root, &first.text));
    });
    assert_eq!(said(&court, &bodies, None).verdict, Verdict::SelfConsistent);
    assert_eq!(said(&court, &bodies, Some((2, true))).verdict, Verdict::SelfConsistent, "Eve approved nothing");
    let list = format!("{}ben {}\n", signers().text(), key("eve").public_key().to_openssh().unwrap());
    let demand = |approvals| Demand {
        approvals,
        four_eyes: true,
        signers: Some(Signers::parse(&list)),
        program: Arc::new(NoProgram),
        policies: Vec::new(),
    };
    let judged = |approvals| {
        let options = Options { demand: Some(demand(approvals)), ..Options::default() };
        run(verify(&court.copy.path(), options)).unwrap()
    };
    assert_eq!(judged(1).verdict, Verdict::SelfConsistent, "Anna's is enough");
    let report = judged(2);
    let signed = place(&bodies, "plan_signed", 2) as u64;
    assert_eq!((report.verdict, report.first_bad), (Verdict::IllegalHistory, Some(signed)), "{report:?}");
}

/// What was edited is an entry: an old journal has none of these, and needs none.
#[test]
fn every_edit_begins_with_entries_that_can_be_read() {
    for body in &story().bodies {
        Entry::parse(body).unwrap();
    }
}
