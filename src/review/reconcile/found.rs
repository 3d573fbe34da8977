//! What a reconciliation found: plain values.

use jiff::Timestamp;
use serde::Serialize;

use super::attempts::{Attempt, what};
use crate::review::trail::TrailEvent;

/// How many attempts are what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// A record shows it, and says nothing else than the journal.
    pub confirmed: u64,
    /// No record shows it.
    pub not_seen: u64,
    /// A record says otherwise.
    pub contradicted: u64,
    /// It never left, and no record shows it: as it should be.
    pub not_sent: u64,
}

/// By what attempts and records were matched; one attempt can be in several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct MatchedBy {
    /// The request's id.
    pub request_id: u64,
    /// The operation's id.
    pub operation_id: u64,
    /// The run in the user agent, with name, account, region and time.
    pub user_agent: u64,
    /// Name, account, region and time alone: the record has no user agent.
    pub name_and_time: u64,
}

/// Bits of an attempt's `by`, the strongest first.
pub(super) mod by {
    pub(in super::super) const REQUEST: u8 = 1;
    pub(in super::super) const OPERATION: u8 = 2;
    pub(in super::super) const AGENT: u8 = 4;
    pub(in super::super) const NAME_AND_TIME: u8 = 8;
    /// By the user agent, though both have a request's id and these differ.
    pub(in super::super) const OTHER_ID: u8 = 16;
    /// Such a record has no error.
    pub(in super::super) const OTHER_SUCCESS: u8 = 32;
    /// Such a record has one.
    pub(in super::super) const OTHER_ERROR: u8 = 64;
}

/// Bits of an attempt's `against`, with what each says.
pub(super) const AGAINST: [(u16, &str, &str); 9] = [
    (SUCCEEDED, "succeeded", "the journal says that it was refused or never left, but the record has no error"),
    (FAILED, "failed", "the journal says that it succeeded, but the record has an error"),
    (ANOTHER_NAME, "another_name", "the record of this request names another key pair"),
    (ANOTHER_PLACE, "another_place", "the record of this request is of another account or region"),
    (ANOTHER_OPERATION, "another_operation", "the record of this request names another operation"),
    (ANOTHER_TIME, "another_time", "the record of this request is of a time when the request was not under way"),
    (ANOTHER_RUN, "another_run", "the record of this request names another run in its user agent"),
    (ANOTHER_CALLER, "another_caller", "the record of this request has a caller that is not one of the run's"),
    (SEVERAL, "several_records", "several records show it, but it was one request"),
];

pub(super) const SUCCEEDED: u16 = 1;
pub(super) const FAILED: u16 = 2;
pub(super) const ANOTHER_NAME: u16 = 4;
pub(super) const ANOTHER_PLACE: u16 = 8;
pub(super) const ANOTHER_OPERATION: u16 = 16;
pub(super) const SEVERAL: u16 = 32;
pub(super) const ANOTHER_TIME: u16 = 64;
pub(super) const ANOTHER_RUN: u16 = 128;
pub(super) const ANOTHER_CALLER: u16 = 256;

impl Attempt {
    /// What became of it.
    pub(super) fn standing(&self) -> Standing {
        let seen = by::REQUEST | by::OPERATION | by::AGENT | by::NAME_AND_TIME;
        match () {
            () if self.against != 0 => Standing::Contradicted,
            () if self.by & seen != 0 => Standing::Confirmed,
            () if self.is(what::NOT_SENT) => Standing::NotSent,
            () => Standing::NotSeen,
        }
    }
}

impl Counts {
    pub(super) fn add(&mut self, standing: Standing) {
        *match standing {
            Standing::Confirmed => &mut self.confirmed,
            Standing::NotSeen => &mut self.not_seen,
            Standing::Contradicted => &mut self.contradicted,
            Standing::NotSent => &mut self.not_sent,
        } += 1;
    }
}

impl MatchedBy {
    pub(super) fn add(&mut self, matched: u8) {
        let all = [
            (&mut self.request_id, by::REQUEST),
            (&mut self.operation_id, by::OPERATION),
            (&mut self.user_agent, by::AGENT),
            (&mut self.name_and_time, by::NAME_AND_TIME),
        ];
        all.into_iter().for_each(|(count, bit)| *count += u64::from(matched & bit != 0));
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A record shows it.
    Confirmed,
    /// No record shows it.
    NotSeen,
    /// A record says otherwise.
    Contradicted,
    /// It never left.
    NotSent,
}

impl Standing {
    /// The word in data.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::NotSeen => "not_seen",
            Self::Contradicted => "contradicted",
            Self::NotSent => "not_sent",
        }
    }
}

/// Why no record shows an attempt: what the files leave open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// No record of any kind is of this account and region.
    NoRecordOfRegion,
    /// All records of this account and region are later.
    BeforeTheFiles,
    /// All records of this account and region are earlier, or so near before it that its own may be late.
    AfterTheFiles,
    /// Earlier and later records are there; CloudTrail delivers on a best-effort basis.
    Missing,
}

impl Unseen {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NoRecordOfRegion, Self::BeforeTheFiles, Self::AfterTheFiles, Self::Missing];

    /// The word in data.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRecordOfRegion => "no_record_of_region",
            Self::BeforeTheFiles => "before_the_files",
            Self::AfterTheFiles => "after_the_files",
            Self::Missing => "missing",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NoRecordOfRegion => "the files have no record of its account and region",
            Self::BeforeTheFiles => {
                "the files begin after it (the event history keeps 90 days; older records are only in a trail's log files)"
            }
            Self::AfterTheFiles => "the files end before it, or less than 15 minutes after it: its record may be late",
            Self::Missing => {
                "the files cover its time; CloudTrail delivers on a best-effort basis, and files may be missing"
            }
        }
    }
}

/// Why no entry explains an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its user agent names no run of keybatch, or its caller is not one of the run's.
    AnotherCaller,
    /// Its user agent names a run that this journal does not have.
    UnknownRun,
    /// Its user agent names a run of this journal, but no attempt of that run explains it.
    NoSuchAttempt,
    /// It has no user agent, and no attempt was under way for this key pair then.
    Unattributed,
}

impl Why {
    /// The word in data.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AnotherCaller => "another_caller",
            Self::UnknownRun => "unknown_run",
            Self::NoSuchAttempt => "no_such_attempt",
            Self::Unattributed => "unattributed",
        }
    }
}

/// An event that no entry explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unexplained {
    /// Why not.
    pub why: Why,
    /// The event.
    pub event: TrailEvent,
}

/// The event that shows an attempt, or says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// When it was.
    pub time: Timestamp,
    /// Its error.
    pub error_code: Option<String>,
}

/// The records of an account and a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// How many there are, of all kinds.
    pub records: u64,
    /// The time of the first, in seconds since 1970.
    pub first: u32,
    /// That of the last.
    pub last: u32,
}
