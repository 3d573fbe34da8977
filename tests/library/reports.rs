//! Reports on small journals: damaged ones, long runs that a page shows by samples, and what was signed and said later.

use std::process::{Command, Output};

use crate::story::{PAGE, Place, event_of};
use assert_cmd::cargo::CommandCargoExt as _;
use keybatch::domain::sha256;
use keybatch::journal::open;
use keybatch::record::Draft;
use keybatch::review::report::{Limits, Report, collect, html, markdown, rows, text};
use keybatch::review::runs::resolve;
use serde_json::{Value, json};

const RUN: &str = "0198c0de-0000-7000-8000-000000000001";

fn report(place: &Place, format: &str) -> Output {
    let mut command = Command::cargo_bin("keybatch").unwrap();
    command.env_clear().env("KEYBATCH_JOURNAL", place.path()).env("TMPDIR", place.directory.path());
    command.args(["report", RUN, "--format", format]).output().unwrap()
}

/// Fields that say nothing without another one.
const RESTS_ON: [(&str, &str); 3] =
    [("targets_asked", "plan"), ("gone_without_request", "outcomes"), ("gone_without_request", "overrides")];

/// What a form says where there is nothing, and which field it knows that by.
const NOTHING: [(&str, &str); 5] = [
    ("plan", "No plan was sealed"),
    ("plan", "none was sealed"),
    ("in_use", "None that is known"),
    ("outcomes", "Nothing: no row is in doubt"),
    ("overrides", "o safety rule was lifted"),
];

/// Whatever page is lost, there is a report, which says what could not be read and has no number in its place.
#[tokio::test]
async fn a_report_on_a_damaged_journal_says_what_could_not_be_read_and_exits_with_7() {
    let place = Place::new();
    place.filled().await;
    let whole = std::fs::read(place.path()).unwrap();
    let sound = report(&place, "json");
    assert_eq!(sound.status.code(), Some(0), "{}", String::from_utf8_lossy(&sound.stderr));
    let sound: Value = serde_json::from_slice(&sound.stdout).unwrap();
    assert_eq!((&sound["gaps"], &sound["unread"]), (&json!([]), &json!([])));
    let (mut incomplete, mut without_run, mut without_outcomes) = (0, 0, 0);
    for page in 0..whole.len() / PAGE {
        let mut damaged = whole.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0xA5);
        std::fs::write(place.path(), &damaged).unwrap();
        let done = report(&place, "json");
        let talk = String::from_utf8_lossy(&done.stderr);
        assert!(!talk.contains("panicked"), "page {page}: {talk}");
        let said: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("page {page}: {talk}"));
        if done.status.code() == Some(0) {
            assert_eq!(said["outcomes"], sound["outcomes"], "page {page} holds nothing");
            continue;
        }
        assert_eq!(
            (done.status.code(), &said["verification"]["sound"]),
            (Some(7), &false.into()),
            "page {page}: {talk}"
        );
        let unread: Vec<_> = said["unread"].as_array().unwrap().iter().map(|field| field.as_str().unwrap()).collect();
        let gaps: Vec<_> = said["gaps"].as_array().unwrap().iter().map(|gap| gap.as_str().unwrap()).collect();
        assert_eq!(unread.is_empty(), gaps.is_empty(), "page {page}: {said}");
        assert!(gaps.iter().all(|gap| gap.contains("could not be read")), "page {page}: {gaps:?}");
        if !unread.contains(&"outcomes") {
            assert_eq!(said["outcomes"], sound["outcomes"], "page {page}: what is not named was read");
        }
        for (field, rests_on) in RESTS_ON {
            let is_known = !unread.contains(&rests_on) || unread.contains(&field);
            assert!(is_known, "page {page}: without {rests_on}, {field} says nothing");
        }
        if gaps.is_empty() {
            continue;
        }
        incomplete += 1;
        without_run += usize::from(unread.contains(&"run"));
        without_outcomes += usize::from(unread.contains(&"outcomes"));
        let done = report(&place, "html");
        let shown = String::from_utf8(done.stdout).unwrap();
        assert_eq!(done.status.code(), Some(7), "page {page}");
        assert!(shown.contains("This report is not complete") && shown.ends_with("</html>\n"), "page {page}: {shown}");
        if unread.contains(&"outcomes") {
            assert!(shown.contains("outcomes could not be read, so there is no sum"), "page {page}");
            assert!(!shown.contains("no row is in doubt"), "page {page}: nothing is known of that");
        }
        if unread.contains(&"approvals") {
            assert!(!shown.contains("has no approval"), "page {page}: nothing is known of that");
        }
        let forms = ["md", "text"].map(|form| String::from_utf8(report(&place, form).stdout).unwrap());
        for shown in &forms {
            assert!(shown.to_lowercase().contains("not complete"), "page {page}: {shown}");
        }
        for shown in forms.iter().chain([&shown]) {
            for (field, said) in NOTHING {
                assert!(!(unread.contains(&field) && shown.contains(said)), "page {page}, {field}: {shown}");
            }
        }
    }
    assert!(
        incomplete > 3 && without_run > 0 && without_outcomes > without_run,
        "{incomplete} {without_run} {without_outcomes}"
    );
}

/// Page and report of a journal's run, with such limits.
async fn page(place: &Place, limits: Limits) -> (Report, String) {
    let reader = open::reader(&place.path()).await.unwrap();
    let run = resolve(&reader, RUN).await.unwrap();
    let mut spool = Vec::new();
    let mut blocks = rows(&reader, &run, &mut spool, limits).await.unwrap();
    let report = collect(&reader, &run, Some(&mut blocks)).await;
    let mut page = Vec::new();
    html(&report, &blocks, &mut &spool[..], &mut page).unwrap();
    (report, String::from_utf8(page).unwrap())
}

/// Row and outcome of each row in the page's data.
fn shown(page: &str) -> Vec<(u64, String)> {
    let between = |from: &str| page.split_once(from).unwrap().1.split_once("</script>").unwrap().0.to_owned();
    let words: Value = serde_json::from_str(&between("id=\"words\">")).unwrap();
    let blocks = page.split("class=\"rows\">").skip(1).map(|rest| rest.split_once("</script>").unwrap().0);
    let rows = blocks.flat_map(|block| serde_json::from_str::<Vec<Value>>(block).unwrap());
    let outcome = |row: &Value| words[usize::try_from(row[3].as_u64().unwrap()).unwrap()].as_str().unwrap().to_owned();
    rows.map(|row| (row[0].as_u64().unwrap(), outcome(&row))).collect()
}

#[tokio::test]
async fn a_page_of_a_longer_run_shows_samples_of_each_outcome_and_counts_every_row() {
    let place = Place::new();
    place.filled().await;
    let (whole, all) = page(&place, Limits::default()).await;
    let every = shown(&all);
    assert_eq!(every.len() as u64, whole.rows);
    assert!(!all.contains("id=\"samples\""));
    let limits = Limits { rows: whole.rows - 1, samples: 1, ..Limits::default() };
    let (report, samples) = page(&place, limits).await;
    assert_eq!(report, whole, "counts, requests and lists are of all rows");
    // The first row of each outcome, those first that ask most of a person.
    let order = ["in_doubt", "failed", "unsettled", "gone", "skipped", "not_attempted", "absent", "deleted"];
    let first = |outcome: &&str| every.iter().find(|(_, of)| of == outcome).cloned();
    let expected: Vec<_> = order.iter().filter_map(first).collect();
    assert_eq!(shown(&samples), expected);
    assert!(expected.len() > 3 && expected.len() < every.len(), "{expected:?}");
    let said = format!("These are {} of {} rows", expected.len(), whole.rows);
    let why = format!("because it has more than {} rows", limits.rows);
    for said in [&said, &why, "The counts above are of all rows", "keybatch export"] {
        assert!(samples.contains(said), "{said}");
    }
    let sum = |page: &str| page.split_once("id=\"sum\">").unwrap().1.split_once("</p>").unwrap().0.to_owned();
    assert_eq!(sum(&samples), sum(&all));
    assert!(samples.contains(&format!("\"of\":{}}}", whole.rows)), "the script knows how many there are");
}

#[tokio::test]
async fn a_page_that_would_be_too_large_says_so_and_counts_every_row() {
    let place = Place::new();
    place.filled().await;
    let (whole, all) = page(&place, Limits::default()).await;
    let (report, cut) = page(&place, Limits { bytes: 600, ..Limits::default() }).await;
    assert_eq!(report, whole);
    let (some, every) = (shown(&cut), shown(&all));
    assert!(!some.is_empty() && some.len() < every.len() && some[..] == every[..some.len()], "{some:?}");
    assert!(cut.contains(&format!("These are {} of {} rows", some.len(), every.len())));
    assert!(cut.contains("would hold more than 600 bytes"));
}

/// Who signed the plan, and what was said of rows once the run had left them.
#[tokio::test]
async fn every_form_shows_signatures_and_what_was_said_later() {
    let place = Place::new();
    place.filled().await;
    let journal = place.journal().await;
    let fields = json!({ "session_id": "s9", "command": "resolve", "version": "0.1.0", "host": "h", "user": "u", "pid": 1,
                         "sandbox": true, "settings": {}, "settings_sha256": sha256(b"{}") });
    journal.append(vec![Draft::of(event_of("session_opened", &fields))]).await.unwrap();
    for (role, key) in [("maker", "SHA256:made"), ("session", "SHA256:ran")] {
        let signed = json!({ "role": role, "plan_root": "cm9vdA==", "key": key, "signature": "armour" });
        let draft = Draft { run: Some(1), row: None, event: event_of("plan_signed", &signed) };
        journal.append(vec![draft]).await.unwrap();
    }
    let attempts = json!({ "confirmed": 41, "not_seen": 1, "contradicted": 2, "not_sent": 3 });
    let reconciled = json!({ "files": [], "file_count": 17, "files_sha256": "ab12", "from": "2026-01-01T00:00:00Z",
        "until": "2026-01-02T00:00:00Z", "records": 99, "events": 44, "unreadable": 5, "attempts": attempts, "unexplained": 6,
        "resolves": 1, "by": "rita<b>" });
    let draft = Draft { run: Some(1), row: None, event: event_of("reconciled", &reconciled) };
    journal.append(vec![draft]).await.unwrap();
    journal.close().await.unwrap();
    let (report, page) = page(&place, Limits::default()).await;
    let roles: Vec<_> = report.signatures.iter().map(|one| one.key.as_str()).collect();
    assert_eq!(roles, ["SHA256:made", "SHA256:ran"]);
    assert_eq!((report.reconciliations.len(), report.reconciliations[0].attempts.confirmed), (1, 41));
    assert!(!report.resolutions.is_empty() && report.resolutions.iter().all(|one| one.command == "resolve"));
    for (form, shown) in [("html", page), ("md", markdown(&report)), ("text", text(&report))] {
        // Markdown writes some characters otherwise, so that they mean nothing.
        let shown = shown.replace("&#58;", ":").replace('\\', "");
        for said in [
            "signed by its maker with SHA256:made",
            "signed by the session that executes it with SHA256:ran",
            "17 files of CloudTrail",
            "41 attempts confirmed",
            "5 places in them could not be read",
            "6 events that nothing in the journal explains",
            "1 row given another outcome",
            "rita",
            "CloudTrail names it",
        ] {
            assert!(shown.contains(said), "{form} does not say {said:?}: {shown}");
        }
        let at = &report.reconciliations[0].at;
        let first = &report.resolutions[0];
        assert!(shown.contains(at.as_str()) && shown.contains(&format!("row {}", first.row)), "{form}");
        assert_eq!(shown.contains("rita<b>"), form == "text", "{form}: markup");
        assert!(!shown.contains("Nobody has recorded"), "{form}");
    }
}

#[tokio::test]
async fn every_form_says_that_nobody_compared_the_run_with_cloudtrail() {
    let place = Place::new();
    place.filled().await;
    let (report, page) = page(&place, Limits::default()).await;
    for shown in [page, markdown(&report), text(&report)] {
        assert!(shown.contains("Nobody has recorded a comparison"), "{shown}");
    }
}
