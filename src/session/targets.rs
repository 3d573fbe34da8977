//! How each target of a session ended: finished, stopped with everybody else, or stopped alone.

use std::collections::BTreeMap;

use super::summary::{State, StopWord, TargetEnd};
use crate::execute::control::{Stop, StoppedBy, TargetStop};
use crate::execute::decide::StopCause;
use crate::journal::TargetRecord;
use crate::record::event::TargetStopped;

/// What is left of a run, target by target.
#[derive(Debug, Clone, Default)]
pub(super) struct Targets {
    targets: Vec<TargetRecord>,
    /// Rows without an outcome, by the target's number.
    left: BTreeMap<i64, u64>,
    /// Those that stopped alone.
    stopped: BTreeMap<i64, TargetStop>,
}

impl Targets {
    /// Rows that the plan rejects may have a target without a region; it is not reported.
    pub(super) fn new(targets: Vec<TargetRecord>, left: &[(i64, u64)], stopped: BTreeMap<i64, TargetStop>) -> Self {
        let targets = targets.into_iter().filter(|record| !record.target.region.is_empty()).collect();
        let left = left.iter().copied().filter(|(_, rows)| *rows > 0).collect();
        Self { targets, left, stopped }
    }

    fn has_left(&self, target_no: i64) -> bool {
        self.left.contains_key(&target_no)
    }

    /// Those that stopped alone with rows left. A stop after the last row does not count.
    fn alone(&self) -> impl Iterator<Item = (&TargetRecord, &TargetStop)> {
        let left = self.targets.iter().filter(|record| self.has_left(record.target_no));
        left.filter_map(|record| Some((record, self.stopped.get(&record.target_no)?)))
    }

    /// Why the run stops where nothing stopped the whole session.
    pub(super) fn stop(&self) -> Option<Stop> {
        let details: Vec<_> = self.alone().map(|(_, stop)| stop.detail.as_str()).collect();
        (!details.is_empty()).then(|| Stop { by: StoppedBy::Breaker, detail: details.join("; ") })
    }

    /// Whether key pairs may not be read in a target that has rows left: their outcomes could not be determined.
    pub(super) fn cannot_read(&self) -> bool {
        self.alone().any(|(_, stop)| stop.cause == StopCause::CannotRead)
    }

    /// Why those stopped that stopped alone.
    pub(super) fn stops(&self) -> Vec<&TargetStop> {
        self.alone().map(|(_, stop)| stop).collect()
    }

    /// As the journal has them.
    pub(super) fn entries(&self) -> Vec<TargetStopped> {
        let entry = |(record, stop): (&TargetRecord, &TargetStop)| TargetStopped {
            account: record.target.account.clone(),
            region: record.target.region.clone(),
            why: stop.cause.into(),
            detail: Some(stop.detail.clone()),
        };
        self.alone().map(entry).collect()
    }

    /// As the summary has them, if `by` stopped the run for the reason `detail`.
    pub(super) fn ends(&self, by: Option<StopWord>, detail: Option<&str>) -> Vec<TargetEnd> {
        let end = |record: &TargetRecord| {
            let alone = self.stopped.get(&record.target_no);
            let is_left = self.has_left(record.target_no);
            let by = alone.map(|_| StopWord::Breaker).or(by).filter(|_| is_left);
            let detail = alone.map(|stop| stop.detail.as_str()).or(detail).filter(|_| is_left);
            TargetEnd {
                account: record.target.account.clone(),
                region: record.target.region.clone(),
                state: if is_left { State::Stopped } else { State::Finished },
                stopped_by: by,
                detail: detail.map(str::to_owned),
            }
        };
        self.targets.iter().map(end).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Target;

    fn record(target_no: i64, region: &str) -> TargetRecord {
        TargetRecord { target_no, target: Target { account: "1".into(), region: region.into() } }
    }

    #[test]
    fn each_target_says_how_it_ended() {
        let expired = TargetStop {
            cause: StopCause::RefusedForAll,
            detail: "expired".into(),
            names: vec!["ExpiredToken".into()],
        };
        let stopped = BTreeMap::from([(1, expired.clone()), (2, expired)]);
        let records = ["a", "b", "c", ""].iter().zip(1..).map(|(region, no)| record(no, region)).collect();
        let targets = Targets::new(records, &[(1, 4), (2, 0), (3, 1)], stopped);
        let stop = targets.stop().unwrap();
        assert_eq!((stop.by, stop.detail.as_str()), (StoppedBy::Breaker, "expired"), "b has no rows left");
        assert_eq!(targets.entries().iter().map(|entry| entry.region.as_str()).collect::<Vec<_>>(), ["a"]);
        let ends = targets.ends(Some(StopWord::Signal), Some("a signal"));
        let told: Vec<_> = ends.iter().map(|end| (end.state, end.stopped_by, end.detail.as_deref())).collect();
        let expected = [
            (State::Stopped, Some(StopWord::Breaker), Some("expired")),
            (State::Finished, None, None),
            (State::Stopped, Some(StopWord::Signal), Some("a signal")),
        ];
        assert_eq!(told, expected);
        assert!(!targets.cannot_read());
        assert_eq!(targets.stops().iter().map(|stop| stop.names[0].as_str()).collect::<Vec<_>>(), ["ExpiredToken"]);
    }
}
