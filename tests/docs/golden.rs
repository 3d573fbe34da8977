//! Golden vectors: fixed entries, their canonical bytes, leaves and roots. A change here is a change of the format.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use keybatch::domain::Clock;
use keybatch::journal::EntryStore as _;
use keybatch::journal::open;
use keybatch::record::checkpoint::{Checkpoint, base64};
use keybatch::record::merkle::{Frontier, leaf_hash};
use keybatch::record::plan::Sealing;
use keybatch::record::{Draft, Entry, Event, Sealed};

use super::events::{JOURNAL_ID, bare, entry, full};
use super::{generated, read};
use crate::harness::ignore;

/// One of each kind with every field, and an intent more: the row of the first has its outcome with its answer, so that the
/// outcome that stands alone is another row's.
fn events() -> Vec<(Event, Option<u64>)> {
    let mut second = None;
    let mut events = Vec::new();
    for event in full() {
        if let Event::IntentRecorded(intent) = &event {
            let mut intent = (**intent).clone();
            (intent.line.row, intent.line.line) = (2, 3);
            second = Some(Event::IntentRecorded(Box::new(intent)));
        }
        let of_second = matches!(event, Event::RowSettled(_) | Event::RowResolved(_)).then_some(2);
        if of_second.is_some() {
            events.extend(second.take().map(|intent| (intent, of_second)));
        }
        events.push((event, of_second));
    }
    events
}

/// The golden entries. The checkpoint and the seal among them are those of what is before them.
fn entries() -> Vec<Entry> {
    let mut tree = Frontier::default();
    let mut sealing = Sealing::default();
    let mut made_last = (0, String::new());
    let mut entries = Vec::new();
    for ((mut event, row), seq) in events().into_iter().zip(0..) {
        if let Event::CheckpointMade(made) = &mut event {
            (made.size, made.root) = (tree.size(), base64(&tree.root()));
            made_last = (made.size, made.root.clone());
        }
        if let Event::CheckpointAnchored(anchored) = &mut event {
            (anchored.size, anchored.root) = made_last.clone();
        }
        match &mut event {
            Event::IntentRecorded(intent) => {
                let line = &intent.line;
                sealing.push(&line.account, &line.region, line.verdict, line.leaf().unwrap());
            }
            Event::PlanSealed(sealed) => sealed.seal = std::mem::take(&mut sealing).seal(&sealed.header).unwrap(),
            _ => {}
        }
        let mut entry = entry(seq, event);
        entry.row = row.or(entry.row);
        tree.push(entry.seal().unwrap().leaf);
        entries.push(entry);
    }
    entries
}

fn sealed() -> Vec<Sealed> {
    entries().iter().map(|entry| entry.seal().unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The roots of the first 0, 1, 2, … entries.
fn roots(sealed: &[Sealed]) -> Vec<String> {
    let mut tree = Frontier::default();
    let mut roots = vec![base64(&tree.root())];
    for entry in sealed {
        tree.push(entry.leaf);
        roots.push(base64(&tree.root()));
    }
    roots
}

/// A clock that is set.
#[derive(Debug, Default)]
struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A journal that holds the golden entries.
pub(crate) async fn journal(directory: &Path) -> PathBuf {
    let path = directory.join("journal.db");
    let clock = Arc::new(Hand::default());
    let mut store = open::store(&path, Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
    // Each by itself: the projections of one may need those of the ones before it.
    for Entry { at, run, row, event, .. } in entries() {
        *clock.0.lock().unwrap() = at;
        store.append(vec![Draft { run, row, event }], None).await.unwrap();
    }
    store.close().await.unwrap();
    path
}

// SEMANTICS: P49
// SEMANTICS: P50
fn the_golden_vectors_hold() {
    let sealed = sealed();
    let lines = |texts: Vec<String>| texts.into_iter().map(|text| text + "\n").collect::<String>();
    generated("tests/golden/entries.jsonl", &lines(sealed.iter().map(|entry| entry.body.clone()).collect()));
    generated("tests/golden/leaves.txt", &lines(sealed.iter().map(|entry| hex(&entry.leaf)).collect()));
    generated("tests/golden/roots.txt", &lines(roots(&sealed)));
}

/// The files by themselves, without the code that made them.
fn the_golden_files_belong_together() {
    let bodies = read("tests/golden/entries.jsonl");
    let mut tree = Frontier::default();
    let golden_roots = read("tests/golden/roots.txt");
    let mut golden_roots = golden_roots.lines();
    assert_eq!(golden_roots.next(), Some(base64(&tree.root()).as_str()));
    for (body, leaf) in bodies.lines().zip(read("tests/golden/leaves.txt").lines()) {
        assert_eq!(hex(&leaf_hash(body.as_bytes())), leaf);
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), body, "canonical");
        tree.push(leaf_hash(body.as_bytes()));
        assert_eq!(golden_roots.next(), Some(base64(&tree.root()).as_str()));
    }
    assert_eq!((tree.size(), golden_roots.next()), (bodies.lines().count() as u64, None));
    assert_eq!(bare().len(), full().len());
}

fn the_examples_of_the_document_are_the_golden_ones() {
    let document = read("docs/JOURNAL.md");
    let sealed = sealed();
    let roots = roots(&sealed);
    let first = &sealed[0];
    for example in [first.body.clone(), hex(&first.leaf)] {
        assert!(document.contains(&format!("\n    {example}\n")), "not in docs/JOURNAL.md: {example}");
    }
    let mut tree = Frontier::default();
    sealed.iter().take(3).for_each(|entry| tree.push(entry.leaf));
    let text = Checkpoint { journal_id: JOURNAL_ID.into(), size: 3, root: tree.root() }.to_text();
    assert!(text.contains(&roots[3]));
    let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
    assert!(document.contains(&indented), "not in docs/JOURNAL.md:\n{indented}");
}

/// The program of the document: only Python's standard library, and the journal.
fn program() -> String {
    let document = read("docs/JOURNAL.md");
    let (_, from) = document.split_once("```python\n").expect("a program in Python");
    from.split_once("```").expect("its end").0.to_owned()
}

fn python(arguments: &[&str]) -> (bool, String) {
    let output = match Command::new("python3").args(arguments).output() {
        Ok(output) => output,
        Err(error) => ignore(format!("python3 cannot be started: {error}")),
    };
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

// SEMANTICS: P50
async fn the_program_of_the_document_comes_to_the_same_roots() {
    let directory = tempfile::tempdir().unwrap();
    let path = journal(directory.path()).await;
    let (journal, script) = (path.display().to_string(), directory.path().join("check.py"));
    std::fs::write(&script, program()).unwrap();
    let script = script.display().to_string();
    let roots = roots(&sealed());
    let whole = roots.len() - 1;
    for (size, arguments) in [(whole, vec![]), (1, vec!["1"]), (6, vec!["6"]), (7, vec!["7"])] {
        let arguments: Vec<&str> = [script.as_str(), &journal].into_iter().chain(arguments).collect();
        let (succeeded, said) = python(&arguments);
        assert!(succeeded, "{said}");
        assert_eq!(said, format!("keybatch/{JOURNAL_ID}\n{size}\n{}\n", roots[size]));
    }
    let tamper = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(\"DROP TRIGGER entry_not_changed; \
                  UPDATE entry SET body = replace(body, 'amelie', 'jonas') WHERE seq = 3\")";
    let (succeeded, said) = python(&["-c", tamper, &journal]);
    assert!(succeeded, "{said}");
    let (succeeded, said) = python(&[&script, &journal]);
    assert!(!succeeded && said.contains("entry 3 was altered"), "{said}");
}

/// The two shell lines of the document give the same leaf.
async fn the_shell_lines_of_the_document_give_the_leaf() {
    let directory = tempfile::tempdir().unwrap();
    journal(directory.path()).await;
    let document = read("docs/JOURNAL.md");
    let (_, from) = document.split_once("One leaf, with the shell:\n\n").unwrap();
    let script: Vec<&str> = from.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    if Command::new("sqlite3").arg("-version").output().is_err() {
        ignore("sqlite3 is not installed");
    }
    let output = Command::new("sh").args(["-c", &script.join("\n")]).current_dir(directory.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let leaf = hex(&sealed()[0].leaf);
    assert_eq!(said, format!("{leaf}  -\n{leaf}\n"), "{}", String::from_utf8_lossy(&output.stderr));
}

crate::harness::tests![the_golden_vectors_hold, the_golden_files_belong_together, the_examples_of_the_document_are_the_golden_ones; async the_program_of_the_document_comes_to_the_same_roots, the_shell_lines_of_the_document_give_the_leaf];
