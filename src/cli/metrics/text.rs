//! The text that Prometheus reads (exposition format 0.0.4). `docs/METRICS.md` explains each metric.

use std::fmt::{self, Write as _};
use std::time::Duration;

use jiff::Timestamp;

use super::picture::{Picture, STATES};
use crate::journal::{COMMIT_BOUNDS, Metered};
use crate::session::status::TargetStatus;

/// The type that a server names for it.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The words of outcomes, in the order of a summary.
const OUTCOMES: [&str; 8] =
    ["deleted", "gone", "absent", "skipped", "failed", "in_doubt", "unsettled", "not_attempted"];

/// A name and the value of a label.
type Label<'a> = (&'a str, &'a str);

/// The text of this picture. Every line carries the run, so that the files of several sessions never collide, and whether it is a
/// rehearsal, so that no query takes one for the other.
pub(super) fn text(picture: &Picture) -> String {
    let rehearsal = picture.run.as_ref().map(|run| run.sandbox.to_string());
    let run = picture.run.as_ref().map(|run| run.id.as_str());
    let common = [("run", run), ("sandbox", rehearsal.as_deref())];
    let common = common.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let mut text = Text { out: String::with_capacity(8 * 1024), common };
    session(&mut text, picture);
    work(&mut text, picture);
    targets(&mut text, &picture.targets);
    if let Some(metered) = &picture.journal {
        journal(&mut text, metered);
    }
    text.out
}

fn session(text: &mut Text<'_>, picture: &Picture) {
    if let Some(run) = &picture.run {
        let labels = [
            ("journal", run.journal.as_str()),
            ("operator", run.operator.as_str()),
            ("version", env!("CARGO_PKG_VERSION")),
        ];
        text.gauge("keybatch_run_info", "The run that the session works on; always 1.", &[(&labels, 1.0)]);
    }
    let start = seconds(picture.started);
    text.gauge("keybatch_session_start_time_seconds", "When the session started, in Unix time.", &[(&[], start)]);
    let updated = "When these values were true, in Unix time. They are older than a minute or two only if the session ended or died.";
    text.gauge("keybatch_session_updated_time_seconds", updated, &[(&[], seconds(picture.at))]);
    let states = STATES.map(|state| ([("state", state)], f64::from(u8::from(state == picture.state))));
    text.gauge("keybatch_session_state", "1 for the state of the session, 0 for the others.", &each(&states));
    if let Some((at, exit)) = picture.ended {
        text.gauge("keybatch_session_end_time_seconds", "When the session ended, in Unix time.", &[(&[], seconds(at))]);
        text.gauge("keybatch_session_exit_code", "The exit code of the session.", &[(&[], f64::from(exit))]);
    }
}

fn work(text: &mut Text<'_>, picture: &Picture) {
    if let Some(rows) = &picture.rows {
        let rows = OUTCOMES.map(|outcome| ([("outcome", outcome)], number(rows.of(outcome))));
        text.gauge("keybatch_rows", "Rows of the plan by outcome.", &each(&rows));
    }
    if let Some(requests) = &picture.requests {
        let kinds = [([("kind", "delete")], number(requests.delete)), ([("kind", "read")], number(requests.read))];
        text.counter("keybatch_requests_total", "Requests that the session sent to Lightsail.", &each(&kinds));
        let throttled = [(&[][..], number(requests.throttled))];
        text.counter("keybatch_throttled_total", "Requests of the session that were throttled.", &throttled);
    }
    if let Some(in_flight) = picture.in_flight {
        let help = "Deletions that have begun and are not recorded as answered.";
        text.gauge("keybatch_in_flight", help, &[(&[], number(in_flight))]);
    }
}

fn targets(text: &mut Text<'_>, targets: &[TargetStatus]) {
    type Of = fn(&TargetStatus) -> Option<f64>;
    let metrics: [(&str, &str, Of); 5] = [
        (
            "keybatch_rate_per_second",
            "Requests per second to the target over the last ten seconds, reads too.",
            |target| Some(target.rate_per_s),
        ),
        (
            "keybatch_rate_permitted_per_second",
            "Requests per second to the target that the session permits itself now; +Inf is unlimited.",
            |target| Some(target.permitted_per_s.unwrap_or(f64::INFINITY)),
        ),
        ("keybatch_rate_cap_per_second", "The most that the session may permit itself; +Inf is no limit.", |target| {
            Some(target.cap_per_s.unwrap_or(f64::INFINITY))
        }),
        (
            "keybatch_rate_learned_per_second",
            "Requests per second that the session has learned that the target permits.",
            |target| target.learned_per_s,
        ),
        ("keybatch_target_stopped", "1 if the target stopped alone, and the others go on.", |target| {
            Some(f64::from(u8::from(target.stopped.is_some())))
        }),
    ];
    for (name, help, of) in metrics {
        let labels =
            |target: &'_ TargetStatus| [("account", target.account.clone()), ("region", target.region.clone())];
        let found: Vec<_> = targets.iter().filter_map(|target| Some((labels(target), of(target)?))).collect();
        let borrowed: Vec<_> = found
            .iter()
            .map(|(labels, value)| (labels.each_ref().map(|(name, of)| (*name, of.as_str())), *value))
            .collect();
        text.gauge(name, help, &each(&borrowed));
    }
}

fn journal(text: &mut Text<'_>, metered: &Metered) {
    let entries = number(metered.entries);
    text.gauge("keybatch_journal_entries", "Entries of the journal.", &[(&[], entries)]);
    let help = "Entries of the journal that its last checkpoint does not cover.";
    text.gauge("keybatch_journal_entries_behind_checkpoint", help, &[(&[], number(metered.behind()))]);
    let name = "keybatch_commit_seconds";
    text.head(name, "histogram", "How long the journal took to make a batch of entries durable.");
    let (mut below, bucket) = (0, format!("{name}_bucket"));
    let bounds = COMMIT_BOUNDS.map(|bound| bound.as_secs_f64()).into_iter().chain([f64::INFINITY]);
    for (bound, commits) in bounds.zip(metered.commits) {
        below += commits;
        text.sample(&bucket, &[("le", &Value(bound).to_string())], number(below));
    }
    text.sample(&format!("{name}_sum"), &[], duration(metered.commits_took));
    text.sample(&format!("{name}_count"), &[], number(below));
}

/// Samples with their labels as a slice.
fn each<'a, const N: usize>(samples: &'a [([Label<'a>; N], f64)]) -> Vec<(&'a [Label<'a>], f64)> {
    samples.iter().map(|(labels, value)| (&labels[..], *value)).collect()
}

struct Text<'a> {
    out: String,
    common: Vec<Label<'a>>,
}

impl Text<'_> {
    fn gauge(&mut self, name: &str, help: &str, samples: &[(&[Label<'_>], f64)]) {
        self.family(name, "gauge", help, samples);
    }

    fn counter(&mut self, name: &str, help: &str, samples: &[(&[Label<'_>], f64)]) {
        self.family(name, "counter", help, samples);
    }

    /// All samples of one name. A name without samples is left out.
    fn family(&mut self, name: &str, kind: &str, help: &str, samples: &[(&[Label<'_>], f64)]) {
        if !samples.is_empty() {
            self.head(name, kind, help);
        }
        samples.iter().for_each(|(labels, value)| self.sample(name, labels, *value));
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[Label<'_>], value: f64) {
        self.out.push_str(name);
        let mut before = '{';
        for (label, of) in self.common.iter().chain(labels) {
            let _ = write!(self.out, "{before}{label}=\"{}\"", Escaped(of));
            before = ',';
        }
        if before == ',' {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {}", Value(value));
    }
}

/// The value of a label as it stands between quotation marks.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            character => f.write_char(character),
        })
    }
}

struct Value(f64);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == f64::INFINITY { f.write_str("+Inf") } else { write!(f, "{}", self.0) }
    }
}

/// Counts beyond 2^53 are not to be expected.
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers")]
fn number(count: u64) -> f64 {
    count as f64
}

fn duration(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// Unix time to the millisecond.
#[expect(clippy::cast_precision_loss, reason = "Prometheus knows no other numbers")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::super::picture::Run;
    use super::*;

    #[test]
    fn labels_are_escaped_and_numbers_are_those_of_prometheus() {
        let at = Timestamp::from_millisecond(1_500).unwrap();
        let mut picture = Picture::planning(at);
        let run = Run { id: "r".into(), sandbox: true, journal: "a\\b\"c\nd".into(), operator: "o@h".into() };
        picture.run = Some(run);
        picture.targets = vec![TargetStatus {
            account: "1".into(),
            region: "eu".into(),
            rate_per_s: 0.25,
            permitted_per_s: None,
            cap_per_s: Some(5.0),
            learned_per_s: None,
            stopped: None,
        }];
        let text = text(&picture);
        for line in [
            "keybatch_run_info{run=\"r\",sandbox=\"true\",journal=\"a\\\\b\\\"c\\nd\",operator=\"o@h\",version=\"0.1.0\"} 1",
            "keybatch_session_start_time_seconds{run=\"r\",sandbox=\"true\"} 1.5",
            "keybatch_rate_per_second{run=\"r\",sandbox=\"true\",account=\"1\",region=\"eu\"} 0.25",
            "keybatch_rate_permitted_per_second{run=\"r\",sandbox=\"true\",account=\"1\",region=\"eu\"} +Inf",
            "keybatch_rate_cap_per_second{run=\"r\",sandbox=\"true\",account=\"1\",region=\"eu\"} 5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("learned"), "nothing is learned yet");
    }

    #[test]
    fn a_session_without_a_run_shows_that_it_plans_and_no_labels() {
        let text = text(&Picture::planning(Timestamp::UNIX_EPOCH));
        assert!(text.contains("\nkeybatch_session_state{state=\"planning\"} 1\n"), "{text}");
        assert!(text.contains("\nkeybatch_session_start_time_seconds 0\n"), "{text}");
    }
}
