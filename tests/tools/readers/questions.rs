//! The shipped questions in the programs that reviewers have: each gives the answer that `keybatch query --name` gives, row for row.
//! Datasette is asked for its canned queries, as `contrib/datasette` configures them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keybatch::review::questions::{Question, questions};
use serde_json::{Map, Value, json};

use super::views::{CRAFTED, all_were_there, copy, environment, journal_of_everything, packages};
use crate::shell;
use crate::support::Bench;

/// The readers that take SQL with parameters, and both versions of Datasette; as in `views.rs`.
const READERS: [(&str, &str, &str); 6] = [
    ("sqlite3", "", ""),
    ("datasette", "", "datasette/__init__.py"),
    ("datasette", "datasette-next", "datasette/__init__.py"),
    ("duckdb", "", "duckdb_extension_sqlite_scanner/__init__.py"),
    ("duckdb-text", "", "duckdb/__init__.py"),
    ("duckdb-text", "duckdb-next", "duckdb/__init__.py"),
];

/// What is asked: every parameter has a text, if need be the empty one.
fn given(bench: &Bench, question: &Question) -> Map<String, Value> {
    let user = bench.query("SELECT body ->> '$.user' AS user FROM entries WHERE kind = 'session_opened' LIMIT 1");
    let value = |name: &str| match name {
        "ticket" => "OPS-1".into(),
        "person" => user[0]["user"].clone(),
        "since" => "2026-01-01T00:00:00Z".into(),
        "key_pair" => "plain".into(),
        _ => "".into(),
    };
    question.parameters.iter().map(|parameter| (parameter.name.to_owned(), value(parameter.name))).collect()
}

fn by_keybatch(bench: &Bench, question: &Question, given: &Map<String, Value>) -> Value {
    let pairs: Vec<String> = given.iter().map(|(name, text)| format!("{name}={}", text.as_str().unwrap())).collect();
    let mut args = vec!["query", "--name", question.name, "--output", "json"];
    pairs.iter().for_each(|pair| args.extend(["--param", pair]));
    bench.keybatch(&args).exits(0).json()
}

/// The plain shell, with the question's SQL as `--sql` prints it.
fn by_the_shell(journal: &Path, question: &Question, given: &Map<String, Value>) -> Value {
    let mut script = String::from(".parameter init\n");
    for (name, text) in given {
        script += &format!(".parameter set :{name} \"'{}'\"\n", text.as_str().unwrap());
    }
    let shown = shell::read(journal, &format!("{script}.mode json\n{}", question.sql));
    if shown.is_empty() { json!([]) } else { serde_json::from_str(&shown).unwrap() }
}

fn by_a_reader(venv: &Path, library: &Path, reader: &str, journal: &Path, asked: &Value) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(venv.join("bin/python3"));
    command.env("PYTHONPATH", library).arg(root.join("tests/tools/readers/ask_questions.py"));
    command.arg(reader).arg(journal).arg(root.join("contrib/datasette"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let failed = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{reader} of {}\n{failed}", library.display());
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Datasette calls a database by the name of its file, and the canned queries are for one that is called `journal`.
fn journal_named_journal(bench: &Bench) -> PathBuf {
    std::fs::create_dir(bench.home().join("handed-over")).unwrap();
    copy(bench, "handed-over/journal.db", CRAFTED)
}

// SEMANTICS: P97
fn every_reader_gives_the_same_answers() {
    shell::needs("sqlite3");
    let mut bench = journal_of_everything();
    bench.world.key("used");
    bench.world.state().instances.push((("us-east-1".to_owned(), "web-1".to_owned()), "used".to_owned()));
    bench.run(&bench.file("used.csv", "name\nused\n"), &["--ticket", "OPS-1"]).exits(0);
    let journal = journal_named_journal(&bench);
    bench.move_journal(journal.clone());
    let questions = questions();
    let expected: Vec<(Map<String, Value>, Value)> = questions
        .iter()
        .map(|question| {
            let given = given(&bench, question);
            let answer = by_keybatch(&bench, question, &given);
            (given, answer)
        })
        .collect();
    let asked: Value = questions
        .iter()
        .zip(&expected)
        .map(|(question, (given, _))| json!({ "name": question.name, "sql": question.sql, "given": given }))
        .collect();
    for (question, (given, answer)) in questions.iter().zip(&expected) {
        assert_ne!(answer, &json!([]), "{} has no answer to compare", question.name);
        assert_eq!(&by_the_shell(&journal, question, given), answer, "{} in the shell", question.name);
    }
    let venv = environment();
    let mut missing = Vec::new();
    for (reader, folder, file) in READERS {
        let library = packages(&venv, folder);
        if !library.join(file).exists() {
            missing.push(format!("{folder} {reader}").trim().to_owned());
            continue;
        }
        let seen = by_a_reader(&venv, &library, reader, &journal, &asked);
        for (question, (_, answer)) in questions.iter().zip(&expected) {
            let found = &seen["answers"][question.name];
            assert_eq!(found, answer, "{} in {reader} {}", question.name, seen["version"]);
        }
    }
    all_were_there(&missing);
}

/// The commands of docs/READERS.md: the program itself, with both files, answers a canned query.
fn datasette_is_started_as_the_document_says() {
    let bench = Bench::new();
    bench.world.key("one");
    bench.run(&bench.manifest(&["one"]), &["--ticket", "OPS-1"]).exits(0);
    let venv = environment();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/READERS.md")).unwrap();
    let mut missing = Vec::new();
    for (folder, files) in [
        ("", "-m contrib/datasette/metadata.yaml"),
        ("datasette-next", "-m contrib/datasette/metadata.yaml -c contrib/datasette/datasette.yaml"),
    ] {
        assert!(document.contains(&format!("datasette journal.db {files}")), "{files}");
        let library = packages(&venv, folder);
        if !library.join("datasette/__init__.py").exists() {
            missing.push(format!("{folder} datasette"));
            continue;
        }
        let mut command = Command::new(venv.join("bin/python3"));
        command.env("PYTHONPATH", &library).current_dir(root).args(["-m", "datasette", "serve"]).arg(bench.journal());
        command.args(files.split(' ')).arg("--get");
        command.arg("/journal/deletions-for-ticket.json?_shape=array&ticket=OPS-1");
        let done = command.output().unwrap();
        let (said, failed) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let rows: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}\n{failed}"));
        assert_eq!(rows[0]["key_pair_name"], "one", "{said}");
    }
    all_were_there(&missing);
}

crate::harness::tests![every_reader_gives_the_same_answers, datasette_is_started_as_the_document_says];
