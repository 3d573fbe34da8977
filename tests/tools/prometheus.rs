//! `promtool` checks what a session shows, and the alerts of `contrib/prometheus`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::shell;
use crate::support::{Act, Bench};

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/prometheus")
}

#[track_caller]
fn promtool(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("promtool").args(arguments).current_dir(directory).output().unwrap()
}

#[track_caller]
fn good(output: &Output) -> String {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

// SEMANTICS: P137
fn what_a_session_shows_is_what_prometheus_reads() {
    shell::needs("promtool");
    let bench = Bench::new();
    let names = bench.world.keys("key", 4);
    bench.world.always("DeleteKeyPair", &names[1], Act::denied());
    let file = bench.home().join("keybatch.prom");
    let strange = bench.file("a \"strange\" \\ name.csv", format!("key_pair_name\n{}\n", names.join("\n")));
    bench.run(&strange, &["--metrics-file", file.to_str().unwrap()]).exits(3);
    let check = |text: &str| {
        let mut command = Command::new("promtool");
        let pipes = command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        shell::given(pipes.stderr(Stdio::piped()).spawn().unwrap(), text.as_bytes())
    };
    let text = std::fs::read_to_string(&file).unwrap();
    // A lint of a name is said, too.
    assert_eq!(good(&check(&text)), "", "{text}");
    let broken = text.replacen("{run=\"", "{run=", 1);
    assert!(!check(&broken).status.success(), "promtool sees what is wrong");
}

fn the_alerts_fire_when_they_should_and_only_then() {
    shell::needs("promtool");
    good(&promtool(&rules(), &["check", "rules", "keybatch.rules.yml"]));
    good(&promtool(&rules(), &["test", "rules", "keybatch.test.yml"]));
}

/// The tests of the rules would notice if one of them were another one.
fn no_alert_can_be_changed_unnoticed() {
    shell::needs("promtool");
    let directory = tempfile::tempdir().unwrap();
    let there = std::fs::read_to_string(rules().join("keybatch.rules.yml")).unwrap();
    std::fs::copy(rules().join("keybatch.test.yml"), directory.path().join("keybatch.test.yml")).unwrap();
    for (from, to) in [
        ("> 180", "> 18000"),
        ("{state=\"ended\"} == 0", "{state=\"ended\"} <= 1"),
        ("updated_time_seconds{sandbox!=\"true\"} > 180", "updated_time_seconds > 180"),
        ("offset 15m) == 0", "offset 15m) <= 100"),
        ("{state=\"running\"} == 1", "{state=\"running\"} <= 1"),
        ("not_attempted|unsettled\"} offset", "not_attempted\"} offset"),
        ("for: 1h", "for: 1m"),
        ("state=\"paused\"} == 1", "state=\"paused\"} == 0"),
        ("0.2 *", "0.02 *"),
        ("0.2 *", "0.9 *"),
        ("keybatch_target_stopped{sandbox!=\"true\"} == 1", "keybatch_target_stopped{sandbox!=\"true\"} >= 0"),
        ("outcome=\"in_doubt\"} > 0", "outcome=\"in_doubt\"} >= 0"),
        ("ignoring(outcome) time() - keybatch_session_updated_time_seconds < 86400", "ignoring(outcome) time() > 0"),
        ("\"true\"} != 0", "\"true\"} >= 0"),
        ("> 0.5", "> 5"),
        ("> 1500", "> 1000"),
    ] {
        let changed = there.replacen(from, to, 1);
        assert_ne!(changed, there, "{from} is not there");
        std::fs::write(directory.path().join("keybatch.rules.yml"), changed).unwrap();
        let output = promtool(directory.path(), &["test", "rules", "keybatch.test.yml"]);
        assert!(!output.status.success(), "{from} became {to}, and no test noticed");
    }
}

crate::harness::tests![
    what_a_session_shows_is_what_prometheus_reads,
    the_alerts_fire_when_they_should_and_only_then,
    no_alert_can_be_changed_unnoticed
];
