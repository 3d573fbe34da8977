//! What a pause of the session changes for a row that waits: the service refused nothing while it was not asked.

use jiff::SignedDuration;

use super::row::RowState;

impl RowState {
    /// The row was to be asked for, and waited so long because the session was paused.
    pub(super) fn was_paused(&mut self, paused: SignedDuration) {
        let later = |since: jiff::Timestamp| since.saturating_add(paused.max(SignedDuration::ZERO)).unwrap_or(since);
        self.refused_since = self.refused_since.map(later);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{Class, Exchange, Settings};
    use crate::execute::decide::{Denial, REFUSAL_BUDGET, Situation, Step, StopCause, decide};
    use crate::record::event::{AttemptFinished, AttemptStarted, Event};
    use crate::record::plan::{PlanRow, Verdict};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    // SEMANTICS: P134
    #[test]
    fn a_pause_is_no_time_in_which_the_service_refused() {
        let line = PlanRow::of(1, "kp".into(), "1".into(), "r".into(), Verdict::Delete);
        let mut row = RowState::new(0, &line, Some(at(0)));
        row.apply(1, at(0), &Event::AttemptStarted(AttemptStarted { attempt: 1 }));
        let refused = AttemptFinished::of(1, Class::SetupInProgress, None, Exchange::default());
        row.apply(2, at(0), &Event::AttemptFinished(Box::new(refused)));
        let settings = Settings { max_observation_age: std::time::Duration::from_secs(86_400), ..Settings::default() };
        let budget = REFUSAL_BUDGET.as_secs();
        let step = |row: &RowState, now| {
            let situation = Situation { now, denial: Denial::Unknown, answered_at: None, read_at: None };
            decide(row, &settings, &situation)
        };
        assert_eq!(step(&row, at(budget)), Step::Stop(StopCause::ThrottledForLong));
        row.was_paused(SignedDuration::from_secs(60));
        assert_eq!(
            step(&row, at(budget)),
            Step::Read { level: 0 },
            "the observation is read again, and the delete sent"
        );
        assert_eq!(step(&row, at(budget + 60)), Step::Stop(StopCause::ThrottledForLong));
        row.was_paused(SignedDuration::from_secs(-3_600));
        assert_eq!(step(&row, at(budget)), Step::Read { level: 0 }, "the clock was set back meanwhile");
    }
}
