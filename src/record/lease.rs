//! What runners that share a run record of which of its rows are whose.

use serde::{Deserialize, Serialize};

use super::stop_reason::{StopReason, TargetStopped};
use crate::domain::{ApiError, Class, Exchange, Failure, Operation, Shown};

/// The command of a session that shares its run with others: a runner.
pub const WORK: &str = "work";

/// A runner took rows of its run for itself, until it ends its leases or they lapse. Nobody else asks for them meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTaken {
    /// The account of the target that they are of.
    pub account: String,
    /// Its region.
    pub region: String,
    /// First and last row of each stretch, ascending.
    pub rows: Vec<(u64, u64)>,
    /// How long it lasts, in milliseconds, unless it is renewed: on the clock of the journal's database, from before it was asked
    /// for.
    pub lasts_ms: u64,
    /// How far that clock is ahead of the runner's, in milliseconds. A text in the entry, because it may be below zero.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "signed")]
    pub skew_ms: Option<i64>,
}

/// A whole number that may be below zero, as a text: canonical bodies hold no such numbers.
mod signed {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(number: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => serializer.collect_str(number),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse::<i64>().ok().filter(|number| number.to_string() == text);
        number.map(Some).ok_or_else(|| D::Error::custom(format!("{text:?} is no whole number as it is written")))
    }
}

/// A runner's leases ended, all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseEnded {
    /// The number of the session whose leases ended: the one that writes this, or another one whose leases had lapsed by the clock of the
    /// journal's database. That one writes nothing more but [`AnswerLate`].
    pub of: u64,
    /// Why.
    pub why: LeaseEnd,
    /// What stopped the runner, if it left before the run's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StopReason>,
    /// For people: one sentence on that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The targets that stopped alone for this runner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetStopped>,
}

/// Why leases ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseEnd {
    /// Their runner left.
    Left,
    /// It did not renew them in time.
    Lapsed,
}

/// What came back for a request after the leases of its runner had ended. Evidence for people, never an outcome by itself: whoever has the
/// row now decides it by what they see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerLate {
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
}

impl AnswerLate {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skew_is_a_text_and_has_one_spelling() {
        let taken = |skew_ms| LeaseTaken {
            account: "1".into(),
            region: "r".into(),
            rows: vec![(1, 3)],
            lasts_ms: 10_000,
            skew_ms,
        };
        for (skew, text) in [(-3_600_000, "-3600000"), (0, "0"), (7, "7")] {
            let whole = serde_json::to_value(taken(Some(skew))).unwrap();
            assert_eq!(whole["skew_ms"], text);
            assert_eq!(serde_json::from_value::<LeaseTaken>(whole).unwrap(), taken(Some(skew)));
        }
        let none = serde_json::to_value(taken(None)).unwrap();
        assert!(none.get("skew_ms").is_none());
        assert_eq!(serde_json::from_value::<LeaseTaken>(none.clone()).unwrap(), taken(None));
        for wrong in [serde_json::json!(7), "+7".into(), "07".into(), "-0".into(), "".into(), "1.5".into()] {
            let mut whole = none.clone();
            whole["skew_ms"] = wrong;
            assert!(serde_json::from_value::<LeaseTaken>(whole.clone()).is_err(), "{whole}");
        }
    }
}
