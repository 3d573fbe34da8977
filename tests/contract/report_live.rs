//! A report that is made while its run goes on shows one state of the journal.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::Bench;

fn sum(list: &Value, field: &str) -> u64 {
    list.as_array().unwrap().iter().map(|one| one[field].as_u64().unwrap()).sum()
}

/// Everything in it that counts rows or requests, in two ways or more.
fn agrees(report: &Value) {
    let outcomes = report["outcomes"].as_object().unwrap();
    let total: u64 = outcomes.values().map(|rows| rows.as_u64().unwrap()).sum();
    assert_eq!(Some(total), report["rows"].as_u64(), "{report}");
    assert_eq!(report["adds_up"], true);
    let mut by_evidence = BTreeMap::<&str, u64>::new();
    for one in report["evidence"].as_array().unwrap() {
        *by_evidence.entry(one["outcome"].as_str().unwrap()).or_default() += one["rows"].as_u64().unwrap();
    }
    for (outcome, rows) in outcomes {
        assert_eq!(rows.as_u64().unwrap(), by_evidence.get(outcome.as_str()).copied().unwrap_or_default(), "{outcome}");
        let targets = report["targets"].as_array().unwrap();
        let of_targets: u64 = targets.iter().map(|target| target["outcomes"][outcome].as_u64().unwrap()).sum();
        assert_eq!(rows.as_u64().unwrap(), of_targets, "{outcome}");
    }
    let sent = report["deletes_sent"].as_u64().unwrap();
    let classes = report["traffic"]["classes"].as_object().unwrap();
    assert_eq!(classes.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), sent);
    let sessions = report["traffic"]["sessions"].as_array().unwrap();
    assert_eq!(sessions.iter().map(|session| sum(&session["parts"], "requests")).sum::<u64>(), sent);
    let unended = classes.get("no end recorded").and_then(Value::as_u64).unwrap_or_default();
    assert_eq!(sum(&report["traffic"]["latency"], "requests"), sent - unended);
    let verified = &report["verification"];
    assert_eq!(verified["sound"], true, "{verified}");
    assert_eq!((&verified["entries"], &verified["root"]), (&report["journal"]["size"], &report["journal"]["root"]));
    assert_eq!(verified["deletions"], report["outcomes"]["deleted"], "verified and shown");
    assert!(!verified["warnings"].to_string().contains("grew meanwhile"), "{verified}");
}

// SEMANTICS: P130
#[test]
fn a_report_made_during_the_run_shows_one_head() {
    let bench = Bench::new();
    let names = bench.world.keys("key", 600);
    let mut live = bench.spawn_run(&bench.manifest(&names), &["--concurrency", "2"]);
    bench.world.wait_for_deletes(5);
    let (mut heads, mut amid) = (Vec::new(), 0);
    while !live.has_ended() {
        let report = bench.keybatch(&["report", "latest", "--format", "json"]).exits(0).json();
        agrees(&report);
        heads.push(report["journal"]["size"].as_u64().unwrap());
        let open =
            report["outcomes"]["not_attempted"].as_u64().unwrap() + report["outcomes"]["unsettled"].as_u64().unwrap();
        amid += usize::from(open > 0 && open < 600);
        let page = bench.keybatch(&["report", "latest", "--format", "html"]).exits(0).stdout;
        let deleted = page.split_once("rows asked for</span></li><li><b>").unwrap().1.split_once('<').unwrap().0;
        let standing = page.split_once("id=\"standing\">").unwrap().1.split_once("</div></div>").unwrap().0;
        let deleted: usize = deleted.replace([',', '\u{202f}', ' '], "").parse().unwrap();
        assert_eq!(standing.matches("<td>deleted</td>").count().min(200), deleted.min(200), "the page's own rows");
    }
    live.wait().exits(0);
    assert!(amid > 1 && heads.is_sorted() && heads.first() < heads.last(), "{amid} {heads:?}");
    agrees(&bench.keybatch(&["report", "latest", "--format", "json"]).exits(0).json());
}
