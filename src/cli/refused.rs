//! Why a session ended, as the user sees it: with an exit code, a code for programs, and what to do next.

use std::path::Path;

use super::code::Code;
use super::error::{CliError, FREE_SPACE, Sent};
use super::exit::Exit;
use super::hint::Hint;
use super::plan_fault::plan_fault;
use super::{network, shown};
use crate::domain::{RunId, counted};
use crate::journal::{JournalError, RunRecord};
use crate::manifest::Faults;
use crate::plan::PlanError;
use crate::policy::finding::Finding;
use crate::policy::guard::OTHER_ACCOUNT;
use crate::review::Suggested;
use crate::session::again::at_rest;
use crate::session::error::LostEntries;
use crate::session::{Outside, Refusal, SessionError};

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        let SessionError { why, sent, run, summary, unrecorded } = error;
        let mut it = of(*why, run.map(|run| run.to_string()).as_deref());
        if let Some(failed) = unrecorded {
            it.causes = vec![failed.to_string()];
        }
        if let Some(sent) = sent {
            it = it.sent(sent);
        }
        if let Some(run) = run {
            it = it.of_run(run);
        }
        match summary {
            Some(summary) => it.with(*summary),
            None => it,
        }
    }
}

/// What happened; to the run of that id, if there is one.
fn of(why: Refusal, run: Option<&str>) -> CliError {
    match why {
        Refusal::Journal(error) => error.into(),
        Refusal::NoSuchRun(error) => error.into(),
        Refusal::Unresolvable(error) => error.into(),
        Refusal::Plan(error) => plan_error(&error),
        Refusal::Policy(finding) => {
            CliError::new(Exit::Refused, finding.to_string()).code(by_policy(&finding)).hint(PLAN_FIRST)
        }
        Refusal::Outside(error) => outside(error),
        Refusal::Unrecordable { error, finished } => unrecordable(&error, finished, run.unwrap_or_default()),
        Refusal::LostEntries(lost) => lost_entries(&lost),
        Refusal::Manifest { faults, skip_invalid, recorded } => manifest(*faults, skip_invalid, recorded),
        Refusal::NotThatPlan(fault) => plan_fault(&fault),
        Refusal::ManifestUnreadable(error) => {
            CliError::from_error(Exit::Refused, &error).code(Code::ManifestUnreadable)
        }
        other => plain(&other),
    }
}

/// Refusals that their own sentence explains, with what to do next.
fn plain(why: &Refusal) -> CliError {
    let (exit, code) = codes(why);
    let it = CliError::new(exit, why.to_string()).code(code);
    match why {
        Refusal::Changed { .. } | Refusal::NoPlan | Refusal::PlanAltered => {
            it.hint(Hint::command("see what happened to the journal with: ", ["verify"]))
        }
        Refusal::Unverified { .. } => it.hint(
            "verification needs space for temporary files: in the directory that TMPDIR names, in /var/tmp or /tmp, or beside the journal",
        ),
        Refusal::Unconfigured { account } => {
            it.hint(format!("add a table [accounts.\"{account}\"] with profile or role_arn to the user configuration"))
        }
        Refusal::Scattered { .. } => {
            it.hint("a run has one endpoint: check the endpoint settings of the profiles, or name it with --endpoint-url")
        }
        Refusal::PolicyBound { .. } => it
            .hint("name the policy that it was planned under with --policy or KEYBATCH_POLICY")
            .hint(Hint::command("if that no longer exists, give the run up with: ", ["abandon", "RUN"]).and(" --because TEXT")),
        Refusal::NoRegion => it.hint("set it with --region or AWS_REGION, or add a region column"),
        Refusal::NobodyToAsk => {
            it.hint("pass --yes, or --confirm N to allow exactly N deletions; --dry-run shows the plan")
        }
        Refusal::NothingThere { deletes, .. } => it
            .hint("check account, profile and region: one of them may be wrong")
            .hint(format!("if they are right, pass --confirm {deletes}")),
        Refusal::Unfinished { run, .. } => it.hint(Hint::command("continue it with: ", ["resume", &run.to_string()])),
        Refusal::AlreadyRun { run, archive, .. } => it
            .hint(ended(*run, archive.as_deref()))
            .hint("run it again with --again, which skips key pairs that were re-created since"),
        Refusal::OtherManifest { .. } => it.hint("leave the manifest out: the rows come from the journal"),
        Refusal::RetryNeeds { flag, .. } => it.hint(format!("pass {flag} if the row is meant, or name other outcomes")),
        Refusal::Several(runs) => runs.iter().rev().map(resuming).fold(it, CliError::hint),
        Refusal::Abandoned { .. } => it.hint("run its manifest again"),
        Refusal::NotShared { run } => it
            .hint(Hint::command("continue it alone: ", ["resume", &run.to_string()]))
            .hint("to rehearse with several runners, serve a sandbox (keybatch sandbox) and name it with --endpoint-url"),
        Refusal::NotAbandoned => it.hint("resume it, or check network and credentials and try again"),
        Refusal::CheckpointFile { .. } => it.hint("name another file with --checkpoint-to"),
        Refusal::SealNotSigned { .. } => it.hint("keep the key in an agent (ssh-add) while the run goes on, and run the manifest again"),
        Refusal::NotAnchored { .. } => it
            .hint(Hint::command("try the command by hand: ", ["checkpoint"]).and(" | COMMAND"))
            .hint("once it works, run the manifest again or resume the run; without --require-anchor a failure is only a warning"),
        Refusal::Sealed { .. } => it
            .hint(Hint::command("if its archiving was interrupted, complete it with: ", ["journal", "archive"]))
            .hint("if it was put back in place of a newer journal, restore that one"),
        Refusal::ArchiveMissing { .. } => it
            .hint("put it back: it has what earlier runs know of key pairs, by which re-created ones are recognised"),
        Refusal::NotOver(runs) => {
            runs.iter().rev().map(resuming).fold(it, CliError::hint).hint(Hint::command("or give them up with: ", ["abandon", "RUN"]).and(" --because TEXT"))
        }
        Refusal::FileInUse { .. } => it.hint("name a separate file, ideally one beyond this machine's reach"),
        other => of_plan(other, it),
    }
}

/// What to do about a plan in a file that is refused.
fn of_plan(why: &Refusal, it: CliError) -> CliError {
    match why {
        Refusal::PlanExpired { .. } => {
            it.hint("make the plan again, compare both with keybatch plan --diff, and have it approved again")
        }
        Refusal::NotApproved { reasons, .. } => {
            let mut it = it
                .hint("have it approved with keybatch approve, and name the signatures with --approvals")
                .hint("--allowed-signers names the people who may approve");
            it.causes = reasons.clone();
            it
        }
        Refusal::FourEyes { .. } => it
            .hint("the maker of a plan signs it: keybatch plan --sign-key KEYFILE; the person who runs it names a key with --sign-key")
            .hint("--allowed-signers gives both keys to people, for maker@keybatch and for checkpoint@keybatch"),
        Refusal::PlanUsed { run, archive } => it
            .hint(ended(*run, archive.as_deref()))
            .hint("make the plan again for what is left"),
        Refusal::PlanBound { .. } => it.hint("execute the plan in the place that it was made for, or make another one"),
        Refusal::PlanRow { .. } => it.hint("make the plan again with keybatch plan"),
        Refusal::Drifted { first, .. } => {
            let mut it = it.hint("make the plan again, or skip those rows with --on-drift skip");
            it.causes = first.iter().map(|(row, name, why)| format!("row {row}, {name}: {why}")).collect();
            it
        }
        _ => it,
    }
}

fn codes(why: &Refusal) -> (Exit, Code) {
    match why {
        Refusal::Unreadable { .. } => (Exit::Environment, Code::JournalUnusable),
        Refusal::Changed { .. } => (Exit::Refused, Code::JournalChanged),
        Refusal::Unverified { .. } => (Exit::Environment, Code::JournalUnverified),
        Refusal::NoPlan => (Exit::Environment, Code::JournalDamaged),
        Refusal::PlanExpired { .. } => (Exit::Refused, Code::PlanExpired),
        Refusal::PlanUsed { .. } => (Exit::Refused, Code::PlanUsed),
        Refusal::NotApproved { .. } => (Exit::Refused, Code::PlanNotApproved),
        Refusal::FourEyes { .. } => (Exit::Refused, Code::PlanFourEyes),
        Refusal::PlanBound { .. } => (Exit::Refused, Code::PlanBound),
        Refusal::PlanRow { .. } => (Exit::Refused, Code::PlanRow),
        Refusal::Drifted { .. } => (Exit::Refused, Code::PlanDrifted),
        Refusal::PlanAltered => (Exit::Refused, Code::PlanAltered),
        Refusal::Bound { .. } | Refusal::PolicyBound { .. } => (Exit::Refused, Code::RunBound),
        Refusal::Scattered { .. } => (Exit::Environment, Code::Endpoint),
        Refusal::Unconfigured { .. } => (Exit::Environment, Code::Account),
        Refusal::NoRegion => (Exit::Environment, Code::Region),
        Refusal::NobodyToAsk => (Exit::Usage, Code::NoTerminal),
        Refusal::NotThatMany { .. } | Refusal::NothingThere { .. } => (Exit::Refused, Code::Confirm),
        Refusal::Unfinished { .. } => (Exit::Unfinished, Code::RunUnfinished),
        Refusal::AlreadyRun { .. } | Refusal::NothingToAbandon { finished: true, .. } => {
            (Exit::Refused, Code::RunFinished)
        }
        Refusal::OtherManifest { .. } => (Exit::Refused, Code::RetryManifest),
        Refusal::RetryNeeds { .. } => (Exit::Refused, Code::RetryRule),
        Refusal::Several(_) => (Exit::Refused, Code::RunAmbiguous),
        Refusal::Abandoned { .. } | Refusal::NothingToAbandon { .. } => (Exit::Refused, Code::RunAbandoned),
        Refusal::NotShared { .. } => (Exit::Refused, Code::RunNotShared),
        Refusal::NotAbandoned => (Exit::Environment, Code::Service),
        Refusal::CheckpointFile { .. } => (Exit::Environment, Code::CheckpointFile),
        Refusal::SealNotSigned { .. } => (Exit::Environment, Code::Signing),
        Refusal::NotAnchored { .. } => (Exit::Environment, Code::NotAnchored),
        Refusal::Sealed { .. } => (Exit::Refused, Code::JournalSealed),
        Refusal::ArchiveMissing { .. } => (Exit::Environment, Code::JournalArchive),
        Refusal::NotOver(_) => (Exit::Refused, Code::RunUnfinished),
        Refusal::NothingToArchive => (Exit::Refused, Code::JournalEmpty),
        Refusal::FileInUse { .. } => (Exit::Usage, Code::FileInUse),
        // These have functions of their own.
        Refusal::Journal(_)
        | Refusal::NoSuchRun(_)
        | Refusal::Unresolvable(_)
        | Refusal::Plan(_)
        | Refusal::Policy(_)
        | Refusal::Outside(_)
        | Refusal::Unrecordable { .. }
        | Refusal::LostEntries(_)
        | Refusal::Manifest { .. }
        | Refusal::NotThatPlan(_)
        | Refusal::ManifestUnreadable(_) => (Exit::Unexpected, Code::Unexpected),
    }
}

/// An error of the command line itself, which a session passed on.
fn outside(error: Outside) -> CliError {
    match error.downcast::<CliError>() {
        Ok(own) => *own,
        Err(other) => CliError::from_error(Exit::Unexpected, &*other),
    }
}

/// The journal failed while the session worked.
fn unrecordable(error: &JournalError, finished: bool, run: &str) -> CliError {
    let it = CliError::from_error(Exit::Environment, error).code(Code::JournalFailed);
    if finished {
        return it.hint("nothing of the run is missing: it is finished, and every outcome is in the journal");
    }
    let it = match error {
        JournalError::Server { trouble, .. } => it.hint(trouble.hint()),
        _ => it,
    };
    let first = if error.is_full() { FREE_SPACE } else { "fix the cause" };
    it.hint("keybatch sent nothing more after that; the next session settles what was in flight")
        .hint(Hint::command(format!("{first}, then continue with: "), ["resume", run]))
}

/// The part of the refusal of a journal that lost entries that `doctor` leaves out.
pub(super) const UNCHANGED: &str = "the journal was not changed";

/// The refusal of a journal that lost entries.
pub(super) fn lost_entries(lost: &LostEntries) -> CliError {
    let code = if lost.is_rollback() { Code::JournalRolledBack } else { Code::JournalForked };
    let mut error = CliError::new(Exit::Refused, lost.to_string()).code(code).sent(Sent::Nothing);
    for known in &lost.missing {
        let file = shown(&known.file.to_string_lossy());
        let of = known.journal.as_ref().map(|journal| format!(" of the journal at {}", shown(journal)));
        let of = of.unwrap_or_default();
        error = error.hint(format!("known from {file}: {} entries{of}", known.head.size));
    }
    error
        .hint(UNCHANGED)
        .hint("put the newer journal back, together with its -wal file if it has one, and run the same command again")
        .hint(
            "if it is lost for good: --accept-rollback --because TEXT continues with this one, and settles each row without \
             an outcome by reading",
        )
}

fn manifest(faults: Faults, skip_invalid: bool, recorded: bool) -> CliError {
    let recorded = if recorded { "only this refusal was recorded" } else { "nothing was recorded" };
    let fix = if faults.are_of_file() {
        "fix the file: its rows or columns cannot be determined, so --skip-invalid cannot help"
    } else if skip_invalid {
        "fix the file"
    } else {
        "fix the file, or skip invalid rows with --skip-invalid"
    };
    let mut it = CliError::new(Exit::Refused, "the manifest was refused").code(Code::ManifestFaults);
    it.details.faults = Some(faults);
    it.hint(recorded).hint(fix)
}

/// What to do where a plan needs approvals.
const PLAN_FIRST: &str = "write the plan to a file with `keybatch plan MANIFEST -o FILE`, and have that approved";

/// The code of what a policy says of a whole plan.
fn by_policy(finding: &Finding) -> Code {
    match finding {
        Finding::Endpoint { .. } => Code::PolicyEndpoint,
        Finding::MaximumDeletes { .. } => Code::PolicyMaximumDeletes,
        Finding::MaximumPercent { .. } => Code::PolicyMaximumPercent,
        Finding::Approvals { .. } => Code::PolicyApprovals,
    }
}

/// The error of a plan, with what to do about it. Only read requests were sent.
pub(super) fn plan_error(error: &PlanError) -> CliError {
    let planned = match error {
        PlanError::Refused { count, findings, notes } => {
            let mut refused = CliError::from_error(Exit::Refused, error).code(Code::Plan);
            let rows = notes.iter().map(|(row, name, note)| format!("row {row}, {name}: {}", note.text));
            refused.causes = findings.iter().map(ToString::to_string).chain(rows).collect();
            for finding in findings {
                *refused.details.refusals.entry(by_policy(finding).as_str()).or_default() += 1;
            }
            if *count > 0 {
                refused.details.refusals.insert(Code::Plan.as_str(), *count);
            }
            if notes.iter().any(|(_, _, note)| note.kind == OTHER_ACCOUNT) {
                refused = refused
                    .hint("say in the user configuration how that account is reached: a table [accounts.\"ID\"] with profile or role_arn")
                    .hint("or skip such rows with --skip-invalid");
            }
            refused
        }
        PlanError::Foreign { .. } => CliError::from_error(Exit::Environment, error)
            .code(Code::Endpoint)
            .hint("AWS_ENDPOINT_URL redirects every service; AWS_ENDPOINT_URL_LIGHTSAIL and AWS_ENDPOINT_URL_STS redirect one each"),
        PlanError::NotPermitted { action, .. } => CliError::from_error(Exit::Environment, error)
            .code(Code::Permission)
            .hint(format!("grant the credentials the IAM action {action}")),
        PlanError::Unreadable { error: Some(answer), .. } => {
            let said = CliError::from_error(Exit::Environment, error).code(Code::Service);
            network::hints(answer).into_iter().fold(said, CliError::hint)
        }
        _ => CliError::from_error(Exit::Environment, error).code(Code::Service),
    };
    planned.sent(Sent::Reads)
}

/// The command that continues a run, with what is known about the run.
pub(super) fn resuming(record: &RunRecord) -> Hint {
    let account = record.account.as_deref().unwrap_or("none");
    Hint::command("", ["resume", &record.run.to_string()]).and(format!(
        " ({}, {}, account {})",
        at_rest(&record.state),
        counted(record.rows, "row", "rows"),
        shown(account)
    ))
}

/// How a run ended that was executed before, perhaps in a journal that was archived since.
fn ended(run: RunId, archive: Option<&Path>) -> Hint {
    let show = Suggested::new(["show", &run.to_string()]);
    Hint::suggesting("see how it ended with: ", archive.map_or(show.clone(), |archive| show.in_journal(archive)))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::record::checkpoint::Checkpoint;
    use crate::review::Given;
    use crate::session::error::KnownHead;

    fn known(size: u64, journal: Option<&str>) -> KnownHead {
        let head = Checkpoint { journal_id: "a".into(), size, root: [1; 32] };
        KnownHead { head, file: "/state/heads/a".into(), journal: journal.map(str::to_owned) }
    }

    #[test]
    fn a_refusal_says_what_is_missing_where_that_is_known_from_and_what_to_do() {
        for (most, code, word) in [(9, Code::JournalRolledBack, "rolled back"), (5, Code::JournalForked, "forked")] {
            let missing = vec![known(most, Some("/old/j.db")), known(3, None)];
            let error = lost_entries(&LostEntries { journal: PathBuf::from("/data/j.db").into(), entries: 7, missing });
            assert_eq!((error.exit, error.code, error.sent), (Exit::Refused, code, Some(Sent::Nothing)));
            assert!(error.message.contains(word) && error.message.contains("/data/j.db"), "{}", error.message);
            let hints: Vec<_> = error.hints.iter().map(|hint| hint.told(&Given::default())).collect();
            let hints = hints.join("\n");
            for part in [
                &format!("/state/heads/a: {most} entries of the journal at /old/j.db"),
                "3 entries",
                "--accept-rollback",
            ] {
                assert!(hints.contains(part), "{part}: {hints}");
            }
        }
    }
}
