//! The requests of a run over time, and how long they took. Bounded, and the same in whatever order attempts come.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::ask::{each, number, text};
use crate::domain::{micros, parse_time, time_text};
use crate::journal::{Cell, JournalError, Reader, RunRecord};
use crate::record::Entry;
use crate::record::event::Event;

/// A session's time is divided into at most this many parts, so that a chart of it can be read.
const MOST_PARTS: u64 = 240;

/// The limits of the histogram: powers of ten, their doubles and fives, from what one machine takes to an attempt's time limit.
const UP_TO_MS: [u64; 13] = [2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000];

/// All attempts of a run, from the view `attempts`. The rows are `?2` to `?3`.
pub(super) const ATTEMPTS: &str = "SELECT row_no, session, started_at, finished_at, class, http_status, request_id, \
     error_code, error_message, attempt FROM attempts \
     WHERE run_id = ?1 AND row_no >= CAST(?2 AS BIGINT) AND row_no <= CAST(?3 AS BIGINT) ORDER BY row_no, attempt";

/// The same with nothing that nobody counts.
const COUNTED: &str = "SELECT row_no, session, started_at, finished_at, class FROM attempts WHERE run_id = ?1";

/// Delete requests by time, by class, and by how long they took.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Traffic {
    /// How many there were of each class; `no end recorded` where none is.
    pub classes: BTreeMap<String, u64>,
    /// How long they took, from the record of the start to that of the end.
    pub latency: Vec<LatencyPart>,
    /// The longest, in milliseconds.
    pub longest_ms: Option<f64>,
    /// The first request's time.
    pub first_at: Option<String>,
    /// When the last end was recorded.
    pub last_at: Option<String>,
    /// Each session that sent any.
    pub sessions: Vec<SessionTraffic>,
}

/// Requests that took up to a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LatencyPart {
    /// More than this.
    pub over_ms: u64,
    /// At most this; none for the last.
    pub up_to_ms: Option<u64>,
    /// How many.
    pub requests: u64,
}

/// The requests of a session over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionTraffic {
    /// The number of the session; none for requests whose session is not known.
    pub session: Option<u64>,
    /// How long a part is.
    pub part_s: u64,
    /// The parts from the first request on, without a gap.
    pub parts: Vec<Part>,
}

/// A part of a session's time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// When it begins.
    pub at: String,
    /// Delete requests that began in it.
    pub requests: u64,
    /// Those that were throttled.
    pub throttled: u64,
    /// What was permitted at its end in all targets together, in requests per second; none where that is not known or not limited.
    pub permitted_per_s: Option<f64>,
}

/// Counts attempts.
#[derive(Debug, Default)]
pub(super) struct Counting {
    classes: BTreeMap<String, u64>,
    latency: [u64; UP_TO_MS.len() + 1],
    longest_us: Option<i64>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    sessions: BTreeMap<Option<u64>, Series>,
}

/// Requests and throttled ones by part, of which each is `width` seconds long.
#[derive(Debug)]
struct Series {
    width: i64,
    parts: BTreeMap<i64, (u64, u64)>,
}

impl Series {
    fn add(&mut self, second: i64, throttled: bool) {
        let part = self.parts.entry(second.div_euclid(self.width)).or_default();
        part.0 += 1;
        part.1 += u64::from(throttled);
        while self.span() > MOST_PARTS {
            let mut wider: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
            for (index, (requests, refused)) in &self.parts {
                let part = wider.entry(index.div_euclid(2)).or_default();
                (part.0, part.1) = (part.0 + requests, part.1 + refused);
            }
            self.parts = wider;
            self.width *= 2;
        }
    }

    fn span(&self) -> u64 {
        let ends = self.parts.first_key_value().zip(self.parts.last_key_value());
        ends.map_or(0, |((first, _), (last, _))| last.abs_diff(*first) + 1)
    }
}

impl Counting {
    /// Counts an attempt: its row, session, start, end and class come first in `cells`.
    pub(super) fn add(&mut self, cells: &[Cell]) {
        let class = cells.get(4).and_then(Cell::as_text).unwrap_or("no end recorded");
        match self.classes.get_mut(class) {
            Some(count) => *count += 1,
            None => _ = self.classes.insert(class.to_owned(), 1),
        }
        let time = |index: usize| cells.get(index).and_then(Cell::as_text).and_then(parse_time);
        let Some(started) = time(2) else { return };
        self.first = Some(self.first.map_or(started, |first| first.min(started)));
        let session = matches!(cells.get(1), Some(Cell::Integer(_))).then(|| number(cells, 1));
        let series = self.sessions.entry(session).or_insert_with(|| Series { width: 1, parts: BTreeMap::new() });
        series.add(started.as_second(), class == "throttled");
        let Some(finished) = time(3) else { return };
        self.last = Some(self.last.map_or(finished, |last| last.max(finished)));
        let took = finished.as_microsecond() - started.as_microsecond();
        let place = UP_TO_MS.iter().position(|limit| took <= i64::try_from(limit * 1_000).unwrap_or(i64::MAX));
        self.latency[place.unwrap_or(UP_TO_MS.len())] += 1;
        self.longest_us = Some(self.longest_us.map_or(took, |longest| longest.max(took)));
    }

    /// What was counted, beside what was permitted meanwhile in the targets that were to be asked.
    pub(super) fn end(self, permitted: &[Permitted], targets: &[String]) -> Traffic {
        let limits = UP_TO_MS.into_iter().map(Some).chain([None]);
        let overs = [0].into_iter().chain(UP_TO_MS);
        let latency = overs.zip(limits).zip(self.latency).map(|((over_ms, up_to_ms), requests)| LatencyPart {
            over_ms,
            up_to_ms,
            requests,
        });
        #[expect(clippy::cast_precision_loss, reason = "no request takes three hundred years")]
        let in_ms = |us: i64| us as f64 / 1_000.0;
        let text_of = |time: Timestamp| time_text(micros(time));
        Traffic {
            classes: self.classes,
            latency: latency.collect(),
            longest_ms: self.longest_us.map(in_ms),
            first_at: self.first.map(text_of),
            last_at: self.last.map(text_of),
            sessions: self
                .sessions
                .into_iter()
                .map(|(session, series)| drawn(session, &series, permitted, targets))
                .collect(),
        }
    }
}

fn drawn(session: Option<u64>, series: &Series, permitted: &[Permitted], targets: &[String]) -> SessionTraffic {
    let ends = series.parts.first_key_value().zip(series.parts.last_key_value());
    let range = ends.map_or(0..0, |((first, _), (last, _))| *first..last + 1);
    let (own, others): (Vec<_>, Vec<_>) = permitted.iter().partition(|change| change.session == session);
    let mut rates: BTreeMap<&str, Option<f64>> = BTreeMap::new();
    // It began with what an earlier session had learned, or as its own first change says.
    for change in others.iter().filter(|change| change.session < session) {
        rates.insert(&change.target, change.next_per_s);
    }
    for change in own.iter().rev() {
        rates.insert(&change.target, change.from_per_s);
    }
    let mut changes = own.into_iter().peekable();
    let parts = range.map(|index| {
        let end = (index + 1) * series.width;
        while let Some(change) = changes.next_if(|change| change.at.as_second() < end) {
            rates.insert(&change.target, change.to_per_s);
        }
        let rate = |target: &String| rates.get(target.as_str()).copied().flatten();
        let sum = targets.iter().map(rate).sum::<Option<f64>>().filter(|_| !targets.is_empty());
        let (requests, throttled) = series.parts.get(&index).copied().unwrap_or_default();
        let at = Timestamp::from_second(index * series.width).map(time_text).unwrap_or_default();
        Part { at, requests, throttled, permitted_per_s: sum }
    });
    SessionTraffic { session, part_s: series.width.unsigned_abs(), parts: parts.collect() }
}

/// A change of what a target permits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Permitted {
    session: Option<u64>,
    at: Timestamp,
    target: String,
    from_per_s: Option<f64>,
    to_per_s: Option<f64>,
    /// What the next session starts from.
    next_per_s: Option<f64>,
}

/// The changes of the permitted rates, in order.
pub(super) async fn permitted(reader: &Reader, run: &RunRecord) -> Result<Vec<Permitted>, JournalError> {
    let mut changes = Vec::new();
    for stored in reader.milestones_of(run.run_no, "rate_changed").await? {
        let Ok(entry) = Entry::parse(&stored.body) else { continue };
        let Event::RateChanged(changed) = entry.event else { continue };
        changes.push(Permitted {
            session: entry.session,
            at: entry.at,
            target: format!("{}/{}", changed.account, changed.region),
            from_per_s: changed.from_per_s.parse().ok(),
            to_per_s: changed.to_per_s.parse().ok(),
            next_per_s: changed.learned_per_s.as_ref().unwrap_or(&changed.to_per_s).parse().ok(),
        });
    }
    Ok(changes)
}

/// Counts all attempts of a run.
pub(super) async fn count(reader: &Reader, run: &RunRecord) -> Result<Counting, JournalError> {
    let mut counting = Counting::default();
    each(reader, COUNTED, &[run.run.to_string()], |cells| counting.add(&cells)).await?;
    Ok(counting)
}

/// An attempt as a row's story tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) row: u64,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
    pub(super) class: Option<String>,
    pub(super) status: Option<u64>,
    pub(super) request_id: Option<String>,
    pub(super) error: Option<String>,
}

impl Told {
    /// From a row of [`ATTEMPTS`].
    pub(super) fn new(cells: &[Cell]) -> Self {
        let time = |index: usize| cells.get(index).and_then(Cell::as_text).and_then(parse_time);
        let error: Vec<_> = [text(cells, 7), text(cells, 8)].into_iter().flatten().collect();
        Self {
            row: number(cells, 0),
            started: time(2),
            finished: time(3),
            class: text(cells, 4),
            status: Some(number(cells, 5)).filter(|status| *status > 0),
            request_id: text(cells, 6),
            error: (!error.is_empty()).then(|| error.join(": ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(second: i64, ms: i64, class: &str) -> Vec<Cell> {
        let at = |us: i64| Cell::Text(time_text(Timestamp::from_microsecond(us).unwrap()));
        let start = second * 1_000_000;
        vec![Cell::Integer(1), Cell::Integer(7), at(start), at(start + ms * 1_000), Cell::Text(class.into())]
    }

    #[test]
    fn a_long_session_has_few_parts_and_no_request_is_lost_in_whatever_order_they_come() {
        let all: Vec<_> = (0..5_000).map(|n| attempt(1_800_000_000 + n * 7, n % 40, "succeeded")).collect();
        let count = |attempts: &mut dyn Iterator<Item = &Vec<Cell>>| {
            let mut counting = Counting::default();
            attempts.for_each(|cells| counting.add(cells));
            counting.end(&[], &[])
        };
        let traffic = count(&mut all.iter());
        assert_eq!(traffic, count(&mut all.iter().rev()));
        let session = &traffic.sessions[0];
        assert!(session.parts.len() as u64 <= MOST_PARTS && session.parts.len() as u64 > MOST_PARTS / 3);
        assert_eq!(session.parts.iter().map(|part| part.requests).sum::<u64>(), 5_000);
        assert_eq!(traffic.latency.iter().map(|part| part.requests).sum::<u64>(), 5_000);
        assert_eq!(traffic.latency[0].requests, 375, "0, 1 and 2 ms of each 40");
    }

    fn change(session: u64, second: i64, target: &str, (from, to): (f64, Option<f64>)) -> Permitted {
        Permitted {
            session: Some(session),
            at: Timestamp::from_second(second).unwrap(),
            target: target.into(),
            from_per_s: Some(from),
            to_per_s: to,
            next_per_s: to,
        }
    }

    fn permitted_in(session: usize, changes: &[Permitted], targets: &[&str]) -> Vec<Option<f64>> {
        let mut counting = Counting::default();
        (0..4).for_each(|second| counting.add(&attempt(second, 1, "throttled")));
        let later = |second| {
            [&attempt(second, 1, "throttled")[..1], &[Cell::Integer(9)], &attempt(second, 1, "x")[2..]].concat()
        };
        (10..12).for_each(|second| counting.add(&later(second)));
        let targets: Vec<_> = targets.iter().map(|target| (*target).to_owned()).collect();
        let traffic = counting.end(changes, &targets);
        assert_eq!(traffic.classes["throttled"], 4);
        traffic.sessions[session].parts.iter().map(|part| part.permitted_per_s).collect()
    }

    #[test]
    fn what_was_permitted_is_the_sum_over_targets_from_each_change_on() {
        let changes =
            [change(7, 1, "a", (1.0, Some(2.0))), change(7, 2, "b", (0.5, Some(3.0))), change(7, 3, "a", (2.0, None))];
        let permitted = permitted_in(0, &changes, &["a", "b"]);
        assert_eq!(permitted, [Some(1.5), Some(2.5), Some(5.0), None], "as each began, one, both, unlimited");
        assert_eq!(permitted_in(0, &changes, &["a", "b", "c"]), [None; 4], "of one nothing is known");
    }

    #[test]
    fn a_later_session_began_with_what_an_earlier_one_had_learned() {
        let changes = [
            change(7, 1, "a", (1.0, Some(2.0))),
            change(7, 2, "b", (1.0, Some(3.0))),
            change(9, 11, "b", (4.0, Some(5.0))),
        ];
        assert_eq!(permitted_in(1, &changes, &["a", "b"]), [Some(6.0), Some(7.0)]);
    }
}
