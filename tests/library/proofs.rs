//! Proofs through the library: each row of a journal is proved, and each forgery of a proof is convicted.

pub(crate) mod forged;

use std::collections::BTreeMap;

use keybatch::journal::open;
use keybatch::record::checkpoint::Checkpoint;
use keybatch::record::proof::{Proof, ProofFault};
use keybatch::review::{ProveError, Under, prove_row};
use keybatch::verify::{ProofReport, ProofTrust, Verdict, verify_proof};

use crate::tampering::sample::{Copy, hex, run, sample};
use forged::{bits, forged, held, made_anew, proofs};

fn trust() -> ProofTrust {
    let checkpoint = &sample().checkpoint;
    ProofTrust { brought: vec![(checkpoint.size, checkpoint.root)], ..ProofTrust::default() }
}

fn judged(bytes: &[u8], trust: &ProofTrust) -> ProofReport {
    verify_proof(&Proof::read(bytes), trust)
}

fn all() -> Vec<Proof> {
    run(proofs(&Copy::new().path(), &sample().checkpoint))
}

// SEMANTICS: P113
#[test]
fn each_row_is_proved_with_the_outcome_that_the_journal_has() {
    let proofs = all();
    let mut outcomes = BTreeMap::<String, usize>::new();
    for proof in &proofs {
        let report = judged(&proof.to_bytes().unwrap(), &trust());
        assert_eq!(report.verdict, Verdict::Verified, "{report:#?}");
        assert!(report.accepted && report.findings.is_empty());
        let Some(row) = report.row else { continue };
        let last = proof.entries.iter().rev().find_map(|entry| {
            let body: serde_json::Value = serde_json::from_str(&entry.body).unwrap();
            body["outcome"].as_str().map(str::to_owned)
        });
        assert_eq!(row.outcome.map(|outcome| outcome.as_str().to_owned()), last);
        assert!(report.says.iter().any(|said| said.contains(&row.key_pair_name)), "{:?}", report.says);
        *outcomes.entry(last.unwrap_or_default()).or_default() += 1;
        // Nothing vouches for the same proof if nothing is brought.
        let alone = judged(&proof.to_bytes().unwrap(), &ProofTrust::default());
        assert_eq!((alone.verdict, alone.accepted, alone.proved_up_to), (Verdict::SelfConsistent, true, None));
        let required = ProofTrust { require_checkpoint: true, ..ProofTrust::default() };
        assert!(!judged(&proof.to_bytes().unwrap(), &required).accepted);
    }
    assert!(outcomes.len() >= 4, "{outcomes:?}");
}

// SEMANTICS: P114
#[test]
fn each_forgery_is_convicted() {
    let proofs = all();
    let mut counts = BTreeMap::<&str, [usize; 2]>::new();
    for (kind, bytes) in forged(&proofs).into_iter().chain(bits(&proofs)) {
        let report = judged(&bytes, &held(&bytes, &sample().checkpoint));
        let sound = report.verdict == Verdict::Verified;
        counts.entry(kind).or_default()[usize::from(sound)] += 1;
        if sound {
            assert_eq!(kind, "an entry left out", "{report:#?}");
            // What is left says nothing of the row that the journal does not say of it, now or before.
            let shown = report.row.unwrap();
            let read = Proof::read(&bytes).unwrap();
            let whole = proofs.iter().find(|proof| (proof.run, proof.row) == (read.run, read.row)).unwrap();
            let said = shown.outcome.map(|outcome| format!("\"outcome\":\"{outcome}\""));
            assert!(said.is_none_or(|said| whole.entries.iter().any(|entry| entry.body.contains(&said))), "{shown:?}");
        }
    }
    assert!(counts.len() >= 14 && counts["a byte of a proof"][0] > 1_000, "{counts:?}");
    for (kind, bytes) in made_anew(&proofs, &sample().bodies) {
        let report = judged(&bytes, &ProofTrust::default());
        assert!(report.verdict != Verdict::SelfConsistent, "{kind}: {:#?}", report.row);
        assert_eq!(report.row, None, "nothing is said of a row whose story does not hold");
    }
}

/// A proof as its bytes, and the checkpoint that it is under, for whoever writes a verifier. A change here is a change of the format.
// SEMANTICS: P113
#[test]
fn the_golden_proof_holds() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let copy = Copy::new();
    let proof = run(async {
        let reader = open::reader(&copy.path()).await.unwrap();
        let root = reader.root_at(32).await.unwrap().unwrap();
        let checkpoint = sample().checkpoint.clone();
        let older = Checkpoint::of(&checkpoint.journal_id, 32, &root);
        let runs = reader.runs().await.unwrap();
        let under = Under { checkpoint, signature: None, older };
        let proof = prove_row(&reader, &runs[0], 1, &under).await.unwrap().proof;
        reader.release().await;
        proof
    });
    let made =
        [("proof.json", proof.to_bytes().unwrap()), ("proof.checkpoint", proof.checkpoint.text.clone().into_bytes())];
    for (name, bytes) in made {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(golden.join(name), &bytes).unwrap();
        }
        assert!(std::fs::read(golden.join(name)).unwrap() == bytes, "{name}: UPDATE_DOCS=1 renews it");
    }
    // The files by themselves.
    let held = Checkpoint::parse_last(&std::fs::read_to_string(golden.join("proof.checkpoint")).unwrap()).unwrap();
    let trust = ProofTrust { brought: vec![(held.size, held.root)], ..ProofTrust::default() };
    let report = judged(&std::fs::read(golden.join("proof.json")).unwrap(), &trust);
    assert_eq!((report.verdict, report.consistent_with[0].size), (Verdict::Verified, 32), "{report:#?}");
}

/// What the reviewer holds decides, and only that.
// SEMANTICS: P115
#[test]
fn only_a_checkpoint_of_the_reviewers_vouches() {
    let checkpoint = &sample().checkpoint;
    let proof = all().into_iter().find(|proof| proof.row.is_some()).unwrap();
    let read = Ok(proof);
    let of = |trust: ProofTrust| verify_proof(&read, &trust).verdict;
    let own = (checkpoint.size, checkpoint.root);
    assert_eq!(of(ProofTrust { brought: vec![(3, [1; 32]), own], ..ProofTrust::default() }), Verdict::Verified);
    assert_eq!(of(ProofTrust { brought: vec![(own.0, [1; 32])], ..ProofTrust::default() }), Verdict::Forked);
    assert_eq!(of(ProofTrust { brought: vec![(own.0 - 1, own.1)], ..ProofTrust::default() }), Verdict::CannotVerify);
    assert_eq!(of(ProofTrust { only_others: true, ..ProofTrust::default() }), Verdict::CannotVerify);
    let unsigned = ProofTrust { brought: vec![own], signed: Some([].into()), ..ProofTrust::default() };
    assert_eq!(of(unsigned.clone()), Verdict::SelfConsistent, "nobody who may signed it");
    assert_eq!(of(ProofTrust { signed: Some([own].into()), ..unsigned.clone() }), Verdict::Verified);
    assert_eq!(
        of(ProofTrust { brought: Vec::new(), vouched_by: Some("a".into()), ..unsigned.clone() }),
        Verdict::Verified
    );
    assert_eq!(of(ProofTrust { bad_signature: Some("b".into()), ..trust() }), Verdict::BadSignature);
    assert_eq!(of(ProofTrust { unverified_signature: Some("u".into()), ..trust() }), Verdict::CannotVerify);
    for fault in [ProofFault::NotOne("x".into()), ProofFault::Newer("y".into())] {
        assert_eq!(verify_proof(&Err(fault), &trust()).verdict, Verdict::CannotVerify);
    }
}

/// An older checkpoint vouches for what it covers, if the proof shows that it is the beginning of its own.
#[test]
fn an_older_checkpoint_vouches_for_what_it_covers() {
    let copy = Copy::new();
    let checkpoint = sample().checkpoint.clone();
    run(async {
        let reader = open::reader(&copy.path()).await.unwrap();
        let runs = reader.runs().await.unwrap();
        let prove = async |size: u64| {
            let root = reader.root_at(size).await.unwrap().unwrap();
            let older = Checkpoint::of(&checkpoint.journal_id, size, &root);
            let brought = older.iter().map(|older| (older.size, older.root)).collect();
            let under = Under { checkpoint: checkpoint.clone(), signature: None, older };
            let proof = prove_row(&reader, &runs[0], 1, &under).await.unwrap().proof;
            (verify_proof(&Ok(proof.clone()), &ProofTrust { brought, ..ProofTrust::default() }), proof)
        };
        let (_, proof) = prove(1).await;
        let last = proof.entries.last().unwrap().seq;
        for (size, verdict) in
            [(1, Verdict::SelfConsistent), (last, Verdict::SelfConsistent), (last + 1, Verdict::Verified)]
        {
            let (report, _) = prove(size).await;
            assert_eq!((report.verdict, report.proved_up_to), (verdict, Some(size)), "{report:#?}");
        }
        reader.release().await;
    });
}

/// A journal may be damaged elsewhere; where a leaf is missing, the proof says at which entry it stops.
#[test]
fn a_journal_that_is_damaged_elsewhere_still_proves() {
    let last = sample().bodies.len() as u64 - 1;
    let prove = |statements: &str| {
        let copy = Copy::new();
        run(async {
            copy.tamper(statements).await;
            let reader = open::reader(&copy.path()).await.unwrap();
            let under = Under { checkpoint: sample().checkpoint.clone(), signature: None, older: None };
            let runs = reader.runs().await.unwrap();
            let proved = prove_row(&reader, &runs[0], 1, &under).await;
            reader.release().await;
            proved
        })
    };
    let whole = prove("SELECT 1").unwrap();
    assert!(whole.proof.entries.iter().all(|entry| entry.seq < last));
    assert_eq!(prove(&format!("UPDATE entry SET body = 'gone' WHERE seq = {last}")).unwrap(), whole);
    let last_of_row = whole.proof.entries.last().unwrap().seq;
    for (statements, place) in [
        (format!("DELETE FROM entry WHERE seq = {last}"), last),
        (format!("UPDATE entry SET leaf = x'00' WHERE seq = {last}"), last),
    ] {
        match prove(&statements) {
            Err(ProveError::Stops { seq, .. }) => assert_eq!(seq, place, "{statements}"),
            other => panic!("{statements}: {other:?}"),
        }
    }
    let leaf = hex(&[1; 32]);
    let other = prove(&format!("UPDATE entry SET leaf = x'{leaf}' WHERE seq = {last}"));
    assert!(matches!(other, Err(ProveError::OtherRoot { .. })), "{other:?}");
    let spaced = format!("UPDATE entry SET body = replace(body, '\"v\":2', '\"v\": 2') WHERE seq = {last_of_row}");
    assert!(matches!(prove(&spaced), Err(ProveError::Altered { seq }) if seq == last_of_row));
}
