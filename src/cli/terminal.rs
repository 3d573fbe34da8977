//! The operator at the terminal: puts a session's notices into words, and asks the last question.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::control::controlled;
use super::error::READS;
use super::refused::resuming;
use super::summary::{NOT_BEGUN, line};
use super::ui::Ui;
use super::{confirm, progress, refusals, say, shown};
use crate::domain::{Clock as _, SystemClock, counted};
use crate::manifest::Ingested;
use crate::record::checkpoint::Checkpoint;
use crate::session::{Confirmed, Moment, Notice, Operator, Outside, PlanFacts, Watched};

/// How many waiting key pairs are named; further ones are not reported.
const NAMED: u64 = 5;

/// Which command a session carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Run,
    Plan,
    Resume,
    Abandon,
    Resolve,
    Archive,
}

/// The operator at the terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    ui: Ui,
    verb: Verb,
    /// How many key pairs the session has waited for.
    waited: AtomicU64,
}

impl Terminal {
    pub(super) fn new(ui: Ui, verb: Verb) -> Self {
        Self { ui, verb, waited: AtomicU64::new(0) }
    }

    fn stopped_before_run(&self) {
        match self.verb {
            Verb::Plan => self.ui.say(&format!("stopped by a signal: {READS}")),
            Verb::Run => {
                self.ui.say(&format!("stopped by a signal: {READS}"));
                self.ui.say(NOT_BEGUN);
            }
            Verb::Resume => self.ui.say("stopped by a signal: nothing was sent"),
            Verb::Abandon => self.ui.say("stopped by a signal: nothing was sent, and the run was not abandoned"),
            Verb::Archive => self.ui.say("stopped by a signal: the journal was not archived"),
            Verb::Resolve => self.ui.say("stopped by a signal: nothing was sent, and nothing was recorded"),
        }
    }

    fn ingested(&self, ingested: &Ingested) {
        for near_miss in &ingested.near_misses {
            self.ui.say(&format!(
                "warning: column `{}` is kept as an annotation, so keybatch compares nothing with it; did you mean `{}`?",
                shown(&near_miss.written.to_string()),
                near_miss.meant
            ));
        }
        for name in &ingested.unknown_annotations {
            self.ui.say(&format!("warning: --annotation {}: the manifest has no such column", shown(name)));
        }
    }

    /// Prints a checkpoint where a person, or a log collector beyond this machine, can keep it.
    fn checkpoint(&self, moment: Moment, checkpoint: &Checkpoint) {
        let when = match moment {
            Moment::Sealed => "of the sealed plan",
            Moment::Ended => "at the end of the session",
        };
        self.ui.talk(format!("checkpoint {when}:\n{}", checkpoint.to_text().trim_end()));
    }

    fn waiting(&self, name: &str, seconds: u64) {
        let before = self.waited.fetch_add(1, Ordering::Relaxed);
        if before < NAMED {
            let name = shown(name);
            let more = if before + 1 == NAMED { "; keybatch does not list further ones" } else { "" };
            self.ui.say(&format!(
                "waiting {seconds} s before requesting the deletion of {name} again: an earlier request that got no answer may \
                 still be delivered until then{more}"
            ));
        }
    }

    /// Notices about the journal and its files.
    fn of_the_journal(&self, notice: &Notice<'_>) {
        let say = |text: String| self.ui.say(&text);
        match notice {
            Notice::HeadNotCompared(why) => say(format!("warning: {}", shown(why))),
            Notice::RollbackNotNeeded => {
                say("--accept-rollback was not needed: the journal has every entry that it is known to have had"
                    .to_owned());
            }
            Notice::RollbackAccepted(most) => say(format!(
                "rollback accepted: the newer journal had {most} entries; keybatch settles each row without an outcome by reading"
            )),
            Notice::DeadPlanClosed { run, lost } => {
                let sent = if *lost {
                    "the entries after that were lost, so it is unknown what was sent"
                } else {
                    "nothing was sent"
                };
                self.ui.talk(format!("run {run} died while planning: {sent}; it was closed as abandoned"));
            }
            Notice::NotRemembered(why) => {
                say(format!(
                    "warning: keybatch will not recognise an older copy of this journal later: {}",
                    shown(why)
                ));
            }
            Notice::LogInUse { journal, log } => say(format!(
                "another program has the journal open, so its newest entries are still in {}; until that program closes it, \
                 copy {} and that file together",
                log.display(),
                journal.display()
            )),
            Notice::LogLeft { journal, log } => say(format!(
                "the journal's newest entries are still in {}; until the next session, copy {} and that file together",
                log.display(),
                journal.display()
            )),
            Notice::CheckpointsTo(path) => self.ui.talk(format!("checkpoints are appended to {}", path_shown(path))),
            Notice::CheckpointsNoLongerTo(path, why) => say(format!(
                "checkpoints are no longer appended to {}: {why}; name a file with --checkpoint-to",
                path_shown(path)
            )),
            Notice::NotSigned(why) => {
                say(format!("warning: a checkpoint was kept without a signature: {}", shown(why)))
            }
            Notice::NotAnchored { size, why, said } => {
                let said = if said.is_empty() { String::new() } else { format!(" ({})", shown(said)) };
                say(format!(
                    "warning: the checkpoint of {} was not anchored: {}{said}",
                    counted(*size, "entry", "entries"),
                    shown(why)
                ));
            }
            Notice::AnchorAwaited { program, left } => say(anchor_awaited(program, *left)),
            Notice::NoLongerAnchored(program) => say(format!(
                "note: earlier sessions of this run handed checkpoints to {}, and this one does not; name the command with \
                 --checkpoint-exec",
                shown(program)
            )),
            Notice::Checkpoint(moment, checkpoint) => self.checkpoint(*moment, checkpoint),
            Notice::NotInterpreted(detail) => say(format!("warning: {}", shown(detail))),
            _ => {}
        }
    }
}

fn anchor_awaited(program: &str, left: Duration) -> String {
    let until = SystemClock::start().now().saturating_add(left).unwrap_or(Timestamp::MAX);
    format!(
        "waiting for {}, which was handed a checkpoint: for at most {} s, until {}; press Ctrl-C again to exit immediately",
        shown(program),
        left.as_secs(),
        until.strftime("%H:%M:%S UTC")
    )
}

fn path_shown(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

impl Operator for Terminal {
    fn notice(&self, notice: Notice<'_>) {
        let ui = &self.ui;
        match notice {
            Notice::StoppedBeforeRun => self.stopped_before_run(),
            Notice::StoppedBeforeWork => ui.say(&format!("stopped by a signal: {READS}")),
            Notice::StoppedPlanning(detail) => ui.say(&format!("stopped {detail}: {READS}")),
            Notice::Ingested(ingested) => self.ingested(ingested),
            Notice::WouldContinue(record) => {
                ui.say(&format!("dry run: this would continue run {} ({})", record.run, record.state));
            }
            Notice::WouldDoNothing(record) => {
                ui.say(&format!("dry run: this would do nothing, because run {} is finished", record.run));
            }
            Notice::Selected { run, manifest, counts } => {
                let parts: Vec<_> = counts
                    .iter()
                    .map(|(outcome, count)| format!("{count} {}", outcome.as_str().replace('_', " ")))
                    .collect();
                ui.talk(format!("planning rows of run {run} again ({}): {}", shown(manifest), parts.join(", ")));
            }
            Notice::NothingSelected { run, only } => {
                ui.say(&format!(
                    "nothing to do: no row of run {run} has the outcome {only}; nothing was sent or recorded"
                ));
            }
            Notice::NothingUnfinished => ui.say("nothing to resume: no run is unfinished"),
            Notice::OnlyRehearsal => ui.say("no real run is unfinished; this continues the only unfinished rehearsal"),
            Notice::OnlyRehearsals(records) => {
                let count = records.len();
                ui.say(&format!("no real run is unfinished, but {count} rehearsals are; name the one to continue:"));
                records.iter().rev().for_each(|record| ui.say(&format!("  {}", resuming(record).told(&ui.given))));
            }
            Notice::AlreadyFinished => ui.say("this run is finished: nothing is left to do"),
            Notice::Planned(facts) => confirm::show(ui, facts),
            Notice::Sealed(plan) => ui.talk(format!("plan      {}", plan.sealed.seal.root)),
            Notice::Declined => ui.say("declined: nothing was deleted"),
            Notice::Continuing { run, sandbox, accounts, abandoning } => {
                let label = if sandbox { "sandbox run" } else { "run" };
                let doing = if abandoning { "abandoning" } else { "continuing" };
                let accounts: Vec<_> = accounts.iter().copied().collect();
                let noun = if accounts.len() == 1 { "account" } else { "accounts" };
                ui.talk(format!("{doing} {label} {run} of {noun} {}", shown(&accounts.join(", "))));
            }
            Notice::Waiting { name, left } => self.waiting(name, left.as_secs() + 1),
            Notice::Controlled { run, used } => ui.say(&controlled(run, used, &ui.given)),
            Notice::ExitingAtOnce => {
                ui.say("exiting at once: the next session settles the requests that are in flight");
            }
            Notice::Stopped { detail, alone } => {
                ui.say(&format!("stopped: {}", shown(detail)));
                let step = |names: &Vec<String>| refusals::step(names.iter().map(String::as_str));
                let steps: BTreeSet<_> = alone.iter().filter_map(|stop| step(&stop.names)).collect();
                steps.iter().for_each(|step| ui.say(&format!("  hint: {step}")));
            }
            Notice::Ended { summary, explained: true } => ui.say(&line(summary)),
            Notice::Ended { summary, explained: false } => say::say_to_people(ui, summary),
            of_the_journal => self.of_the_journal(&of_the_journal),
        }
    }

    fn confirm<'a>(&'a self, facts: &'a PlanFacts<'a>) -> BoxFuture<'a, Result<Confirmed, Outside>> {
        Box::pin(async { confirm::ask(&self.ui, facts.plan.deletes()).await.map_err(Outside::from) })
    }

    fn watch(&self, work: Watched) -> BoxFuture<'static, ()> {
        Box::pin(progress::show(self.ui.clone(), work))
    }
}
