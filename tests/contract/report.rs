//! `report`: one file for people who were not there. It says what `query` says, and nothing in it runs, loads or leaves.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{Act, Bench, Effect, OUTCOMES};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\u{202e}\u{2028}'\"&";

/// A run with a failure, a row in doubt, a skip, an absent one, a retry after a throttle, and cells that want to be markup.
fn a_run() -> Bench {
    let bench = Bench::new();
    let names = bench.world.keys("key", 8);
    bench.world.always("DeleteKeyPair", &names[1], Act::denied().saying(HOSTILE));
    bench.world.script("DeleteKeyPair", &names[2], [Act::throttle()]);
    bench.world.script("DeleteKeyPair", &names[3], [Act::cut().with(Effect::Delete)]);
    bench.world.always("GetOperationsForResource", &names[3], Act::denied());
    let quoted = HOSTILE.replace('"', "\"\"");
    let rows: String = names.iter().map(|name| format!("{name},\"{quoted}\",\"{quoted}\"\n")).collect();
    let manifest = format!("key_pair_name,note,reason\n{rows}never-was,a,b\n{},x,y\n", names[7]);
    bench.run(&bench.file("deletions.csv", manifest), &["--ticket", "OPS-17"]).exits(3);
    bench
}

fn page(bench: &Bench) -> String {
    let path = bench.home().join("page.html");
    bench.keybatch(&["report", "latest", "-o", path.to_str().unwrap()]).exits(0);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    text
}

/// What is between the first `from` and the next `to` after it.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map(|(inner, _)| inner).unwrap_or_default()
}

/// The first cell of each row of an answer, and so on.
fn query(bench: &Bench, sql: &str) -> Vec<Value> {
    let done = bench.keybatch(&["query", sql, "--output", "json"]).exits(0);
    done.json().as_array().unwrap().clone()
}

// SEMANTICS: P128
#[test]
fn a_page_lets_nothing_in_but_its_own_script_and_style() {
    let page = page(&a_run());
    let policy = between(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    let (style, script) = (between(&page, "<style>", "</style>"), between(&page, "<script>", "</script>"));
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains(&format!("script-src {};", hash(script))), "{policy}");
    assert!(policy.contains(&format!("style-src {};", hash(style))), "{policy}");
    assert_eq!(page.matches("<script>").count(), 1);
    let data = page.matches("<script type=\"application/json\"").count();
    assert_eq!(page.matches("<script").count(), 1 + data);
    assert_eq!(page.matches("</script>").count(), 1 + data);
    for attribute in [" src=\"", " href=\"", " action=\"", " data=\"", " srcset=\"", " xlink:href=\""] {
        for rest in page.split(attribute).skip(1) {
            assert!(rest.starts_with('#') || rest.starts_with("data:,\""), "{attribute}{}", &rest[..40]);
        }
    }
    assert!(
        !page.contains("style=\"") && !page.contains("onclick") && !page.contains("@import"),
        "the policy forbids it"
    );
}

#[test]
fn a_page_has_every_section_and_reads_without_a_script() {
    let bench = a_run();
    let page = page(&bench);
    for section in ["summary", "asked", "doubts", "instances", "requests", "rows", "controls", "verification"] {
        assert!(page.contains(&format!("<section id=\"{section}\" aria-labelledby=\"{section}-title\">")), "{section}");
        assert!(page.contains(&format!("<a href=\"#{section}\">")), "{section}");
    }
    let run = &query(&bench, "SELECT run_id, operator FROM runs")[0];
    let [run, operator] = ["run_id", "operator"].map(|name| run[name].as_str().unwrap());
    for said in [run, operator, "OPS-17", "deletions.csv", "contrib/verify.py", "self consistent", "10 rows = "] {
        assert!(page.contains(said), "{said}");
    }
    let standing = between(&page, "<div id=\"standing\">", "</div></div>");
    for row in ["key-01", "key-02", "never-was"] {
        assert!(standing.contains(&format!("<bdi>{row}</bdi>")), "{row}: {standing}");
    }
    assert!(!page.contains("REHEARSAL"));
}

// SEMANTICS: P129
#[test]
fn nothing_in_a_manifest_or_an_answer_becomes_markup() {
    let bench = a_run();
    for text in [page(&bench), bench.keybatch(&["report", "latest", "--format", "md"]).exits(0).stdout] {
        for hostile in ["<img", "onerror=alert(1)>", "\u{202e}", "\u{2028}"] {
            assert!(!text.contains(hostile), "{hostile:?}");
        }
    }
    let page = page(&bench);
    let rows = between(&page, "class=\"rows\">", "</script>");
    let rows: Value = serde_json::from_str(rows).unwrap();
    let words: Value = serde_json::from_str(between(&page, "id=\"words\">", "</script>")).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 10);
    assert!(
        words.as_array().unwrap().iter().any(|word| word.as_str().unwrap().contains("</script><img")),
        "kept, as text"
    );
    for form in ["text", "md", "json"] {
        let said = bench.keybatch(&["report", "latest", "--format", form]).exits(0).stdout;
        assert!(!said.contains(['\u{1b}', '\u{202e}', '\u{2028}']), "{form}");
    }
}

// SEMANTICS: P130
#[test]
fn every_number_is_that_of_query() {
    let bench = a_run();
    let report = bench.keybatch(&["report", "latest", "--format", "json"]).exits(0).json();
    let of = |sql: &str| query(&bench, sql)[0]["n"].as_u64().unwrap();
    let mut sum = 0;
    for outcome in OUTCOMES {
        let rows = of(&format!("SELECT count(*) AS n FROM intents WHERE outcome = '{outcome}'"));
        assert_eq!(report["outcomes"][outcome].as_u64(), Some(rows), "{outcome}");
        sum += rows;
    }
    assert_eq!(report["rows"].as_u64(), Some(sum));
    assert_eq!(report["adds_up"], true);
    assert_eq!(report["deletes_sent"].as_u64(), Some(of("SELECT count(*) AS n FROM attempts")));
    for row in
        query(&bench, "SELECT coalesce(class, 'no end recorded') AS class, count(*) AS n FROM attempts GROUP BY 1")
    {
        assert_eq!(report["traffic"]["classes"][row["class"].as_str().unwrap()], row["n"], "{row}");
    }
    let evidence = query(&bench, "SELECT outcome, evidence, count(*) AS rows FROM intents GROUP BY 1, 2");
    assert_eq!(report["evidence"].as_array().unwrap().len(), evidence.len());
    assert!(evidence.iter().all(|one| report["evidence"].as_array().unwrap().contains(one)), "{evidence:?}");
    let facts = &query(&bench, "SELECT * FROM runs")[0];
    for (name, value) in facts.as_object().unwrap().iter().filter(|(name, _)| *name != "sandbox") {
        assert_eq!(&report["facts"][name], value, "{name}");
    }
    let sums = |list: &Value, field: &str| {
        list.as_array().unwrap().iter().map(|one| one[field].as_u64().unwrap()).sum::<u64>()
    };
    let ended = of("SELECT count(*) AS n FROM attempts WHERE finished_at IS NOT NULL");
    assert_eq!(sums(&report["traffic"]["latency"], "requests"), ended);
    for (session, sent) in
        query(&bench, "SELECT session, count(*) AS n FROM attempts GROUP BY 1 ORDER BY 1").iter().enumerate()
    {
        let drawn = &report["traffic"]["sessions"][session];
        assert_eq!(
            (&drawn["session"], sums(&drawn["parts"], "requests")),
            (&sent["session"], sent["n"].as_u64().unwrap())
        );
    }
    let throttled = of("SELECT count(*) AS n FROM attempts WHERE class = 'throttled'");
    assert_eq!(sums(&report["traffic"]["sessions"][0]["parts"], "throttled"), throttled);
    assert_eq!(throttled, 1);
    assert_eq!(report["journal"]["size"].as_u64(), Some(of("SELECT count(*) AS n FROM entries")));
    assert_eq!(report["checkpoints"]["count"].as_u64(), Some(of("SELECT count(*) AS n FROM checkpoints")));
    // What the page and the text say of them is the same.
    let text = bench.keybatch(&["report", "latest"]).exits(0).stdout;
    let markdown = bench.keybatch(&["report", "latest", "--format", "md"]).exits(0).stdout;
    let line = text.lines().find(|line| line.contains(" rows = ")).unwrap();
    assert!(line.ends_with("Every row has exactly one outcome."), "{line}");
    assert!(page(&bench).contains(line) && markdown.contains(&line.replace('+', "\\+")), "{line}");
}

// SEMANTICS: P131
#[test]
fn the_same_journal_gives_the_same_file_in_each_form() {
    let bench = a_run();
    for form in ["html", "md", "text", "json"] {
        let report = || bench.keybatch(&["report", "latest", "--format", form]).exits(0).stdout;
        assert_eq!(report(), report(), "{form}");
    }
    let to = |name: &str| bench.home().join(name).display().to_string();
    for (name, begins) in
        [("a.html", "<!DOCTYPE html>"), ("a.md", "# "), ("a.txt", "run "), ("a.json", "{"), ("a", "<!DOCTYPE")]
    {
        bench.keybatch(&["report", "latest", "-o", &to(name)]).exits(0);
        assert!(std::fs::read_to_string(to(name)).unwrap().starts_with(begins), "{name}");
    }
    let again = bench.keybatch(&["report", "latest", "-o", &to("a.md")]).exits(2);
    assert!(again.stderr.contains("already exists"), "{again}");
}

#[test]
fn a_report_says_what_to_look_for_and_which_checkpoint_covers_the_run() {
    let bench = a_run();
    let report = bench.keybatch(&["report", "latest", "--format", "json"]).exits(0).json();
    let doubts = report["doubts"].as_array().unwrap();
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    assert_eq!(
        (&doubts[0]["outcome"], &doubts[0]["story"]["look_for"]["event_name"]),
        (&"gone".into(), &"DeleteKeyPair".into())
    );
    assert!(page(&bench).contains("aws cloudtrail lookup-events"));
    let kept = bench.home().join("kept.txt");
    let checkpoint = bench.keybatch(&["checkpoint"]).exits(0).stdout;
    std::fs::write(&kept, checkpoint).unwrap();
    let with = bench
        .keybatch(&["report", "latest", "--format", "json", "--checkpoint", kept.to_str().unwrap()])
        .exits(0)
        .json();
    assert_eq!(with["verification"]["verdict"], "verified");
    assert_eq!(
        (&with["verification"]["end_covered"], &report["verification"]["end_covered"]),
        (&true.into(), &false.into())
    );
    assert_eq!(with["verification"]["deletions"], report["outcomes"]["deleted"]);
}

/// A newer journal cannot be verified here, and is shown as far as it is known. Another program's database has no report.
// SEMANTICS: P131
#[test]
fn a_newer_journal_has_a_report_that_exits_with_7_and_another_database_has_none() {
    let bench = a_run();
    let known = bench.keybatch(&["report", "latest", "--format", "json"]).exits(0).json();
    let file = std::fs::OpenOptions::new().write(true).open(bench.journal()).unwrap();
    // `user_version`, a big-endian number.
    file.write_all_at(&99_u32.to_be_bytes(), 60).unwrap();
    let done = bench.keybatch(&["report", "latest", "--format", "json"]).exits(7);
    assert!(done.stderr.contains("a newer keybatch wrote this journal"), "{done}");
    let newer = done.json();
    assert_eq!(newer["verification"]["verdict"], "cannot_verify");
    assert_eq!((&newer["outcomes"], &newer["gaps"]), (&known["outcomes"], &known["gaps"]));
    let page = bench.home().join("newer.html");
    bench.keybatch(&["report", "latest", "-o", page.to_str().unwrap()]).exits(7);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("journal: cannot verify") && page.contains("never-was"), "it holds the rows");
    // The mark of another program's database.
    file.write_all_at(b"OTHR", 68).unwrap();
    let to = bench.home().join("none.html");
    let refused = bench.keybatch(&["report", "latest", "-o", to.to_str().unwrap()]).exits(9);
    assert!(refused.stderr.contains("cannot be used") && !to.exists(), "{refused}");
    // Text and a destroyed header look the same.
    std::fs::write(bench.journal(), "A text that is longer than the header of a database. ".repeat(9)).unwrap();
    let none = bench.keybatch(&["report", "latest", "--format", "json"]).exits(7).json();
    assert_eq!(
        (&none["state"], none["unread"].to_string().contains("\"run\"")),
        (&"unreadable".into(), true),
        "{none}"
    );
}

/// Waiting for a reader, a pipeline might hang for good.
#[test]
fn a_summary_goes_to_a_pipe_that_somebody_reads_and_to_no_other() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    let manifest = bench.manifest(&names);
    let pipe = bench.home().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let to = pipe.to_str().unwrap();
    let refused = bench.run(&manifest, &["--summary-to", to]).exits(9);
    assert!(
        refused.stderr.contains("nobody reads from it") && refused.stderr.contains("nothing was sent"),
        "{refused}"
    );
    assert!(refused.took < std::time::Duration::from_secs(30), "{:?}", refused.took);
    assert_eq!(bench.world.arrived("GetKeyPairs").len(), 0, "nothing was sent");
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap())
    };
    // The reader may be there a moment later than the run.
    crate::support::wait_until("somebody reads", || {
        bench.run(&manifest, &["--summary-to", to]).exits_one_of(&[0, 9]).code == Some(0)
    });
    assert!(reader.join().unwrap().contains("| deleted | 1 |"));
    for (place, prefix) in [("/dev/stdout", "more"), ("/dev/fd/1", "most")] {
        let done = bench.run(&bench.manifest(&bench.world.keys(prefix, 1)), &["--summary-to", place]).exits(0);
        assert!(done.stdout.contains("## keybatch"), "{place}: {done}");
    }
}

// SEMANTICS: P132
#[test]
fn a_session_appends_its_summary_to_a_file_that_can_be_written_before_anything_is_sent() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let manifest = bench.manifest(&names);
    let unwritable: PathBuf = bench.home().join("no/such/folder/summary.md");
    let refused = bench.run(&manifest, &["--summary-to", unwritable.to_str().unwrap()]).exits(9);
    assert!(refused.stderr.contains("--summary-to"), "{refused}");
    assert_eq!(bench.world.arrived("GetKeyPairs").len(), 0, "nothing was sent");
    let journal = bench.journal().display().to_string();
    bench.run(&manifest, &["--summary-to", &journal]).exits(2);
    assert_eq!(bench.world.arrived("GetKeyPairs").len(), 0, "nothing was sent");
    let summary = bench.file("summary.md", "before\n");
    let to = summary.to_str().unwrap();
    bench.run(&manifest, &["--summary-to", to, "--max-deletes", "1"]).exits(5);
    let first = std::fs::read_to_string(&summary).unwrap();
    assert!(first.starts_with("before\n## keybatch\n") && first.contains("| deleted | 1 |"), "{first}");
    assert!(first.contains("keybatch resume"), "{first}");
    bench.keybatch(&["resume", "--summary-to", to]).exits(0);
    let both = std::fs::read_to_string(&summary).unwrap();
    assert!(both.starts_with(&first) && both.matches("## keybatch\n").count() == 2, "{both}");
    assert!(both.contains("| deleted | 2 |"), "{both}");
    bench.run(&bench.file("bad.csv", "nothing\n1\n"), &["--summary-to", to]).exits(4);
    let failed = std::fs::read_to_string(&summary).unwrap();
    assert!(failed.starts_with(&both) && failed.contains("exit code 4"), "{failed}");
}
