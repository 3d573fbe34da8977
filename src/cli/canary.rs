//! What a canary found, in lines for people.

use super::{Ui, shown};
use crate::domain::counted;
use crate::record::event::PlanSealed;
use crate::session::canary::{AlarmFound, AlarmOf, CanaryOfTarget, CanaryReport};

/// What a canary of so many key pairs of each target means for a plan; nothing where it holds no row back.
pub(super) fn planned(most: u64, sealed: &PlanSealed, ui: &Ui) -> Option<String> {
    let first: u64 = sealed.targets.iter().map(|target| sealed.deletes_in(target).min(most)).sum();
    let pairs = counted(first, "key pair", "key pairs");
    (first < sealed.seal.deletes()).then(|| {
        let resume = ui.suggested(["resume"]);
        format!("canary    {pairs} first; then this stops for a look, and `{resume}` deletes the rest")
    })
}

/// How many alarms are listed of each target.
const LISTED: usize = 10;

/// What it found in each target, the alarms first.
pub(super) fn lines(report: &CanaryReport) -> Vec<String> {
    let mut lines: Vec<_> = report.targets.iter().flat_map(alarms).collect();
    lines.extend(report.targets.iter().map(line));
    lines
}

fn line(target: &CanaryOfTarget) -> String {
    let outcomes = &target.outcomes;
    let ended = [
        (outcomes.deleted, "deleted"),
        (outcomes.gone, "gone"),
        (outcomes.absent, "absent"),
        (outcomes.skipped, "skipped"),
        (outcomes.failed, "failed"),
        (outcomes.in_doubt, "in doubt"),
        (outcomes.unsettled, "unsettled"),
    ];
    let seen = &target.read_back;
    let read = [
        (seen.not_there, "not there"),
        (seen.still_there, "still there"),
        (seen.other_identity, "with another identity"),
        (seen.not_read, "not read"),
    ];
    let requests = &target.requests;
    let deletes = counted(requests.delete, "delete request", "delete requests");
    let reads = counted(requests.read, "read request", "read requests");
    let median = target.median_ms.map_or_else(String::new, |ms| format!(", median answer {ms:.1} ms"));
    format!(
        "canary {}/{}: {}; read back: {}; {deletes}, {reads}, {} throttled{median}",
        shown(&target.account),
        shown(&target.region),
        words(&ended),
        words(&read),
        requests.throttled
    )
}

fn words(counts: &[(u64, &str)]) -> String {
    let parts: Vec<_> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    parts.join(", ")
}

fn alarms(target: &CanaryOfTarget) -> impl Iterator<Item = String> {
    let more = target.alarms.len().saturating_sub(LISTED);
    let rest = (more > 0).then(|| format!("ALARM: and {more} more in {}", shown(&target.region)));
    target.alarms.iter().take(LISTED).map(|alarm| text(alarm, &target.region)).chain(rest)
}

fn text(alarm: &AlarmOf, region: &str) -> String {
    let (name, region) = (shown(&alarm.name), shown(region));
    let found = match alarm.found {
        AlarmFound::StillThere => "is still shown, repeatedly, although its deletion succeeded",
        AlarmFound::OtherIdentity => "was deleted, and now another key pair has its name",
    };
    format!("ALARM: row {}, {name} in {region} {found}: find out why before you continue", alarm.row)
}
