//! The machine-readable codes of errors: what a program branches on, since the same exit code has several causes.
//!
//! A code is never renamed and never used for anything else. `docs/CLI.md` lists them all.

use super::exit::Exit;

macro_rules! codes {
    ($($name:ident => $word:literal, $meaning:literal;)*) => {
        /// What kind of error it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// Every code, in the order in which the reference lists them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word in the error object.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    Unexpected => "unexpected", "An unexpected error.";
    Output => "output.failed", "Standard output or standard error could not be written.";
    Usage => "usage.arguments", "The arguments contradict each other, or one of them is invalid.";
    NoTerminal => "usage.no_terminal", "A confirmation is needed, and there is no terminal to ask on.";
    Settings => "settings.faults", "The files of settings have faults of several kinds; if there is only one kind, its code is given instead.";
    FileExists => "usage.file_exists", "The file to be written already exists.";
    FileInUse => "usage.file_in_use", "The file to be written is one that the session uses for something else.";
    RunUnknown => "run.unknown", "The journal has no such run.";
    RunAmbiguous => "run.ambiguous", "A prefix of an id matches several runs, or several runs are unfinished.";
    RowUnknown => "run.row_unknown", "The run has no such row.";
    RowAmbiguous => "run.row_ambiguous", "Several rows of the run name the key pair.";
    ResolveRow => "resolve.row", "The row is neither in doubt nor gone, so nothing can be said of it.";
    ResolveOutcome => "resolve.outcome", "The outcome is not one that can be said of the row.";
    ResolveEvidence => "resolve.evidence", "The file that shows what became of the row cannot be read.";
    RunWentOn => "run.went_on", "The run went on while CloudTrail's records were held against it.";
    CloudTrail => "reconcile.unreadable", "A file of CloudTrail's records cannot be read to its end, or has something in it that is no record.";
    RunUnfinished => "run.unfinished", "An unfinished run of the same manifest or plan exists.";
    RunNotShared => "run.not_shared", "The run is a rehearsal in a world of its own, which runners cannot share.";
    RunFinished => "run.finished", "A finished run of the same manifest or plan exists.";
    RunAbandoned => "run.abandoned", "The run was abandoned, so it cannot be resumed.";
    RunNotRunning => "run.not_running", "No session works on the run, or none that can be controlled now.";
    ControlRefused => "control.refused", "The session refused the command.";
    ControlUnreachable => "control.unreachable", "The session that works on the run cannot be reached by its control socket.";
    RunBound => "run.bound", "The run is bound to another account, endpoint, policy or kind (real or rehearsal).";
    RetryManifest => "retry.manifest", "The manifest is not that of the run whose rows are to be planned again.";
    RetryRule => "retry.rule", "A row that is to be planned again calls for a rule to be lifted.";
    Statement => "query.statement", "The SQL statement is not a single query, or the database refused it.";
    QueryParameter => "query.parameter", "A parameter of a query is missing, unknown or has no usable value.";
    World => "sandbox.world", "The world file or the directory of a sandbox cannot be used.";
    Sandbox => "sandbox.failed", "The sandbox of a rehearsal could not be started, or requests would not go to it.";
    ProofUnreadable => "proof.unreadable", "The file of a proof cannot be read.";
    Proof => "proof.refused", "The journal is not the one that the checkpoint saw, or its entries do not show what a proof would say.";
    ProofCheckpoint => "proof.checkpoint", "The checkpoint does not cover the row.";
    CheckpointFile => "checkpoint.unusable", "A file of checkpoints cannot be read or written, or has no checkpoint of this journal.";
    JournalSealed => "journal.sealed", "The journal was archived, or archiving it was interrupted.";
    JournalArchive => "journal.archive_missing", "A journal that was archived before this one cannot be read.";
    JournalEmpty => "journal.empty", "The journal has no runs to archive.";
    JournalNotEmpty => "journal.not_empty", "The place to which a journal is to be copied holds something else.";
    Metrics => "metrics.unusable", "The file of metrics cannot be written, or their address cannot be listened on.";
    NotAnchored => "checkpoint.not_anchored", "A checkpoint could not be anchored, and nothing is deleted before it is.";
    Signing => "signing.failed", "ssh-keygen cannot be run, or did not sign.";
    Signers => "signers.unusable", "The list of signers cannot be read, or allows nobody to sign.";
    Approvals => "approval.refused", "An approval, its text or the signature of the plan's maker is missing or not accepted.";
    ManifestFaults => "manifest.faults", "The manifest has faults of several kinds; if there is only one kind, its code is given instead.";
    ManifestUnreadable => "manifest.unreadable", "The manifest cannot be opened or read to its end.";
    Plan => "plan.refused", "A guard refuses the plan.";
    Confirm => "plan.confirm", "The plan does not delete as many key pairs as --confirm says.";
    PlanUnreadable => "plan.unreadable", "The file of a plan cannot be read, or is no plan.";
    PlanVersion => "plan.version", "The plan has a form or an action that this version does not know.";
    PlanNotCanonical => "plan.not_canonical", "A line of the plan is not what keybatch would write.";
    PlanEdited => "plan.edited", "The plan was changed after it was sealed.";
    PlanExpired => "plan.expired", "The plan's time is over.";
    PlanNotApproved => "plan.not_approved", "Fewer people have approved the plan than are required.";
    PlanFourEyes => "plan.four_eyes", "Four eyes are required, and the signature of the plan's maker or of the session is missing or not accepted.";
    PlanUsed => "plan.used", "The plan was executed before; a plan is executed once.";
    PlanBound => "plan.bound", "The plan is for another account, endpoint or policy.";
    PlanRow => "plan.row", "A row of the plan says something that keybatch does not carry out.";
    PlanDrifted => "plan.drifted", "Rows have changed since the plan was made, and --on-drift refuse was given.";
    PlanAltered => "plan.altered", "The plan in the journal is not the one that was sealed.";
    PolicyFaults => "policy.faults", "The policy has faults of several kinds; if there is only one kind, its code is given instead.";
    PolicyEndpoint => "policy.endpoint", "The policy does not allow the endpoint.";
    PolicyMaximumDeletes => "policy.maximum_deletes", "The plan deletes more key pairs than the policy permits.";
    PolicyMaximumPercent => "policy.maximum_percent", "The plan deletes a larger share of a target's key pairs than the policy permits.";
    PolicyApprovals => "policy.approvals", "The policy requires approvals, which only a plan in a file can have.";
    PolicyFirm => "policy.not_overridable", "The policy does not permit this rule to be overridden.";
    PolicyUnreadable => "policy.unreadable", "The policy, or that of this machine, cannot be read.";
    Refused => "refused", "Refused for another reason.";
    Locked => "journal.locked", "Another session is using the journal.";
    JournalMissing => "journal.missing", "There is no journal at this place.";
    JournalUnusable => "journal.unusable", "The journal cannot be opened or used at this place.";
    JournalFormat => "journal.format", "The journal has a format that this version does not use.";
    JournalChanged => "journal.changed", "The journal was changed outside keybatch.";
    JournalRolledBack => "journal.rolled_back", "The journal is older than one that this machine or the file of checkpoints has seen.";
    JournalForked => "journal.forked", "The journal has other entries than one that this machine or the file of checkpoints has seen.";
    JournalDamaged => "journal.damaged", "The journal contradicts itself.";
    JournalFailed => "journal.failed", "Reading or writing the journal failed.";
    JournalUnverified => "journal.unverified", "The journal cannot be verified.";
    Credentials => "aws.credentials", "There are no usable credentials.";
    Caller => "aws.caller", "The caller's identity cannot be determined.";
    Account => "aws.account", "The credentials belong to another account than the expected one.";
    Endpoint => "aws.endpoint", "The service's address is unusable or cannot be determined.";
    Region => "aws.region", "No usable region is named.";
    Permission => "aws.permission", "The credentials lack a permission that planning or settling needs.";
    Service => "aws.service", "The service gave no usable answer while reading.";
    Environment => "environment", "Something else in the environment prevents the command.";
}

impl Code {
    /// The general code of an exit.
    #[must_use]
    pub fn of(exit: Exit) -> Self {
        match exit {
            Exit::Usage => Self::Usage,
            Exit::Refused => Self::Refused,
            Exit::Unfinished => Self::RunUnfinished,
            Exit::NotVerified => Self::JournalUnverified,
            Exit::Locked => Self::Locked,
            Exit::Environment => Self::Environment,
            Exit::Success
            | Exit::Unexpected
            | Exit::SomeNotDone
            | Exit::Stopped
            | Exit::InDoubt
            | Exit::Declined
            | Exit::StoppedPlanning => Self::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_word_stands_for_two_codes() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
