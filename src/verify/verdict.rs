//! The verdict: the gravest finding, and the report around it.

use super::coverage::{Coverage, RunCoverage};
use super::demand::RunDemands;
use super::report::{AcceptedRollback, CheckpointFacts, Finding, Report, Verdict};
use super::work::Work;
use crate::domain::counted;
use crate::record::checkpoint::base64;

impl Work {
    /// The gravest finding is the verdict.
    pub(super) fn report(mut self) -> Report {
        let unfinished = self.history.unfinished().count();
        if self.judging && unfinished > 0 {
            let of = counted(self.history.runs() as u64, "run", "runs");
            let are = if unfinished == 1 { "is" } else { "are" };
            self.warnings.push(format!("{unfinished} of {of} {are} not finished"));
        }
        if self.options.scratch.is_none() {
            self.warnings.push("the projections were not compared".into());
        }
        self.warnings.extend(self.rollbacks.iter().map(AcceptedRollback::told));
        let entries = self.tree.size();
        let demands = self.demands.told();
        demands.as_deref().and_then(unmet).into_iter().for_each(|finding| self.findings.add(finding));
        let mut findings = self.findings.sorted();
        findings.extend(self.schema);
        let gravest = findings.first().cloned().unwrap_or_else(|| match self.checkpoints.proved_up_to() {
            Some(size) => Finding::new(Verdict::Verified, None, verified(entries, size)),
            None => Finding::new(Verdict::SelfConsistent, None, self_consistent(entries)),
        });
        let coverage = self.covering.sum();
        let lacking = if self.options.require_checkpoint {
            lacking(gravest.verdict, &coverage, self.options.run.as_deref()).map(|why| match &self.previous {
                // Where the journal before it is covered, that does not show what came after.
                Some(_) if gravest.verdict == Verdict::SelfConsistent => format!("{why}: {CONTINUES}"),
                _ => why,
            })
        } else {
            None
        };
        Report {
            schema: "keybatch.verify/1",
            verdict: gravest.verdict,
            accepted: gravest.verdict.is_sound() && lacking.is_none(),
            not_accepted: lacking.filter(|_| gravest.verdict.is_sound()),
            journal_id: self.history.journal_id().map(str::to_owned),
            previous: self.previous,
            entries,
            root: base64(&self.tree.root()),
            // The gravest finding may not know where, as the head does not; then the first place where anything is wrong.
            first_bad: gravest.seq.or_else(|| findings.iter().filter_map(|finding| finding.seq).min()),
            expected: gravest.expected,
            found: gravest.found,
            detail: gravest.detail,
            checkpoint: self.options.checkpoint.as_ref().map(CheckpointFacts::from),
            proved_up_to: self.checkpoints.proved_up_to(),
            runs: self.history.runs() as u64,
            coverage,
            findings,
            warnings: self.warnings,
            rollbacks: self.rollbacks,
            demands,
        }
    }
}

/// What to bring of a journal that continues an archived one.
const CONTINUES: &str = "it continues an archived journal, whose checkpoints are not its own. Bring one of its own, from a session \
                         since then or made by `keybatch checkpoint`, and keep it beyond the machine's reach";

/// What a reviewer who requires checkpoints lacks, if anything.
fn lacking(verdict: Verdict, coverage: &Coverage, run: Option<&str>) -> Option<String> {
    if verdict == Verdict::SelfConsistent {
        return Some(
            "--require-checkpoint needs a checkpoint that covers entries of this journal, and none was given".into(),
        );
    }
    let needs = |run: &RunCoverage| {
        format!("--require-checkpoint needs a checkpoint that covers the end of run {}, and none does", run.run)
    };
    if let Some(run) = run.and_then(|run| coverage.named(run).ok()) {
        return (!run.end_covered).then(|| needs(run));
    }
    let mut open = coverage.open_ends();
    let first = open.next()?;
    let more = open.count();
    let more = if more == 0 {
        String::new()
    } else {
        format!(", nor the ends of {}", counted(more as u64, "other", "others"))
    };
    Some(needs(first) + &more)
}

fn verified(entries: u64, size: u64) -> String {
    let rest = match entries - size.min(entries) {
        0 => String::new(),
        1 => "; the one after them is consistent with itself".to_owned(),
        rest => format!("; the {rest} after them are consistent with themselves"),
    };
    format!("the first {size} of {entries} entries are those that the checkpoint saw, and nothing is wrong{rest}")
}

fn self_consistent(entries: u64) -> String {
    format!(
        "nothing is wrong with its {entries} entries, but there is nothing outside to compare with: only a checkpoint kept \
         elsewhere can show whether entries are missing at the end, or everything was rewritten"
    )
}

/// The finding on runs that do not meet what is demanded.
fn unmet(runs: &[RunDemands]) -> Option<Finding> {
    let found = runs.iter().filter(|run| !run.is_kept());
    let all: u64 = found.clone().map(|run| run.violation_count).sum();
    let (run, first) = found.filter_map(|run| Some((run, run.violations.first()?))).min_by_key(|(_, one)| one.seq)?;
    let more = if all > 1 { format!(" (and {} more)", all - 1) } else { String::new() };
    let detail = format!("run {} lacks what is demanded: entry {}: {}{more}", run.run, first.seq, first.detail);
    Some(Finding::new(Verdict::IllegalHistory, Some(first.seq), detail))
}
