//! `report` and `export`: where they write, and what they refuse.

use std::fs;

use crate::support::Bench;

fn ran() -> Bench {
    let bench = Bench::new();
    let names = bench.world.keys("key", 2);
    let rows: String = names.iter().map(|name| format!("{name},\"the \"\"old\"\" one\"\n")).collect();
    bench.run(&bench.file("deletions.csv", format!("name,note\n{rows}")), &[]).exits(0);
    bench
}

#[test]
fn a_dash_is_standard_output_and_no_file() {
    let bench = ran();
    let report = bench.keybatch(&["report", "latest", "-o", "-"]).exits(0);
    assert!(report.stdout.starts_with("run ") && !report.stderr.contains("written"), "{report}");
    let export = bench.keybatch(&["export", "latest", "-o", "-"]).exits(0);
    assert!(export.stdout.contains("key-01"), "{export}");
    bench.keybatch(&["export", "latest", "--output", "parquet", "-o", "-"]).exits(2);
    for folder in [std::env::current_dir().unwrap(), bench.home().to_path_buf()] {
        assert!(!folder.join("-").exists() && !folder.join("-.checkpoint").exists());
    }
}

#[test]
fn a_file_that_is_named_after_another_format_is_refused_unless_the_format_is_said() {
    let bench = ran();
    let to = |name: &str| bench.home().join(name).display().to_string();
    for name in ["x.pdf", "y.csv", "z.XLSX"] {
        let refused = bench.keybatch(&["report", "latest", "-o", &to(name)]).exits(2);
        assert!(refused.stderr.contains("--format") && !bench.home().join(name).exists(), "{refused}");
    }
    bench.keybatch(&["report", "latest", "-o", &to("y.csv"), "--format", "html"]).exits(0);
    assert!(fs::read_to_string(to("y.csv")).unwrap().starts_with("<!DOCTYPE html>"));
    bench.keybatch(&["report", "latest", "-o", &to("of.2026")]).exits(0);
}

#[test]
fn an_error_of_a_report_as_json_is_an_object() {
    let bench = ran();
    let object = bench.keybatch(&["report", "ffffffff", "--format", "json"]).exits(2).json();
    assert_eq!((&object["schema"], &object["code"]), (&"keybatch.error/1".into(), &"run.unknown".into()), "{object}");
}

#[test]
fn a_key_pairs_name_in_place_of_a_run_is_said_to_be_one() {
    let bench = ran();
    let run = bench.query("SELECT run_id FROM runs")[0]["run_id"].as_str().unwrap().to_owned();
    for named in ["key-02", "2"] {
        let said = bench.keybatch(&["report", named]).exits(2).stderr;
        assert!(said.contains(&format!("row 2 of run {run}")) && said.contains("keybatch report "), "{said}");
        assert!(said.contains(&format!("keybatch show {named}")), "{said}");
    }
}

#[test]
fn the_summary_as_json_has_the_exit_code_of_the_process() {
    let bench = Bench::new();
    let manifest = bench.manifest(&bench.world.keys("key", 1));
    let done = bench.run(&manifest, &["--summary-to", "/dev/full"]).exits(1);
    assert_eq!(done.json()["exit"], 1, "{done}");
    assert_eq!(done.json()["outcomes"]["deleted"], 1, "{done}");
}

#[test]
fn other_columns_are_found_as_they_were_written() {
    let bench = ran();
    let page = bench.keybatch(&["report", "latest", "--format", "html"]).exits(0).stdout;
    let words = page.split_once("id=\"words\">").unwrap().1.split_once("</script>").unwrap().0;
    let words: Vec<String> = serde_json::from_str(words).unwrap();
    assert!(words.contains(&"note: the \"old\" one".to_owned()), "{words:?}");
}
