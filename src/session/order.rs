//! What a session is to do: arguments, translated once, at the edge. Nothing behind it knows how they were typed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::error::{Refusal, Sent, SessionError};
pub use super::in_hand::{Approvals, InHand, OnDrift};
use super::policy::Policy;
pub use super::selection::Selection;
use crate::domain::Settings;
use crate::execute::control::Limits;
use crate::journal::Location;
use crate::policy::guard::IfInUse;
use crate::policy::recreated::IfRecreated;
use crate::record::plan::PlanHeader;

/// What every session is given.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The configured journal.
    pub journal: Location,
    /// Who works.
    pub who: Who,
    /// The accounts that the configuration says how to reach; every other one is reached with the default credentials.
    pub accounts: BTreeSet<String>,
    /// The settings that are named; the rest is the default's, or that of the run which continues.
    pub overrides: Overrides,
    /// Stop after requesting so many deletions in this session.
    pub max_deletes: Option<u64>,
    /// Stop after so many failures in this session.
    pub max_failures: Option<MaxFailures>,
    /// Stop for a look once so many key pairs of each target were deleted and read back in this session.
    pub canary: Option<u64>,
    /// Stop after this time.
    pub max_duration: Option<Duration>,
    /// The file that checkpoints are appended to; absolute, because later sessions may start in another directory.
    pub checkpoint_to: Option<PathBuf>,
    /// Whether nothing is deleted while checkpoints cannot be anchored.
    pub require_anchor: bool,
    /// The operator's reason, for the journal.
    pub reason: Option<String>,
    /// The operator's ticket, for the journal.
    pub ticket: Option<String>,
    /// Other settings by name, for the journal. No secret is among them.
    pub others: BTreeMap<String, String>,
    /// What to do with a journal that lost entries.
    pub rollback: Rollback,
    /// The policy that holds.
    pub policy: Policy,
}

/// Who works, and with which program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Who {
    /// The machine's name.
    pub host: String,
    /// The operating system's user.
    pub user: String,
    /// The user that logged in, where that is known.
    pub login_uid: Option<u32>,
    /// What the environment claims, by variable.
    pub claims: BTreeMap<String, String>,
    /// The number of this process.
    pub pid: u32,
    /// The commit that the program was built from, where that is known.
    pub commit: Option<String>,
}

/// What the operator says about a journal that lost entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollback {
    /// Whether to continue all the same.
    pub accept: bool,
    /// Why.
    pub because: Option<String>,
}

/// The settings that are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the settings")]
pub struct Overrides {
    pub max_attempts: Option<u32>,
    pub attempt_timeout: Option<Duration>,
    pub settle_timeout: Option<Duration>,
    pub operation_timeout: Option<Duration>,
    pub max_observation_age: Option<Duration>,
    pub signature_life: Option<Duration>,
    pub concurrency: Option<u32>,
    pub rate: Option<String>,
}

impl Overrides {
    /// `base` with what is named here.
    #[must_use]
    pub fn over(&self, base: Settings) -> Settings {
        Settings {
            max_attempts: self.max_attempts.unwrap_or(base.max_attempts),
            attempt_timeout: self.attempt_timeout.unwrap_or(base.attempt_timeout),
            settle_timeout: self.settle_timeout.unwrap_or(base.settle_timeout),
            operation_timeout: self.operation_timeout.unwrap_or(base.operation_timeout),
            max_observation_age: self.max_observation_age.unwrap_or(base.max_observation_age),
            signature_life: self.signature_life.unwrap_or(base.signature_life),
            concurrency: self.concurrency.unwrap_or(base.concurrency),
            rate: self.rate.clone().or(base.rate),
        }
    }
}

impl Order {
    /// The limits for a plan of so many deletes.
    #[must_use]
    pub fn limits(&self, deletes: u64) -> Limits {
        let max_failures = self.max_failures.map(|most| most.rows(deletes));
        Limits { max_deletes: self.max_deletes, max_failures, canary: self.canary }
    }

    /// All settings by name, for the journal.
    pub(super) fn named(&self, settings: &Settings) -> BTreeMap<String, String> {
        let mut named = self.others.clone();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                named.insert(name.to_owned(), value);
            }
        };
        put("rate", settings.rate.clone());
        put("concurrency", Some(settings.concurrency.to_string()));
        put("max_attempts", Some(settings.max_attempts.to_string()));
        put("attempt_timeout", Some(duration_text(settings.attempt_timeout)));
        put("settle_timeout", Some(duration_text(settings.settle_timeout)));
        put("operation_timeout", Some(duration_text(settings.operation_timeout)));
        put("max_observation_age", Some(duration_text(settings.max_observation_age)));
        put("signature_life", Some(duration_text(settings.signature_life)));
        put("max_deletes", self.max_deletes.map(|most| most.to_string()));
        put("max_failures", self.max_failures.map(|most| most.to_string()));
        put("canary", self.canary.map(|most| most.to_string()));
        put("max_duration", self.max_duration.map(duration_text));
        put("checkpoint_to", self.checkpoint_to.as_ref().map(|path| path.display().to_string()));
        put("require_anchor", self.require_anchor.then(|| "true".to_owned()));
        named
    }
}

/// What a plan is made from, and what decides which key pairs it deletes.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// The manifest's name.
    pub manifest: String,
    /// Whether it is a rehearsal in a world of its own.
    pub sandbox: bool,
    /// Whether invalid rows are skipped instead of refused.
    pub skip_invalid: bool,
    /// Columns that are annotations whatever they look like.
    pub annotations: Vec<String>,
    /// Whether rows may name the default key pair.
    pub allow_default_key_pair: bool,
    /// What to do with key pairs in use.
    pub if_in_use: IfInUse,
    /// What to do with key pairs that were re-created since a run of another manifest.
    pub if_recreated: IfRecreated,
    /// Whether the manifest's annotations stay out of the plan.
    pub without_annotations: bool,
    /// The rows of an earlier run that are planned again, where it is not all of the manifest.
    pub selection: Option<Selection>,
}

/// To run a manifest.
#[derive(Debug, Clone)]
pub struct RunOrder {
    /// What every session is given.
    pub order: Order,
    /// What to run.
    pub subject: Subject,
    /// What to do if the manifest was run before.
    pub repeat: Repeat,
    /// How the plan is confirmed.
    pub confirmation: Confirmation,
    /// The plan's file that is executed, if one is.
    pub plan: Option<Box<InHand>>,
}

/// To execute a plan's file.
#[derive(Debug, Clone)]
pub struct RunPlanOrder {
    /// What every session is given.
    pub order: Order,
    /// What to do with key pairs in use, where that is stricter than what the plan says.
    pub if_in_use: IfInUse,
    /// What to do with key pairs that were re-created, where that is stricter.
    pub if_recreated: IfRecreated,
    /// What to do if the plan was executed before.
    pub repeat: Repeat,
    /// How the plan is confirmed.
    pub confirmation: Confirmation,
    /// What to do if rows have changed since the plan was made.
    pub on_drift: OnDrift,
    /// What shows that it was approved.
    pub approvals: Approvals,
}

/// To write a plan to a file.
#[derive(Debug, Clone)]
pub struct PlanOrder {
    /// What every session is given.
    pub order: Order,
    /// What to plan.
    pub subject: Subject,
    /// How long the plan may be executed; without it, the plan has no end.
    pub expires: Option<Duration>,
    /// A directory for temporary files.
    pub directory: PathBuf,
    /// How the manifest would be run, where that is the question: what a run would refuse is refused.
    pub as_run: Option<(Repeat, Confirmation)>,
}

/// To examine whether a manifest could be run.
#[derive(Debug, Clone)]
pub struct ExamineOrder {
    /// What every session is given.
    pub order: Order,
    /// What would be run.
    pub subject: Subject,
    /// A directory for temporary files.
    pub directory: PathBuf,
}

/// What to do if a manifest was run before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Repeat {
    /// Refuse it.
    #[default]
    Refuse,
    /// Begin another run after a finished one.
    Again,
    /// Continue an unfinished run, and report again how a finished one ended.
    Resume,
}

/// How a plan is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// The operator is asked.
    Ask {
        /// Whether the operator can answer.
        possible: bool,
    },
    /// It is, if any of its key pairs exists.
    Yes,
    /// It is, if it deletes exactly so many key pairs.
    Exactly(u64),
}

impl RunOrder {
    /// Whether the operator is asked.
    pub(super) fn asks(&self) -> bool {
        matches!(self.confirmation, Confirmation::Ask { .. })
    }

    /// Refuses to begin if only a person could confirm, and nobody can be asked.
    ///
    /// # Errors
    /// The refusal.
    pub fn refuse_unanswerable(&self) -> Result<(), SessionError> {
        match self.confirmation {
            Confirmation::Ask { possible: false } => Err(SessionError::new(Refusal::NobodyToAsk).sent(Sent::Nothing)),
            _ => Ok(()),
        }
    }

    /// The settings of this command alone, for the journal.
    pub(super) fn own(&self) -> Vec<(&'static str, String)> {
        let mut own = self.subject.deciding();
        own.extend(self.order.policy.named());
        own.extend((self.repeat == Repeat::Again).then(|| ("again", "true".to_owned())));
        own
    }
}

impl Subject {
    /// What decided on the rows of a plan's file.
    #[must_use]
    pub fn of_plan(header: &PlanHeader) -> Self {
        let said = |name: &str| header.settings.get(name).map(String::as_str).unwrap_or_default();
        let annotations = said("annotation").split(',').filter(|column| !column.is_empty());
        Self {
            manifest: header.manifest.name.clone(),
            sandbox: header.endpoint.starts_with("sandbox:"),
            skip_invalid: said("skip_invalid") == "true",
            annotations: annotations.map(str::to_owned).collect(),
            allow_default_key_pair: said("allow_default_key_pair") == "true",
            if_in_use: match said("if_in_use") {
                "skip" => IfInUse::Skip,
                "refuse" => IfInUse::Refuse,
                _ => IfInUse::Warn,
            },
            if_recreated: match said("if_recreated") {
                "skip" => IfRecreated::Skip,
                "refuse" => IfRecreated::Refuse,
                _ => IfRecreated::Warn,
            },
            without_annotations: said("without_annotations") == "true",
            // Its plan is made, and names the rows.
            selection: None,
        }
    }

    /// The settings that decide what is deleted.
    pub(super) fn deciding(&self) -> Vec<(&'static str, String)> {
        let if_in_use = self.if_in_use.as_str();
        let if_recreated = match self.if_recreated {
            IfRecreated::Warn => "warn",
            IfRecreated::Skip => "skip",
            IfRecreated::Refuse => "refuse",
        };
        let mut named = vec![("if_in_use", if_in_use.to_owned()), ("if_recreated", if_recreated.to_owned())];
        named.extend(self.skip_invalid.then(|| ("skip_invalid", "true".to_owned())));
        let annotation = self.annotations.join(",");
        named.extend((!annotation.is_empty()).then_some(("annotation", annotation)));
        named.extend(self.allow_default_key_pair.then(|| ("allow_default_key_pair", "true".to_owned())));
        named.extend(self.without_annotations.then(|| ("without_annotations", "true".to_owned())));
        named.extend(self.selection.iter().flat_map(Selection::named));
        named
    }
}

/// To continue a run.
#[derive(Debug, Clone, Default)]
pub struct ResumeOrder {
    /// What every session is given.
    pub order: Order,
    /// The run: its id, a unique prefix of it, or `latest`; else the only unfinished one is meant.
    pub run: Option<String>,
}

/// To share a run with other runners.
#[derive(Debug, Clone, Default)]
pub struct WorkOrder {
    /// What every session is given.
    pub order: Order,
    /// The run: its id, a unique prefix of it, or `latest`.
    pub run: String,
}

/// To give up a run.
#[derive(Debug, Clone, Default)]
pub struct AbandonOrder {
    /// What every session is given.
    pub order: Order,
    /// The run: its id, a unique prefix of it, or `latest`.
    pub run: String,
    /// Why.
    pub because: String,
}

/// How many rows may fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxFailures {
    /// So many.
    Rows(u64),
    /// So many of a hundred rows to delete.
    Percent(f64),
}

impl MaxFailures {
    /// In rows of a plan with so many deletes; at least one, since a session that may not even begin is no session.
    #[must_use]
    pub fn rows(self, deletes: u64) -> u64 {
        match self {
            Self::Rows(rows) => rows.max(1),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a percentage of a number of rows: far inside of what a double counts exactly"
            )]
            Self::Percent(percent) => ((deletes as f64 * percent / 100.0).ceil() as u64).max(1),
        }
    }
}

impl fmt::Display for MaxFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(f, "{rows}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// A duration as the journal and messages have it.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let ms = duration.as_millis();
    if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}

#[cfg(test)]
mod tests;
