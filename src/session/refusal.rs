//! Why a session was refused, or could not go on.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use super::lost::LostEntries;
use super::unresolvable::Unresolvable;
use crate::domain::{RunId, counted};
use crate::journal::{JournalError, RunRecord};
use crate::manifest::Faults;
use crate::plan::PlanError;
use crate::plan::stage::StageError;
use crate::policy::finding::Finding;
use crate::record::plan::file::PlanFault;
use crate::review::runs::RunError;

/// An error of what the session was given from outside: of connecting, or of asking.
pub type Outside = Box<dyn Error + Send + Sync>;

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The journal cannot be used, read or written.
    #[error(transparent)]
    Journal(JournalError),
    /// The journal failed while the session worked, so nothing more can be recorded (I9).
    #[error("{error}")]
    Unrecordable {
        /// Why.
        #[source]
        error: JournalError,
        /// Whether the run was finished before that.
        finished: bool,
    },
    /// A dry run looked for earlier runs in it.
    #[error("the journal {path} cannot be read: {error}")]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It was changed outside keybatch.
    #[error("the journal was changed: {detail}")]
    Changed {
        /// What was found.
        detail: String,
    },
    /// It could not be verified.
    #[error("the journal cannot be verified: {why}")]
    Unverified {
        /// Why not.
        why: String,
    },
    /// It lacks entries that are known of it (I12).
    #[error("{0}")]
    LostEntries(LostEntries),
    /// It has no plan of the run.
    #[error("the journal has no sealed plan of this run")]
    NoPlan,
    /// The plan is another one than was sealed.
    #[error("the plan in the journal is not the one that was sealed")]
    PlanAltered,
    /// The run is bound to another account or endpoint (I11).
    #[error("run {run} is bound to {what} {expected}, but this is {found}")]
    Bound {
        /// The run.
        run: RunId,
        /// `account` or `endpoint`.
        what: &'static str,
        /// What it is bound to.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Nothing says how an account of the run is reached.
    #[error(
        "the user configuration does not say how account {account} is reached, and the default credentials are not for it"
    )]
    Unconfigured {
        /// The account.
        account: String,
    },
    /// Requests for the accounts of a run would go to different places (I11).
    #[error(
        "requests for account {account} would go to {found}, but those for the other accounts of the run to {expected}"
    )]
    #[expect(missing_docs, reason = "the sentence names them")]
    Scattered { account: String, expected: String, found: String },
    /// The file is no plan, or not the one that was sealed.
    #[error("the plan is refused: {0}")]
    NotThatPlan(PlanFault),
    /// The plan says something that keybatch does not carry out.
    #[error("line {line} of the plan is refused: {what}")]
    PlanRow {
        /// The line of the file.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// The plan's time is over.
    #[error("the plan expired at {expires_at}")]
    PlanExpired {
        /// When.
        expires_at: String,
    },
    /// Too few people have approved the plan.
    #[error("{found} of the {required} approvals that are required count")]
    NotApproved {
        /// How many count.
        found: usize,
        /// How many must.
        required: usize,
        /// Why each of the others does not.
        reasons: Vec<String>,
    },
    /// Who made the plan, or who runs it, cannot be told from who approved it.
    #[error("four eyes are required, and {why}")]
    FourEyes {
        /// What is missing or not accepted.
        why: String,
    },
    /// The plan was executed before.
    #[error("this plan has already been executed, by run {run}: a plan is executed once")]
    PlanUsed {
        /// The run.
        run: RunId,
        /// The archive that has it, if the journal itself does not.
        archive: Option<PathBuf>,
    },
    /// The plan is bound to another account, endpoint, policy or ticket.
    #[error("the plan was made for the {what} {expected}; here it is {found}")]
    PlanBound {
        /// `account`, `endpoint`, `policy` or `ticket`.
        what: &'static str,
        /// What it is bound to.
        expected: String,
        /// What was found.
        found: String,
    },
    /// Rows have changed since the plan was made.
    #[error("{} changed since the plan was made", counted(*.count, "row has", "rows have"))]
    Drifted {
        /// How many.
        count: u64,
        /// The first of them: row, name, and what became of it.
        first: Vec<(u64, String, String)>,
    },
    /// The run is bound to another policy (I11).
    #[error("the run was planned under another policy: {expected}, but this is {found}")]
    PolicyBound {
        /// The policy that it was planned under.
        expected: String,
        /// The policy of this session.
        found: String,
    },
    /// The policy does not permit what was ordered.
    #[error(transparent)]
    Policy(Finding),
    /// There is no plan.
    #[error(transparent)]
    Plan(PlanError),
    /// The manifest is refused.
    #[error("the manifest was refused")]
    Manifest {
        /// What is wrong with it.
        faults: Box<Faults>,
        /// Whether invalid rows were to be skipped.
        skip_invalid: bool,
        /// Whether the refusal was recorded: that of a dry run is not.
        recorded: bool,
    },
    /// The manifest cannot be read to its end.
    #[error(transparent)]
    ManifestUnreadable(StageError),
    /// Rows name no region, and nothing else does.
    #[error("some rows name no region, and the AWS configuration has no default region")]
    NoRegion,
    /// Only a person could confirm, and nobody can be asked.
    #[error("a confirmation is required, and there is no terminal to ask on")]
    NobodyToAsk,
    /// The plan deletes another number of key pairs than was confirmed.
    #[error("--confirm {expected}, but the plan would delete {}", counted(*.deletes, "key pair", "key pairs"))]
    NotThatMany {
        /// What was confirmed.
        expected: u64,
        /// What the plan deletes.
        deletes: u64,
    },
    /// None of the key pairs exists that the manifest names in some regions.
    #[error("none of the key pairs that the manifest names in {regions} exists, and --yes does not confirm that")]
    NothingThere {
        /// The regions.
        regions: String,
        /// What the plan deletes.
        deletes: u64,
    },
    /// The manifest or the plan has an unfinished run.
    #[error("run {run} of this manifest or plan is not finished ({state})")]
    Unfinished {
        /// The run.
        run: RunId,
        /// How far it is, now that nobody works on it.
        state: String,
    },
    /// The manifest has a finished run.
    #[error("this manifest has already been run: {} {run} is finished", if *.sandbox { "the rehearsal" } else { "run" })]
    AlreadyRun {
        /// The run.
        run: RunId,
        /// Whether it was a rehearsal.
        sandbox: bool,
        /// The archive that has it, if the journal itself does not.
        archive: Option<PathBuf>,
    },
    /// A manifest was named beside the run whose rows are to be planned again, and it is another one.
    #[error("the manifest has SHA-256 {found}, but that of run {run}, {name}, has {expected}")]
    OtherManifest {
        /// The run.
        run: RunId,
        /// The name of its manifest.
        name: String,
        /// The hash of its manifest.
        expected: String,
        /// The hash of the one that was named.
        found: String,
    },
    /// A row that is to be planned again calls for a rule to be lifted.
    #[error("{what}")]
    RetryNeeds {
        /// Which row, and why.
        what: String,
        /// The flag that lifts the rule.
        flag: &'static str,
    },
    /// Several runs are unfinished, and none was named; the oldest first.
    #[error("{} runs are unfinished; name the one to continue", .0.len())]
    Several(Vec<RunRecord>),
    /// No run, or more than one, has the name that was given.
    #[error(transparent)]
    NoSuchRun(RunError),
    /// The run was abandoned.
    #[error("run {run} {}", if *.started { "was abandoned" } else { "was never started" })]
    Abandoned {
        /// The run.
        run: RunId,
        /// Whether it had been started.
        started: bool,
    },
    /// The run is a rehearsal in a world of its own.
    #[error("run {run} is a rehearsal in a world of its own, which only one session can change at a time")]
    NotShared {
        /// The run.
        run: RunId,
    },
    /// The run that is to be abandoned has ended.
    #[error("run {run} {}", if *.finished { "is finished: nothing is left to abandon" } else { "has already been abandoned" })]
    NothingToAbandon {
        /// The run.
        run: RunId,
        /// Whether it is finished.
        finished: bool,
    },
    /// Requests of the run that is to be abandoned are still open.
    #[error("the run was not abandoned: for some rows it is still unknown whether a request took effect")]
    NotAbandoned,
    /// Nothing can be said of a row.
    #[error(transparent)]
    Unresolvable(Unresolvable),
    /// The file of checkpoints cannot be written.
    #[error("{path} cannot be written: {error}")]
    CheckpointFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The checkpoint of the sealed plan cannot be signed.
    #[error("the checkpoint of the sealed plan could not be signed: {why}")]
    SealNotSigned {
        /// Why.
        why: String,
    },
    /// A checkpoint cannot be anchored, and nothing is to be deleted before it is.
    #[error("{what} was not anchored, and --require-anchor was given: {why}")]
    NotAnchored {
        /// Which checkpoint.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The journal was archived, or is about to be.
    #[error("the journal {path} is sealed: it was archived, or archiving it was interrupted")]
    Sealed {
        /// Where it is.
        path: PathBuf,
    },
    /// A journal that was archived before this one is not where it was put.
    #[error("the journal continues {id}, which cannot be read at {place}: {why}")]
    ArchiveMissing {
        /// Where it should be.
        place: PathBuf,
        /// Its id.
        id: String,
        /// Why it cannot be read.
        why: String,
    },
    /// Runs of a journal that is to be archived are not over.
    #[error("the journal was not archived: it has unfinished runs")]
    NotOver(Vec<RunRecord>),
    /// There is nothing to archive.
    #[error("the journal was not archived: it has no runs")]
    NothingToArchive,
    /// The file of checkpoints is one that the session uses.
    #[error("--checkpoint-to names {what}: {path}")]
    FileInUse {
        /// What it is.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// What the session was given from outside failed.
    #[error("{0}")]
    Outside(Outside),
}
