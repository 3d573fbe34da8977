//! `report`: what it tells is what is known, in each form, and no more.

use crate::sessions::killed_while_asking;
use crate::sessions::rollback::{copy_aside, put_back};
use crate::support::{Act, Bench, Effect};

/// The forms for people and for programs.
const FORMS: [&str; 4] = ["html", "md", "text", "json"];

/// The report in a form, without the escapes of Markdown.
fn told(bench: &Bench, form: &str) -> String {
    let path = bench.home().join(format!("report.{form}"));
    bench.keybatch(&["report", "latest", "--format", form, "-o", path.to_str().unwrap()]).exits(0);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    if form == "md" { text.replace('\\', "") } else { text }
}

#[test]
fn an_accepted_rollback_stands_with_the_run_that_it_concerns_and_no_request_is_invented() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 5);
    bench.run(&bench.manifest(&names), &["--max-deletes", "2", "--concurrency", "1"]).exits(5);
    let copy = copy_aside(&bench, "backup.db");
    bench.resume().exits(0);
    put_back(&bench, &copy);
    bench.keybatch(&["resume", "--accept-rollback", "--because", "the disk failed"]).exits(0);
    let report = bench.keybatch(&["report", "latest", "--format", "json"]).exits(0).json();
    assert_eq!(report["overrides"][0]["which"], "accept-rollback");
    assert_eq!((&report["outcomes"]["gone"], &report["gone_without_request"]), (&3.into(), &3.into()), "{report}");
    for form in ["html", "md", "text"] {
        let text = told(&bench, form);
        for said in ["--accept-rollback", "the disk failed", "3 rows are gone without a request in the journal"] {
            assert!(text.contains(said), "{form}: {said}");
        }
        assert!(!text.contains("no safety rule was lifted") && !text.contains("No safety rule was lifted"), "{form}");
        assert!(!text.contains("there before a request"), "{form}: the journal has no request");
    }
    let shown = bench.keybatch(&["show", "latest"]).exits(0).stdout;
    assert!(shown.contains("--accept-rollback") && shown.contains("the disk failed"), "{shown}");
    // A later run lost nothing, and the next copy that is put back is accepted for the run that is begun with it.
    let later = bench.manifest(&bench.world.keys("later", 2));
    let copy = copy_aside(&bench, "backup-2.db");
    bench.run(&later, &[]).exits(0);
    assert!(!told(&bench, "text").contains("accept-rollback"));
    put_back(&bench, &copy);
    let third = bench.manifest(&bench.world.keys("third", 1));
    bench.run(&third, &["--accept-rollback", "--because", "the disk failed again"]).exits(0);
    let text = told(&bench, "text");
    assert!(text.contains("the disk failed again") && !text.contains("the disk failed ("), "{text}");
}

#[test]
fn a_killed_run_is_interrupted_in_each_form_of_a_report_as_in_the_list_of_runs() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 1);
    bench.world.script("DeleteKeyPair", &names[0], [Act::hang()]);
    killed_while_asking(&bench, &names[0], "300s");
    for form in FORMS {
        let text = told(&bench, form);
        let begin = text.find("interrupted").and_then(|at| text.get(at.saturating_sub(200)..at)).unwrap_or_default();
        assert!(begin.contains("run"), "{form}");
        assert!(!text.contains(">running<") && !text.contains("**running**") && !text.contains(" running\n"), "{form}");
    }
    let report = bench.keybatch(&["report", "latest", "--format", "json"]).exits(0).json();
    assert_eq!((&report["state"], &report["facts"]["state"]), (&"interrupted".into(), &"interrupted".into()));
}

#[test]
fn a_refused_run_has_no_rows_and_its_report_says_why() {
    let bench = Bench::new();
    bench.world.keys("key", 2);
    bench.run(&bench.file("bad.csv", "name,region\nkey-01,\nkey-02,no-such-region\n"), &[]).exits(4);
    for form in ["html", "md", "text"] {
        let text = told(&bench, form);
        assert!(text.contains("No plan was sealed, so no row was recorded"), "{form}: {text}");
        assert!(text.contains("refused"), "{form}: {text}");
        for wrong in ["Every row has exactly one outcome", "not attempted", "id=\"grid\"", "The run has no rows"] {
            assert!(!text.contains(wrong), "{form}: {wrong}");
        }
    }
}

#[test]
fn one_row_is_one_row_and_a_yes_is_a_flag() {
    let bench = Bench::new();
    bench.run(&bench.manifest(&bench.world.keys("key", 1)), &[]).exits(0);
    let text = told(&bench, "text");
    assert!(text.contains("1 row = 1 deleted.") && text.contains("1 deletion, by --yes"), "{text}");
}

#[test]
fn throttled_deletes_and_reads_are_told_apart() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.world.script("DeleteKeyPair", &names[0], [Act::throttle()]);
    bench.world.script("GetKeyPairs", "*", [Act::throttle()]);
    bench.run(&bench.manifest(&names), &[]).exits(0);
    for form in ["html", "md", "text"] {
        let text = told(&bench, form);
        assert!(text.contains("(1 delete, 1 read)"), "{form}: {text}");
    }
    let report = bench.keybatch(&["report", "latest", "--format", "json"]).exits(0).json();
    let (session, page) = (report["sessions"][0]["number"].to_string(), told(&bench, "html"));
    assert_eq!(report["traffic"]["sessions"][0]["session"].to_string(), session);
    assert!(page.contains(&format!("session {session}: 4 delete requests")), "the chart's number");
    assert!(page.contains(&format!("<tr><td class=\"n\">{session}</td>")), "stands in the table of sessions");
}

#[test]
fn a_title_fits_what_stands_under_it() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    bench.world.script("DeleteKeyPair", &names[0], [Act::cut().with(Effect::Delete)]);
    bench.world.always("GetOperationsForResource", &names[0], Act::denied());
    bench.run(&bench.manifest(&names), &[]).exits(0);
    let (text, markdown) = (told(&bench, "text"), told(&bench, "md"));
    assert!(text.contains("to look at\n  1 row gone.") && !text.contains("in doubt"), "{text}");
    assert!(markdown.contains("## To look at\n\n1 row gone.") && !markdown.contains("## In doubt"), "{markdown}");
}

#[test]
fn a_row_without_a_usable_region_is_worded_so_and_is_no_target_of_the_cap() {
    let bench = Bench::new();
    bench.world.keys("key", 2);
    let manifest = bench.file("some.csv", "name,region\nkey-01,us-east-1\nkey-02,no-such-region\n");
    bench.run(&manifest, &["--skip-invalid", "--rate", "5/s"]).exits(3);
    for form in ["html", "md", "text"] {
        let text = told(&bench, form);
        assert!(text.contains("no usable region") && !text.contains("123456789012/,"), "{form}: {text}");
    }
    let report = bench.keybatch(&["report", "latest", "--format", "json"]).exits(0).json();
    assert_eq!(report["targets_asked"], 1, "{report}");
}

#[test]
fn a_journal_that_does_not_verify_is_said_so_before_anything_else() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 3);
    bench.run(&bench.manifest(&names), &["--max-deletes", "1", "--concurrency", "1"]).exits(5);
    let copy = copy_aside(&bench, "backup.db");
    bench.resume().exits(0);
    let kept = bench.file("kept.txt", bench.keybatch(&["checkpoint"]).exits(0).stdout).display().to_string();
    put_back(&bench, &copy);
    for (form, first) in [("text", 2), ("md", 6)] {
        let args = ["report", "latest", "--format", form, "--checkpoint", &kept];
        let text = bench.keybatch(&args).exits(7).stdout;
        let begin: Vec<_> = text.lines().take(first).collect();
        assert!(begin.join(" ").contains("THE JOURNAL DOES NOT VERIFY"), "{form}: {text}");
    }
}
