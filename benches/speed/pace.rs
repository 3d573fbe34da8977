//! Rates: found, kept, followed.

use serde_json::json;

use crate::Line;
use crate::setting::Setting;

/// One region whose limit is not told, one that changes, and a rate that is asked for.
pub(crate) fn measure() -> Vec<Line> {
    vec![unknown_limit(), change(), fixed()]
}

fn unknown_limit() -> Line {
    const ROWS: usize = 500;
    let setting = Setting::new(&[("us-east-1", ROWS)], json!({"throttle": {"rate_per_s": 5, "burst": 4}}));
    // Reads pass the same bucket: the inventory, the instances and the probe of the plan.
    setting.run(&setting.serve(), &[]);
    let seconds = setting.seconds("run_started", "run_finished");
    let requests = &setting.summary()["requests"];
    let (deletes, throttled) = (requests["delete"].as_f64().unwrap(), requests["throttled"].as_f64().unwrap());
    let (time, share) = (seconds / ((ROWS - 4) as f64 / 5.0), throttled / deletes * 100.0);
    Line::new(
        "server limit of 5/s with burst 4, unknown to keybatch, 500 key pairs",
        "≤ 1.05 of the ideal time, ≤ 2 % throttled",
        format!("{time:.3} of the ideal time, {share:.1} % throttled"),
        time <= 1.05 && share <= 2.0,
    )
}

fn change() -> Line {
    const ROWS: usize = 700;
    let changes = json!([{"after_s": 60, "rate_per_s": 2}, {"after_s": 120, "rate_per_s": 5}]);
    let world = json!({"throttle": {"rate_per_s": 5, "burst": 4, "changes": changes}});
    let setting = Setting::new(&[("us-east-1", ROWS)], world);
    setting.run(&setting.serve(), &[]);
    let failed = setting.summary()["outcomes"]["failed"].as_u64().unwrap();
    // The bucket's first request is the first page of the inventory, right after the session opened.
    let per_second = |from: u32, to: u32| {
        let settled = setting.query(&format!(
            "SELECT count(*) AS settled FROM entries, (SELECT min(julianday(at)) AS began FROM entries \
             WHERE kind = 'session_opened') WHERE kind = 'attempt_finished' AND instr(body, '\"outcome\":') > 0 \
             AND (julianday(at) - began) * 86400 BETWEEN {from} AND {to}"
        ));
        settled / f64::from(to - from)
    };
    let (before, low, after) = (per_second(40, 58), per_second(75, 118), per_second(135, 150));
    let followed = before > 4.5 && (1.8..=2.1).contains(&low) && after > 4.5;
    Line::new(
        "the server's limit drops to 2/s during the run and rises again",
        "no row fails; keybatch follows both changes within 15 s",
        format!(
            "{failed} failed; {before:.2}/s before, {low:.2}/s from 15 s after the drop, {after:.2}/s from 15 s after"
        ),
        failed == 0 && followed,
    )
}

fn fixed() -> Line {
    const ROWS: usize = 300;
    let setting = Setting::new(&[("us-east-1", ROWS)], json!({"throttle": {"rate_per_s": 1000, "burst": 1000}}));
    setting.run(&setting.serve(), &["--rate", "5"]);
    let rate = setting.query(
        "SELECT (count(*) - 1) / ((max(julianday(at)) - min(julianday(at))) * 86400) AS rate FROM entries \
         WHERE kind = 'attempt_started' AND row_no > 10",
    );
    let most = setting.query(
        "SELECT max((SELECT count(*) FROM entries AS b WHERE b.kind = 'attempt_started' \
         AND (julianday(b.at) - julianday(a.at)) * 86400 BETWEEN 0 AND 0.999)) AS most \
         FROM entries AS a WHERE a.kind = 'attempt_started'",
    );
    Line::new(
        "`--rate 5` against a generous server",
        "within 1 % of 5/s, and in no second more than the burst above it",
        format!("{rate:.3}/s, at most {most} in any second"),
        (rate / 5.0 - 1.0).abs() <= 0.01 && most <= 6.0,
    )
}

/// Three regions at once, each with a limit of its own.
pub(crate) fn regions() -> Vec<Line> {
    let limits = json!({"throttle": {"rate_per_s": 5, "burst": 4, "regions": {
        "eu-west-1": {"rate_per_s": 10, "burst": 8}, "ap-south-1": {"rate_per_s": 20, "burst": 16}}}});
    let alone = Setting::new(&[("us-east-1", 300)], limits.clone());
    alone.run(&alone.serve(), &[]);
    let slowest = alone.seconds("run_started", "run_finished");
    let all = Setting::new(&[("us-east-1", 300), ("eu-west-1", 400), ("ap-south-1", 500)], limits);
    all.run(&all.serve(), &[]);
    let ratio = all.seconds("run_started", "run_finished") / slowest;
    let measured = format!("{ratio:.2} of the slowest region alone");
    vec![Line::new("three regions at once, each at its own limit", "the time of the slowest", measured, ratio <= 1.05)]
}
