//! The kinds of entries and their fields. `docs/JOURNAL.md` is the normative description; a test compares the two.
//!
//! Rules: no field is ever removed or given another meaning; integers stay below 2^53; decimals are strings; an
//! absent field means "not known" or "not applicable", never a default.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::anchored::CheckpointAnchored;
use super::approval::Role;
use super::control_used::ControlUsed;
use super::lease::{AnswerLate, LeaseEnded, LeaseTaken};
use super::plan::{Note, PlanHeader, PlanManifest, PlanObservation, PlanRow, PlanSeal, TargetVerdicts, Verdict};
use super::stop_reason::StopReason;
pub use super::stop_reason::TargetStopped;
use crate::domain::{
    ApiError, AttemptTime, Cause, Class, Evidence, Exchange, Failure, Observation, Operation, Outcome, OutcomeCounts,
    Settings, Shown,
};

/// Makes [`Event`] and what goes with it from the one list of kinds: the word that an entry has for it, and its fields.
macro_rules! kinds {
    ($($word:literal $variant:ident($fields:ty),)*) => {
        /// What happened. The names are past tense.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        #[expect(missing_docs, reason = "each variant's struct says it")]
        pub enum Event {
            $(#[serde(rename = $word)] $variant($fields),)*
        }

        /// The kinds by the words that entries have for them.
        pub const KINDS: [&str; [$($word),*].len()] = [$($word),*];

        impl Event {
            /// The word that entries have for its kind.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $word,)*
                }
            }
        }
    };
}

kinds! {
    "journal_created" JournalCreated(JournalCreated),
    "session_opened" SessionOpened(Box<SessionOpened>),
    "session_closed" SessionClosed(SessionClosed),
    "manifest_ingested" ManifestIngested(ManifestIngested),
    "intent_recorded" IntentRecorded(Box<IntentRecorded>),
    "plan_sealed" PlanSealed(Box<PlanSealed>),
    "override_used" OverrideUsed(OverrideUsed),
    "plan_approved" PlanApproved(PlanApproved),
    "plan_signed" PlanSigned(PlanSigned),
    "run_started" RunStarted(RunStarted),
    "attempt_started" AttemptStarted(AttemptStarted),
    "attempt_finished" AttemptFinished(Box<AttemptFinished>),
    "operation_polled" OperationPolled(Box<OperationPolled>),
    "observed" Observed(Box<Observed>),
    "row_settled" RowSettled(RowSettled),
    "row_resolved" RowResolved(RowResolved),
    "rate_changed" RateChanged(RateChanged),
    "control_used" ControlUsed(ControlUsed),
    "run_stopped" RunStopped(RunStopped),
    "run_finished" RunFinished(RunFinished),
    "run_abandoned" RunAbandoned(RunAbandoned),
    "reconciled" Reconciled(Box<Reconciled>),
    "checkpoint_made" CheckpointMade(CheckpointMade),
    "checkpoint_anchored" CheckpointAnchored(CheckpointAnchored),
    "lease_taken" LeaseTaken(LeaseTaken),
    "lease_ended" LeaseEnded(Box<LeaseEnded>),
    "answer_late" AnswerLate(Box<AnswerLate>),
}

impl Event {
    /// The time that an attempt of the session has which this opens.
    #[must_use]
    pub fn attempt_time(&self) -> Option<AttemptTime> {
        let Self::SessionOpened(opened) = self else { return None };
        opened.attempt_timeout_ms.map(|ms| AttemptTime { timeout: Duration::from_millis(ms) })
    }
}

/// The first entry of every journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalCreated {
    /// A UUID; part of the checkpoints' origin.
    pub journal_id: String,
    /// `keybatch.journal/2`.
    pub format: String,
    /// The action that its runs ask for: `lightsail:DeleteKeyPair`.
    pub action: String,
    /// The keybatch that made it.
    pub version: String,
    /// The journal that it continues, where that was archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
}

/// An archived journal, by its head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Its id.
    pub id: String,
    /// Its entries.
    pub size: u64,
    /// Their root, in base64.
    pub root: String,
}

/// A process began to write. Everything that says who, where and against what.
///
/// The session is known by the number of this entry, and so is the run that it begins. A session that goes on with an earlier
/// run names that in its entry's `run`; one that has neither only closes what others left, or accepts a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOpened {
    /// The id of the run that this session begins, a UUIDv7: what people and commands call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// A UUID.
    pub session_id: String,
    /// The command, e.g. `run` or `resume`.
    pub command: String,
    /// Of keybatch.
    pub version: String,
    /// The source's commit, where the build knew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The machine's name.
    pub host: String,
    /// The name of the process's user, from the user database.
    pub user: String,
    /// The user that logged in, where the system knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
    /// What variables say about who asked and from where, by variable; anybody can set them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
    /// The process id.
    pub pid: u32,
    /// Who the credentials belong to; absent where nothing was asked (a refused manifest).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_arn: Option<String>,
    /// The profile of the AWS configuration that is used, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Where the credentials come from, in words; absent in a rehearsal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_source: Option<String>,
    /// The account of the credentials. In a run over several accounts, that of the rows that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The accounts that were reached as the configuration says, ascending; absent where the default credentials alone are used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<SessionAccount>,
    /// What the run is bound to: an address with `{region}` in it, or `sandbox:<world id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether this is a rehearsal.
    pub sandbox: bool,
    /// The settings that the session was given, by name; no secrets are among them.
    pub settings: BTreeMap<String, String>,
    /// SHA-256 over the canonical JSON of `settings`, in hexadecimal.
    pub settings_sha256: String,
    /// How long this session waits for the answer to a delete, in milliseconds: when one of its attempts is surely dead follows
    /// from that, whatever timeout a later session has. Absent where it sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_timeout_ms: Option<u64>,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The operator's ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// The root of the entries before this one, in base64: what the session goes on from. Only the writer knows it, and
    /// fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues_from: Option<String>,
    /// Why this machine cannot remember how long the journal is (I12); absent where it does, and in a rehearsal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_remembered: Option<String>,
    /// SHA-256 of the policy file that the operator named, in hexadecimal; the run is bound to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_sha256: Option<String>,
    /// SHA-256 of the machine's own policy, in hexadecimal; it binds nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_policy_sha256: Option<String>,
}

/// An account that a session reached as the configuration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionAccount {
    /// The account.
    pub account: String,
    /// Who the credentials belong to.
    pub caller_arn: String,
    /// The profile of the AWS configuration that is used, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Where the credentials come from, in words; absent in a rehearsal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_source: Option<String>,
}

/// The process left in order. A session without this one crashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionClosed {
    /// What was sent by this session.
    pub requests: Requests,
    /// Wall-clock time of the session, in milliseconds.
    pub elapsed_ms: u64,
}

/// Requests by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// DeleteKeyPair requests that may have left.
    pub delete: u64,
    /// All other Lightsail requests.
    pub read: u64,
    /// Requests of either kind that were answered with throttling.
    pub throttled: u64,
}

/// A manifest was read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestIngested {
    /// The file's name as given; `-` for standard input.
    pub name: String,
    /// SHA-256 of all its bytes, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// Its records.
    pub rows: u64,
    /// The header as written.
    pub columns: Vec<String>,
}

impl From<&ManifestIngested> for PlanManifest {
    fn from(ingested: &ManifestIngested) -> Self {
        let ManifestIngested { name, sha256, bytes, rows, columns: _ } = ingested;
        Self { name: name.clone(), sha256: sha256.clone(), bytes: *bytes, rows: *rows }
    }
}

/// The decision about one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntentRecorded {
    /// The plan's line about the row, byte for byte.
    pub line: PlanRow,
    /// The listing that showed the key pair: the number of its `observed`, whose time is that of the observation. Absent where
    /// there is no observation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u64>,
    /// What differs from the line on the day when a plan's file is executed; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub today: Option<Today>,
}

impl IntentRecorded {
    /// What is to be done: as the line says, or less.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.today.as_ref().map_or(self.line.verdict, |today| today.verdict)
    }

    /// What the guards noted, on the day.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        self.today.as_ref().map_or(&self.line.notes, |today| &today.notes)
    }
}

/// What a row of a plan's file is on the day when the file is executed. A row can only lose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Today {
    /// What is to be done.
    pub verdict: Verdict,
    /// What the guards noted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// The key pair that is there, where it is another one than the line says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation: Option<PlanObservation>,
}

/// The plan is complete and will not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSealed {
    /// The plan's first line.
    pub header: PlanHeader,
    /// The plan's last line. Its rows are the run's `intent_recorded` entries in order.
    pub seal: PlanSeal,
    /// What was read for it, a target each.
    pub targets: Vec<TargetInventory>,
}

impl PlanSealed {
    /// Rows to delete in a target that was read.
    #[must_use]
    pub fn deletes_in(&self, target: &TargetInventory) -> u64 {
        let is_it = |counted: &&TargetVerdicts| counted.account == target.account && counted.region == target.region;
        self.seal.targets.iter().find(is_it).map_or(0, |counted| counted.deletes)
    }
}

/// What was read of one target for a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetInventory {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Key pairs that the inventory listed.
    pub key_pairs: u64,
    /// Pages that it took.
    pub pages: u64,
    /// Instances that were listed; absent where they were not asked for or could not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<u64>,
}

/// A safety rule was lifted by the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideUsed {
    /// The flag, without dashes; or `policy.` and the rule that `--override` named.
    #[serde(rename = "override")]
    pub which: String,
    /// The operating system's user.
    pub by: String,
    /// In the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Of an accepted rollback, which names no run: the heads that were known, and that this journal does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostHead>,
}

/// The word for an accepted rollback in [`OverrideUsed::which`].
pub const ACCEPT_ROLLBACK: &str = "accept-rollback";

impl OverrideUsed {
    /// Whether entries were lost, and the operator accepted it: each row without an outcome may have been asked for by them.
    #[must_use]
    pub fn accepts_rollback(&self) -> bool {
        self.which == ACCEPT_ROLLBACK
    }
}

/// A head that was seen outside the journal, and that the journal does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostHead {
    /// Entries that it covers.
    pub size: u64,
    /// Their root, in base64.
    pub root: String,
    /// The file that it was read from.
    pub known_from: String,
}

/// A person approved the plan's file, by a signature over the text that follows from its header and seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanApproved {
    /// Who, as the list of signers calls that person.
    pub signer: String,
    /// The plan's root.
    pub plan_root: String,
    /// The fingerprint of the key: `SHA256:` and base64.
    pub key: String,
    /// The signature (SSHSIG, armoured).
    pub signature: String,
}

/// Under four eyes: who made the plan's file, or who runs it, signed the text that its approvals sign. Neither may approve it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSigned {
    /// Who signed: its maker, or the session that this entry belongs to.
    pub role: Role,
    /// The plan's root.
    pub plan_root: String,
    /// The fingerprint of the key: `SHA256:` and base64.
    pub key: String,
    /// The signature (SSHSIG, armoured).
    pub signature: String,
}

/// Deleting may begin: the plan was confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStarted {
    /// As in `plan_sealed`.
    pub plan_root: String,
    /// How many key pairs were confirmed.
    pub deletes: u64,
    /// `yes`, `confirm`, `prompt` or `nothing_to_delete`.
    pub confirmed_by: String,
    /// The settings of the run, which later sessions go on with.
    pub settings: Settings,
}

/// A DeleteKeyPair request is about to leave, for the key pair of the row's intent. Durable before it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStarted {
    /// From 1, counted over all sessions.
    pub attempt: u32,
}

/// What came back for a request, whole; and the row's outcome, where this answer alone decides it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptFinished {
    /// As in `attempt_started`.
    pub attempt: u32,
    /// What it means.
    pub class: Class,
    /// What was on the wire.
    #[serde(flatten)]
    pub exchange: Exchange,
    /// The operation that it showed.
    #[serde(flatten)]
    pub shown: Shown,
    /// Why it has no usable answer.
    #[serde(flatten)]
    pub failure: Failure,
    /// What became of the row, where this answer alone decides it: it rests on the row's intent, the attempt's start and this
    /// entry. Any other outcome has a [`RowSettled`] of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// `answer` where there is an outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// For people: one sentence on the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl AttemptFinished {
    /// An attempt that ended so, with neither operation, outcome, nor more to say about its cause.
    #[must_use]
    pub fn of(attempt: u32, class: Class, cause: Option<Cause>, exchange: Exchange) -> Self {
        let (shown, failure) = (Shown::default(), Failure::because(cause));
        Self { attempt, class, exchange, shown, failure, outcome: None, evidence: None, detail: None }
    }

    /// The operation that the answer showed.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.shown.read(&self.exchange, &self.failure)
    }

    /// The error, read from the answer or from what stands beside it.
    #[must_use]
    pub fn error(&self) -> Option<ApiError> {
        self.failure.read(&self.exchange)
    }

    /// The row's outcome and its evidence, where the answer alone decides it.
    #[must_use]
    pub fn settled(&self) -> Option<(Outcome, Evidence)> {
        self.outcome.zip(self.evidence)
    }
}

impl From<AttemptFinished> for AnswerLate {
    /// Without what it would have meant for the row: others decide that now.
    fn from(finished: AttemptFinished) -> Self {
        let AttemptFinished { attempt, class, exchange, shown, failure, outcome: _, evidence: _, detail: _ } = finished;
        Self { attempt, class, exchange, shown, failure }
    }
}

/// GetOperation was asked about an operation that was not terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationPolled {
    /// The id that was asked for.
    pub operation_id: String,
    /// What the operation's state means: succeeded, operation_failed, pending; or unanswered.
    pub class: Class,
    /// Requests that this took, throttled ones included.
    pub requests: u64,
    /// How many of them were throttled.
    #[serde(default)]
    pub throttled: u64,
    /// What was on the wire last.
    #[serde(flatten)]
    pub exchange: Exchange,
    /// The operation that it showed.
    #[serde(flatten)]
    pub shown: Shown,
    /// Why it has no usable answer.
    #[serde(flatten)]
    pub failure: Failure,
}

impl OperationPolled {
    /// The operation as it was then.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.shown.read(&self.exchange, &self.failure)
    }

    /// The error, read from the answer or from what stands beside it.
    #[must_use]
    pub fn error(&self) -> Option<ApiError> {
        self.failure.read(&self.exchange)
    }
}

/// Something was read: a key pair, its operation history, or a target's inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Which request.
    pub source: Source,
    /// What was found.
    pub found: Found,
    /// Requests that this took, throttled ones included.
    pub requests: u64,
    /// How many of them were throttled.
    #[serde(default)]
    pub throttled: u64,
    /// The account, where no row is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The region, where no row is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What was seen of the key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation: Option<Observation>,
    /// Our operation, where the history shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// Why it has no usable answer.
    #[serde(flatten)]
    pub failure: Failure,
    /// What was on the wire last.
    #[serde(flatten)]
    pub exchange: Exchange,
}

impl Observed {
    /// What one request found, of which nothing more is to be said.
    #[must_use]
    pub fn of(source: Source, found: Found) -> Self {
        Self {
            source,
            found,
            requests: 1,
            throttled: 0,
            account: None,
            region: None,
            observation: None,
            operation: None,
            failure: Failure::default(),
            exchange: Exchange::default(),
        }
    }

    /// The error, read from the answer or from what stands beside it.
    #[must_use]
    pub fn error(&self) -> Option<ApiError> {
        self.failure.read(&self.exchange)
    }
}

/// Which request an observation came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the API's")]
pub enum Source {
    GetKeyPair,
    GetKeyPairs,
    GetInstances,
    GetOperationsForResource,
}

/// What an observation found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The key pair of the plan: same arn, creation time and fingerprint.
    Same,
    /// A key pair of that name with another identity.
    Other,
    /// No key pair of that name.
    NotFound,
    /// A delete of this name that succeeded inside the attempt's window.
    Operation,
    /// A delete of this name that is not terminal yet, even if someone else began it.
    Unfinished,
    /// No such operation.
    NoOperation,
    /// A listing was read to its end.
    Listed,
    /// Nothing usable came back.
    NoAnswer,
    /// Reading is not permitted.
    Denied,
    /// Refused for everyone: credentials, clock.
    RefusedForAll,
}

/// A row reached its outcome. A row of a finished run has either one of these or an [`AttemptFinished`] with an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSettled {
    /// What became of it.
    pub outcome: Outcome,
    /// What that rests on.
    pub evidence: Evidence,
    /// For people: one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The `seq` of the entries that it rests on, ascending. [`PREVIOUS`] in a draft.
    pub rests_on: Vec<u64>,
}

/// A row that ended in doubt, or as gone, is given another outcome: by a person, or by CloudTrail's record. The latest counts; the
/// first, which the run determined itself, stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowResolved {
    /// What became of it.
    pub outcome: Outcome,
    /// `person` or `cloudtrail`.
    pub evidence: Evidence,
    /// How that is known, in the words of whoever says so.
    pub because: String,
    /// The operating system's user.
    pub by: String,
    /// The file that shows it, which is kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<AttachedFile>,
    /// The id of the event whose record says so, where it is CloudTrail's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The `seq` of the row's entries that were looked at, ascending; the intent and the outcome are among them.
    pub rests_on: Vec<u64>,
}

/// A file outside the journal that an entry refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedFile {
    /// Its name as given.
    pub name: String,
    /// SHA-256 of all its bytes, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

/// In a draft's `rests_on`: the entry right before it in the same append, whose number only the writer knows. It lets
/// an answer and the outcome that rests on it become durable in one commit.
pub const PREVIOUS: u64 = u64::MAX;

/// The rate permitted by a target is believed to be another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateChanged {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Requests per second, a decimal, or `unlimited`.
    pub from_per_s: String,
    /// Requests per second, a decimal, or `unlimited`.
    pub to_per_s: String,
    /// What the next session starts from: requests per second, a decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned_per_s: Option<String>,
    /// Whether that is where throttling began, or only what was borne so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned_is_limit: Option<bool>,
    /// A stable word.
    pub why: String,
}

/// The run stopped before its end, or never began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStopped {
    /// What stopped it: a limit, a signal or a breaker, after which it can be resumed, or what closed it before anything was sent.
    pub why: StopReason,
    /// For people: what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How often each word of this stopped it: the faults of a refused manifest by code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub faults: BTreeMap<String, u64>,
    /// The refused manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestIngested>,
    /// The targets that stopped alone while rows of theirs were left, whatever stopped the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetStopped>,
}

impl RunStopped {
    /// Stopped for this, of which nothing more is to be said.
    #[must_use]
    pub fn new(why: impl Into<StopReason>, detail: Option<String>) -> Self {
        Self { why: why.into(), detail, faults: BTreeMap::new(), manifest: None, targets: Vec::new() }
    }
}

/// Every row has its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFinished {
    /// Rows of the plan.
    pub rows: u64,
    /// Their sum is `rows`.
    pub outcomes: OutcomeCounts,
}

/// A person gave the run up: it cannot be resumed any more. Every row that may have been deleted has its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunAbandoned {
    /// Why, in the operator's words.
    pub because: String,
    /// The operating system's user.
    pub by: String,
    /// Rows of the plan.
    pub rows: u64,
    /// Their sum is `rows`; `unsettled` is 0, and `not_attempted` are those that were never asked for.
    pub outcomes: OutcomeCounts,
}

/// CloudTrail's records were held against the attempts of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// The files that were read, by hash: the first of them.
    pub files: Vec<AttachedFile>,
    /// How many there were.
    pub file_count: u64,
    /// SHA-256 over a line for each of them, sorted: its hash, a space, its length in bytes, a line feed; in hexadecimal.
    pub files_sha256: String,
    /// The time that was looked at (RFC 3339, whole seconds).
    pub from: String,
    /// Its end.
    pub until: String,
    /// Records of any kind in the files.
    pub records: u64,
    /// Those of them that are of DeleteKeyPair.
    pub events: u64,
    /// Places in the files that could not be read.
    pub unreadable: u64,
    /// The run's attempts; their sum is what there was of them.
    pub attempts: ReconciledAttempts,
    /// Attempts of which a record says otherwise: the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contradictions: Vec<Contradiction>,
    /// How many events no entry of the journal explains.
    pub unexplained: u64,
    /// Those events: the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<UnexplainedEvent>,
    /// How many rows are resolved by what was found; each has a `row_resolved` after this entry.
    pub resolves: u64,
    /// The operating system's user.
    pub by: String,
}

/// How many files, contradictions and findings an entry names at most, each.
pub const MOST_NAMED: usize = 100;

/// What became of attempts when records were held against them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciledAttempts {
    /// A record shows it.
    pub confirmed: u64,
    /// No record shows it.
    pub not_seen: u64,
    /// A record says otherwise.
    pub contradicted: u64,
    /// It never left, and no record shows it.
    pub not_sent: u64,
}

/// An attempt of which a record says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    /// The row.
    pub row: u64,
    /// The attempt.
    pub attempt: u32,
    /// What the record says: stable words.
    pub says: Vec<String>,
    /// The event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
}

/// An event that no entry of the journal explains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnexplainedEvent {
    /// Its id.
    pub event_id: String,
    /// When it was (RFC 3339, whole seconds).
    pub event_time: String,
    /// The key pair's name; a denied call's record has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_pair_name: Option<String>,
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The region.
    pub region: String,
    /// Who asked, as the record has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// With which program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The error, in CloudTrail's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Why no entry explains it: a stable word.
    pub why: String,
}

/// The head of the journal as it was before this entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointMade {
    /// Entries covered.
    pub size: u64,
    /// Their root, in base64.
    pub root: String,
}
