//! The truth table of [`decide`]: each row of `docs/RECOVERY.md` by its name, and then every state there is.

use std::time::Duration;

use super::*;
use crate::domain::{AttemptTime, Identity};
use crate::execute::attempt::{Answer, Look, Poll, Tries, Window};

const DOC: &str = include_str!("../../docs/RECOVERY.md");

fn settings() -> Settings {
    Settings { max_attempts: 3, ..Settings::default() }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn ago(duration: Duration) -> Timestamp {
    now().saturating_sub(duration).unwrap()
}

/// Long enough ago for every budget, short enough for none.
const LONG: Duration = Duration::from_secs(24 * 3600);
const SHORT: Duration = Duration::from_secs(1);

fn situation() -> Situation {
    Situation { now: now(), denial: Denial::Unknown, answered_at: Some(now()), read_at: Some(now()) }
}

/// A row to delete, seen a moment ago, never asked for.
fn unasked() -> RowState {
    RowState {
        verdict: Verdict::Delete,
        identity: Identity { arn: Some("arn".into()), ..Identity::default() },
        confirmed_at: Some(ago(SHORT)),
        attempts: 0,
        spent: 0,
        windows: Vec::new(),
        acted: false,
        signed_at: None,
        not_before: None,
        unread: false,
        refusals: 0,
        unsent: 0,
        refused_for_all: 0,
        refused_since: None,
        last: None,
        look: None,
        rereads: 0,
        tries: Tries::default(),
        search: None,
        searches: Tries::default(),
        poll: None,
        polls: Tries::default(),
        polled: Vec::new(),
        delete_seen: false,
        lost: false,
        lost_at: None,
        lost_before: false,
        settled: None,
        intent_seq: 1,
    }
}

/// A row whose first attempt was answered so; `None`: it is open. The attempt is dead by now.
fn asked(class: Option<Class>) -> RowState {
    let refused = class.is_some_and(Class::is_refusal_before_execution);
    let window = |to| vec![Window { from: ago(LONG), to, dead_at: None }];
    RowState {
        // What is refused for good had no effect, and leaves no window either.
        windows: match class {
            None | Some(Class::Unanswered) => window(None),
            Some(Class::Throttled | Class::Pending) => window(Some(ago(LONG))),
            _ => Vec::new(),
        },
        acted: class.is_some_and(acts),
        attempts: 1,
        spent: u32::from(!refused),
        unread: !refused,
        refusals: u32::from(refused),
        refused_since: refused.then(|| ago(SHORT)),
        last: Some(Attempt { number: 1, started_at: ago(LONG), started_seq: 2, time: None, answer: class.map(answer) }),
        polls: Tries { since: (class == Some(Class::Pending)).then(|| ago(SHORT)), count: 0 },
        ..unasked()
    }
}

/// Whether an attempt that was answered so may have taken effect.
fn acts(class: Class) -> bool {
    matches!(class, Class::Succeeded | Class::Pending | Class::OperationFailed | Class::Unanswered)
}

fn answer(class: Class) -> Answer {
    Answer {
        class,
        at: ago(Duration::from_secs(10)),
        seq: 3,
        operation_id: None,
        summary: None,
        earlier_session: false,
    }
}

fn look(found: Found) -> Option<Look> {
    Some(Look { found, at: ago(SHORT), seq: 4, operation_id: None, summary: None, unconnected: false })
}

fn poll(class: Class, from_history: bool) -> Option<Poll> {
    Some(Poll { class, from_history, seq: 4, summary: None })
}

impl RowState {
    fn seen(self, found: Found) -> Self {
        let unread = self.unread && found != Found::Same;
        let since = (found == Found::NoAnswer).then(|| ago(SHORT));
        Self { look: look(found), unread, tries: Tries { since, count: u32::from(since.is_some()) }, ..self }
    }

    fn searched(self, found: Found) -> Self {
        let since = (found == Found::NoAnswer).then(|| ago(SHORT));
        let searches = Tries { since, count: u32::from(since.is_some()) };
        let polls = Tries { since: (found == Found::Unfinished).then(|| ago(SHORT)), count: 0 };
        let delete_seen = self.delete_seen || found == Found::Operation;
        Self { search: look(found), searches, polls, delete_seen, ..self }
    }

    /// What was seen speaks against what was found.
    fn once(self) -> Self {
        Self { tries: Tries { since: Some(ago(SHORT)), count: 1 }, ..self }
    }

    /// What was seen, was seen after the search.
    fn since(mut self) -> Self {
        self.look.as_mut().unwrap().seq += 1;
        self
    }

    fn polled(self, class: Class) -> Self {
        let delete_seen = self.delete_seen || class == Class::Succeeded;
        Self { poll: poll(class, self.is_unfinished()), delete_seen, ..self }
    }

    /// The same of an operation that the history named, and that search is over with it.
    fn polled_to_its_end(self, class: Class) -> Self {
        let delete_seen = self.delete_seen || class == Class::Succeeded;
        Self { poll: poll(class, true), delete_seen, ..self }
    }

    fn too_long(self) -> Self {
        Self { polls: Tries { since: Some(ago(LONG)), count: 9 }, ..self }
    }

    fn in_vain(self) -> Self {
        let in_vain = Tries { since: Some(ago(LONG)), count: 9 };
        Self { tries: in_vain, searches: in_vain, ..self }
    }

    /// What gave no answer could not be connected to.
    fn unconnected(mut self) -> Self {
        for look in [&mut self.look, &mut self.search].into_iter().flatten() {
            look.unconnected = look.found == Found::NoAnswer;
        }
        self
    }

    /// An earlier attempt was never answered.
    fn after_a_loss(self) -> Self {
        let lost = Window { from: ago(LONG), to: None, dead_at: None };
        Self { attempts: 2, windows: vec![lost], acted: true, ..self }
    }

    /// Nothing at all came back for the last attempt, and its signature is accepted still, for so long after now.
    fn haunted(self, for_another: Duration) -> Self {
        let life = settings().signature_life;
        let signed_at = now().saturating_add(for_another).unwrap().saturating_sub(life).unwrap();
        Self { signed_at: Some(signed_at), ..self }
    }

    /// Another run sent one for this key pair.
    fn haunted_by_another_run(self, for_another: Duration) -> Self {
        Self { not_before: Some(now().saturating_add(for_another).unwrap()), ..self }
    }

    /// The history was searched just now.
    fn searched_now(mut self) -> Self {
        self.search.as_mut().unwrap().at = now();
        Self { look: None, ..self }
    }

    /// The key pair was read just now.
    fn read_now(self) -> Self {
        Self { confirmed_at: Some(now()), look: look(Found::Same), ..self }
    }

    /// Entries were lost a while ago, and what came behind the last answer with them.
    fn cut_short(self) -> Self {
        Self { lost: true, lost_at: Some(ago(LONG)), ..self }
    }

    fn used_up(self) -> Self {
        Self { attempts: 3, spent: 3, ..self }
    }

    /// Another attempt was answered so, which had no effect itself.
    fn answered(self, class: Class) -> Self {
        Self { last: asked(Some(class)).last, attempts: 2, ..self }
    }

    fn stale(self) -> Self {
        Self { confirmed_at: Some(ago(LONG)), ..self }
    }

    fn refused_for_ten_minutes(self) -> Self {
        Self { refused_since: Some(ago(LONG)), ..self }
    }

    fn just_started(mut self) -> Self {
        self.last.as_mut().unwrap().started_at = ago(SHORT);
        self
    }

    fn of_an_earlier_session(mut self) -> Self {
        self.last.as_mut().unwrap().answer.as_mut().unwrap().earlier_session = true;
        self
    }
}

/// The rows of `docs/RECOVERY.md`, in its order: name, state, situation, step.
#[rustfmt::skip]
fn table() -> Vec<(&'static str, RowState, Situation, &'static str)> {
    use Class::*;
    let plain = situation();
    let denial = |denial| Situation { denial, ..situation() };
    let refuses = Situation { answered_at: None, read_at: None, ..situation() };
    let failed = || asked(Some(OperationFailed));
    let pending = || asked(Some(Pending));
    let lost = || asked(Some(Unanswered));
    // Most rows of the table follow from several answers; this is one of them.
    let nothing_there = || asked(Some(NotFound)).after_a_loss();
    let over = Duration::ZERO;
    let same = || lost().searched(Found::NoOperation).seen(Found::Same);
    vec![
        ("settled", RowState { settled: Some((Outcome::Gone, Evidence::Readback)), ..lost() }, plain, "nothing"),
        ("plan-skips", RowState { verdict: Verdict::Skip, ..unasked() }, plain, "skipped/note"),
        ("plan-saw-nothing", RowState { verdict: Verdict::Absent, confirmed_at: None, ..unasked() }, plain, "absent/inventory"),
        ("unasked", unasked(), plain, "send"),
        ("unasked-old", unasked().stale(), plain, "read"),
        ("unasked-same", unasked().seen(Found::Same), plain, "send"),
        ("unasked-other", unasked().seen(Found::Other), plain, "skipped/note"),
        ("unasked-not-found", unasked().seen(Found::NotFound), plain, "absent/inventory"),
        ("unasked-no-answer", unasked().stale().seen(Found::NoAnswer), plain, "read"),
        ("unasked-no-answer-too-long", unasked().stale().seen(Found::NoAnswer).in_vain(), plain, "skipped/note"),
        ("unasked-no-answer-anywhere", unasked().stale().seen(Found::NoAnswer).in_vain(), refuses, "stop/nothing_readable"),
        ("unasked-denied", unasked().stale().seen(Found::Denied), refuses, "stop/cannot_read"),
        ("unasked-denied-this-one", unasked().stale().seen(Found::Denied), plain, "skipped/note"),
        ("unasked-refused-for-all", unasked().stale().seen(Found::RefusedForAll), plain, "stop/refused_for_all"),
        ("unasked-other-run", unasked().haunted_by_another_run(SHORT), plain, "wait out"),
        ("unasked-other-run-over", unasked().haunted_by_another_run(over), plain, "read"),
        ("unasked-other-run-over-same", unasked().haunted_by_another_run(over).seen(Found::Same).read_now(), plain, "send"),

        ("succeeded", asked(Some(Succeeded)), plain, "deleted/answer"),
        ("refused", asked(Some(Refused)), plain, "failed/answer"),
        ("refused-after-a-loss", asked(Some(Refused)).after_a_loss(), plain, "read"),
        ("refused-after-a-loss-same", asked(Some(Refused)).after_a_loss().seen(Found::Same), plain, "failed/answer"),
        ("refused-after-a-loss-gone", asked(Some(Refused)).after_a_loss().seen(Found::NotFound), plain, "search"),
        ("not-found", asked(Some(NotFound)), plain, "read"),
        ("not-found-gone", asked(Some(NotFound)).seen(Found::NotFound), plain, "absent/answer"),
        ("not-found-other", asked(Some(NotFound)).seen(Found::Other), plain, "skipped/note"),
        ("not-found-same", asked(Some(NotFound)).seen(Found::Same), plain, "send"),
        ("not-found-after-throttling-gone", asked(Some(Throttled)).answered(NotFound).seen(Found::NotFound), plain, "search"),
        ("not-found-after-throttling-no-operation", asked(Some(Throttled)).answered(NotFound).seen(Found::NotFound).searched(Found::NoOperation), plain, "absent/answer"),
        ("not-found-after-a-loss-gone", asked(Some(NotFound)).after_a_loss().seen(Found::NotFound), plain, "search"),
        ("throttled", asked(Some(Throttled)), plain, "send"),
        ("throttled-old", asked(Some(Throttled)).stale(), plain, "read"),
        ("throttled-gone", asked(Some(Throttled)).seen(Found::NotFound), plain, "search"),
        ("throttled-gone-operation", asked(Some(Throttled)).seen(Found::NotFound).searched(Found::Operation), plain, "deleted/operation"),
        ("throttled-gone-no-operation", asked(Some(Throttled)).seen(Found::NotFound).searched(Found::NoOperation), plain, "absent/inventory"),
        ("throttled-other-no-operation", asked(Some(Throttled)).seen(Found::Other).searched(Found::NoOperation), plain, "skipped/note"),
        ("throttled-ten-minutes-alone", asked(Some(Throttled)).refused_for_ten_minutes(), plain, "failed/answer"),
        ("throttled-ten-minutes-gone", asked(Some(Throttled)).refused_for_ten_minutes().seen(Found::NotFound), plain, "search"),
        ("throttled-ten-minutes-delete-seen", RowState { delete_seen: true, ..asked(Some(Throttled)).refused_for_ten_minutes() }.seen(Found::Same).in_vain(), plain, "in_doubt/tried"),
        ("throttled-ten-minutes-all", asked(Some(Throttled)).refused_for_ten_minutes(), refuses, "stop/throttled_for_long"),
        ("setup-in-progress", asked(Some(SetupInProgress)), plain, "send"),
        ("setup-in-progress-ten-minutes-alone", asked(Some(SetupInProgress)).refused_for_ten_minutes(), plain, "failed/answer"),
        ("setup-in-progress-ten-minutes-all", asked(Some(SetupInProgress)).refused_for_ten_minutes(), refuses, "stop/throttled_for_long"),
        ("not-sent", asked(Some(NotSent)), plain, "send"),
        ("not-sent-gone", asked(Some(NotSent)).seen(Found::NotFound), plain, "absent/inventory"),
        ("not-sent-other", asked(Some(NotSent)).seen(Found::Other), plain, "skipped/note"),
        ("not-sent-too-often", RowState { unsent: 3, ..asked(Some(NotSent)) }, plain, "stop/endpoint_gone"),
        ("not-sent-ten-minutes", asked(Some(NotSent)).refused_for_ten_minutes(), plain, "stop/nothing_leaves"),
        ("denied-unclear", asked(Some(Denied)), denial(Denial::Unknown), "hold"),
        ("denied-this-one", asked(Some(Denied)), denial(Denial::ThisItem), "failed/answer"),
        ("denied-this-one-after-a-loss", asked(Some(Denied)).after_a_loss(), denial(Denial::ThisItem), "read"),
        ("denied-everything", asked(Some(Denied)), denial(Denial::Everything), "stop/all_denied"),
        ("denied-earlier-session", asked(Some(Denied)).of_an_earlier_session(), plain, "send"),
        ("denied-earlier-session-gone", asked(Some(Denied)).of_an_earlier_session().seen(Found::NotFound), plain, "absent/inventory"),
        ("denied-earlier-session-other", asked(Some(Denied)).of_an_earlier_session().seen(Found::Other), plain, "skipped/note"),
        ("refused-for-all-unclear", asked(Some(RefusedForAll)), denial(Denial::Unknown), "hold"),
        ("refused-for-all", asked(Some(RefusedForAll)), denial(Denial::Everything), "stop/refused_for_all"),
        ("refused-for-all-disproved", asked(Some(RefusedForAll)), denial(Denial::ThisItem), "send"),
        ("refused-for-all-this-one", RowState { refused_for_all: 2, ..asked(Some(RefusedForAll)) }, denial(Denial::ThisItem), "failed/answer"),
        ("refused-for-all-earlier-session", asked(Some(RefusedForAll)).of_an_earlier_session(), plain, "send"),
        ("pending", pending(), plain, "poll"),
        ("pending-still", pending().polled(Pending), plain, "poll"),
        ("pending-no-answer", pending().polled(Unanswered), plain, "poll"),
        ("pending-then-succeeded", pending().polled(Succeeded), plain, "deleted/operation"),
        ("pending-then-failed", pending().polled(OperationFailed), plain, "read"),
        ("pending-then-failed-same", pending().polled(OperationFailed).seen(Found::Same), plain, "send"),
        ("pending-then-failed-same-lost", pending().polled(OperationFailed).seen(Found::Same).cut_short(), plain, "search"),
        ("pending-then-failed-same-lost-searched", pending().polled(OperationFailed).searched(Found::NoOperation).seen(Found::Same).cut_short(), plain, "send"),
        ("pending-then-failed-used-up", pending().polled(OperationFailed).seen(Found::Same).used_up(), plain, "failed/operation"),
        ("pending-then-failed-other-succeeded", pending().polled_to_its_end(Succeeded), plain, "read"),
        ("pending-then-failed-other-succeeded-gone", pending().polled_to_its_end(Succeeded).seen(Found::NotFound), plain, "search"),
        ("pending-then-failed-other-succeeded-same", pending().polled_to_its_end(Succeeded).seen(Found::Same).once(), plain, "read"),
        ("pending-then-refused-for-all", pending().polled(RefusedForAll), plain, "stop/refused_for_all"),
        ("pending-too-long", pending().too_long(), plain, "read"),
        ("pending-too-long-same", pending().too_long().seen(Found::Same), plain, "in_doubt/tried"),
        ("pending-too-long-other", pending().too_long().seen(Found::Other), plain, "gone/readback"),
        ("pending-too-long-not-found", pending().too_long().seen(Found::NotFound), plain, "gone/readback"),
        ("operation-failed", failed(), plain, "read"),
        ("operation-failed-same", failed().seen(Found::Same), plain, "send"),
        ("operation-failed-gone", failed().seen(Found::NotFound), plain, "search"),
        ("operation-failed-used-up", failed().seen(Found::Same).used_up(), plain, "failed/operation"),
        ("open-alive", asked(None).just_started(), plain, "wait"),
        ("open-dead", asked(None), plain, "search"),
        ("unanswered-alive", lost().just_started(), plain, "wait"),
        ("unanswered-dead", lost(), plain, "search"),
        ("throttled-used-up", RowState { spent: 3, ..asked(Some(Throttled)) }, plain, "read"),
        ("throttled-used-up-same", RowState { spent: 3, ..asked(Some(Throttled)) }.seen(Found::Same), plain, "failed/readback"),

        ("history-nothing", lost().searched(Found::NoOperation), plain, "read"),
        ("history-denied", lost().searched(Found::Denied), plain, "read"),
        ("history-no-answer", lost().searched(Found::NoAnswer), plain, "search"),
        ("history-no-answer-too-long", lost().searched(Found::NoAnswer).in_vain(), plain, "read"),
        ("history-no-connection-too-long", lost().searched(Found::NoAnswer).unconnected().in_vain(), refuses, "read"),
        ("history-refused-for-all", lost().searched(Found::RefusedForAll), plain, "stop/refused_for_all"),
        ("history-operation", lost().searched(Found::Operation), plain, "read"),
        ("history-operation-same", lost().searched(Found::Operation).seen(Found::Same).once(), plain, "read"),
        ("history-operation-other", lost().searched(Found::Operation).seen(Found::Other), plain, "deleted/operation"),
        ("history-operation-same-too-long", lost().searched(Found::Operation).seen(Found::Same).in_vain(), plain, "in_doubt/tried"),
        ("unfinished", lost().searched(Found::Unfinished), plain, "poll"),
        ("unfinished-still", lost().searched(Found::Unfinished).polled(Pending), plain, "poll"),
        ("unfinished-no-answer", lost().searched(Found::Unfinished).polled(Unanswered), plain, "poll"),
        ("unfinished-then-succeeded", lost().polled_to_its_end(Succeeded), plain, "search"),
        ("unfinished-then-succeeded-same", lost().polled_to_its_end(Succeeded).searched(Found::NoOperation).seen(Found::Same).once(), plain, "read"),
        ("unfinished-then-succeeded-same-too-long", lost().polled_to_its_end(Succeeded).searched(Found::NoOperation).seen(Found::Same).in_vain(), plain, "in_doubt/tried"),
        ("unfinished-then-succeeded-and-another-failed", RowState { delete_seen: true, ..lost().polled_to_its_end(OperationFailed) }.searched(Found::NoOperation).seen(Found::Same).once(), plain, "read"),
        ("unfinished-then-failed", lost().polled_to_its_end(OperationFailed), plain, "search"),
        ("unfinished-then-refused-for-all", lost().searched(Found::Unfinished).polled(RefusedForAll), plain, "stop/refused_for_all"),
        ("unfinished-too-long", lost().searched(Found::Unfinished).too_long(), plain, "read"),
        ("unfinished-too-long-same", lost().searched(Found::Unfinished).too_long().seen(Found::Same), plain, "in_doubt/tried"),
        ("unfinished-too-long-other", lost().searched(Found::Unfinished).too_long().seen(Found::Other), plain, "gone/readback"),
        ("unfinished-too-long-not-found", lost().searched(Found::Unfinished).too_long().seen(Found::NotFound), plain, "gone/readback"),

        ("same", same(), plain, "send"),
        ("same-old", same().stale(), plain, "read"),
        ("same-used-up", same().used_up(), plain, "failed/readback"),
        ("same-ghost", same().haunted(SHORT), plain, "wait out"),
        ("same-ghost-over", same().haunted(over), plain, "search"),
        ("same-ghost-over-searched", same().haunted(over).searched_now(), plain, "read"),
        ("same-ghost-over-searched-same", same().haunted(over).searched_now().read_now(), plain, "send"),
        ("other", lost().searched(Found::NoOperation).seen(Found::Other), plain, "gone/readback"),
        ("other-since", lost().searched(Found::NoOperation).seen(Found::Other).since(), plain, "search"),
        ("gone", nothing_there().seen(Found::NotFound), plain, "search"),
        ("no-answer", nothing_there().seen(Found::NoAnswer), plain, "read"),
        ("no-answer-too-long", nothing_there().seen(Found::NoAnswer).in_vain(), plain, "in_doubt/tried"),
        ("no-connection-too-long", nothing_there().seen(Found::NoAnswer).unconnected().in_vain(), refuses, "stop/endpoint_gone"),
        ("no-connection-too-long-this-one", nothing_there().seen(Found::NoAnswer).unconnected().in_vain(), plain, "in_doubt/tried"),
        ("read-denied", nothing_there().seen(Found::Denied), refuses, "stop/cannot_read"),
        ("read-denied-this-one", nothing_there().seen(Found::Denied), plain, "in_doubt/tried"),
        ("read-refused-for-all", nothing_there().seen(Found::RefusedForAll), plain, "stop/refused_for_all"),
        ("gone-since", lost().searched(Found::NoOperation).seen(Found::NotFound).since(), plain, "search"),
        ("search-operation", lost().searched(Found::Operation).seen(Found::NotFound), plain, "deleted/operation"),
        ("search-nothing", lost().searched(Found::NoOperation).seen(Found::NotFound), plain, "gone/readback"),
        ("search-denied", lost().searched(Found::Denied).seen(Found::NotFound), plain, "gone/readback"),
        ("search-unfinished", nothing_there().searched(Found::Unfinished), plain, "poll"),
        ("search-no-answer", nothing_there().seen(Found::NotFound).searched(Found::NoAnswer), plain, "search"),
        ("search-no-answer-too-long", nothing_there().seen(Found::NotFound).searched(Found::NoAnswer).in_vain(), plain, "gone/readback"),
        ("search-no-connection-too-long", nothing_there().seen(Found::NotFound).searched(Found::NoAnswer).unconnected().in_vain(), refuses, "stop/endpoint_gone"),
        ("search-no-connection-too-long-this-one", nothing_there().seen(Found::NotFound).searched(Found::NoAnswer).unconnected().in_vain(), plain, "gone/readback"),
        ("search-refused-for-all", nothing_there().seen(Found::NotFound).searched(Found::RefusedForAll), plain, "stop/refused_for_all"),
    ]
}

/// A step as `docs/RECOVERY.md` writes it.
fn word(step: Step) -> String {
    match step {
        Step::Done => "nothing".into(),
        Step::Send { .. } => "send".into(),
        Step::Read { .. } => "read".into(),
        Step::Search { .. } => "search".into(),
        Step::Poll { .. } => "poll".into(),
        Step::WaitUntil(_) => "wait".into(),
        Step::WaitOut(_) => "wait out".into(),
        Step::Hold => "hold".into(),
        Step::Settle(outcome, evidence) => format!("{outcome}/{}", evidence.as_str()),
        Step::Stop(cause) => format!("stop/{}", cause.as_str()),
    }
}

/// The rows of the document's tables: the name in the first cell, the step in the last, both in backquotes.
fn documented() -> Vec<(String, String)> {
    let quoted = |cell: &str| cell.trim().strip_prefix('`')?.split_once('`').map(|(name, _)| name.to_owned());
    DOC.lines()
        .filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'))
        .filter_map(|line| Some((quoted(line.split('|').next()?)?, quoted(line.split('|').next_back()?)?)))
        .collect()
}

// SEMANTICS: P1
// SEMANTICS: P18
#[test]
fn each_row_of_the_table_yields_its_step() {
    for (name, row, situation, expected) in table() {
        assert_eq!(word(decide(&row, &settings(), &situation)), expected, "{name}: {row:#?}");
    }
}

// SEMANTICS: P1
#[test]
fn the_table_is_the_one_in_the_document() {
    let tested: Vec<_> = table().into_iter().map(|(name, .., step)| (name.to_owned(), step.to_owned())).collect();
    assert_eq!(documented(), tested);
}

// SEMANTICS: P17
#[test]
fn attempts_are_counted_over_all_sessions() {
    use crate::domain::{Exchange, Settings};
    use crate::record::event::{AttemptFinished, AttemptStarted, Event};
    let mut row = unasked();
    let settings = Settings { max_attempts: 2, ..settings() };
    let sessions = [Class::Throttled, Class::Unanswered, Class::NotSent, Class::Unanswered];
    for (class, attempt) in sessions.into_iter().zip(1..) {
        assert!(row.spent < settings.max_attempts, "attempt {attempt}");
        let started =
            AttemptStarted { attempt, key_pair_name: "kp".into(), region: "us-east-1".into(), timeout_ms: None };
        row.apply(1, now(), &Event::AttemptStarted(started));
        let (exchange, cause) = (Exchange::default(), None);
        let finished = AttemptFinished::of(attempt, class, cause, exchange);
        row.apply(2, now(), &Event::AttemptFinished(Box::new(finished)));
        row.reopen(now());
    }
    assert_eq!((row.attempts, row.spent), (4, 2));
    let row = row.searched(Found::NoOperation).seen(Found::Same);
    assert_eq!(word(decide(&row, &settings, &situation())), "failed/readback");
}

/// The attempt is dead at its time, not only after it; and its time counts from the answer where this session got one.
#[test]
fn an_attempt_is_dead_from_its_time_on() {
    // Where nothing but its start is known, its request may have left as late as that permits.
    let dead_after = settings().attempt_time().dead_after_start();
    assert_eq!(dead_after, settings().attempt_timeout + settings().attempt_time().grace() * 2);
    let hasty = Settings { attempt_timeout: Duration::from_secs(1), ..settings() };
    assert_eq!(hasty.attempt_time().dead_after_start(), Duration::from_millis(2_200), "a disk may take a second");
    let begun = |ago_by: Duration| {
        let mut row = asked(None);
        row.last.as_mut().unwrap().started_at = ago(ago_by);
        row
    };
    let instant = Duration::from_micros(1);
    assert_eq!(decide(&begun(dead_after), &settings(), &situation()), Step::Search { level: 0 });
    let alive = begun(dead_after - instant);
    assert_eq!(decide(&alive, &settings(), &situation()), Step::WaitUntil(now().saturating_add(instant).unwrap()));

    let answered = |ago_by: Duration, earlier_session: bool| {
        let mut row = asked(Some(Class::Unanswered));
        *row.last.as_mut().unwrap().answer.as_mut().unwrap() =
            Answer { at: ago(ago_by), earlier_session, ..answer(Class::Unanswered) };
        decide(&row, &settings(), &situation())
    };
    let grace = settings().attempt_time().grace();
    assert_eq!(answered(grace, false), Step::Search { level: 0 });
    assert_eq!(answered(grace - instant, false), Step::WaitUntil(now().saturating_add(instant).unwrap()));
    // The clock of an earlier session may have been another one.
    assert_eq!(answered(grace - instant, true), Step::Search { level: 0 });

    // An attempt has the time that its own session gave it, whatever this one gives to others.
    for (of_its_own, class) in [(Duration::from_secs(300), None), (Duration::from_secs(1), Some(Class::Unanswered))] {
        let time = AttemptTime { timeout: of_its_own };
        let mut row = asked(class);
        let last = row.last.as_mut().unwrap();
        (last.time, last.answer) =
            (Some(time), last.answer.take().map(|answer| Answer { earlier_session: true, ..answer }));
        let dead_after = if class.is_none() { time.dead_after_start() } else { time.dead_after() };
        last.started_at = ago(dead_after);
        assert_eq!(decide(&row, &settings(), &situation()), Step::Search { level: 0 });
        row.last.as_mut().unwrap().started_at = ago(dead_after - instant);
        assert_eq!(decide(&row, &settings(), &situation()), Step::WaitUntil(now().saturating_add(instant).unwrap()));
    }
}

/// Where a limit lies, to the instant and to the count. Cargo-mutants finds one more that cannot be told apart: `again`
/// with a look before any attempt, which is only ever the same key pair, leads to the same step either way.
#[test]
fn limits_lie_where_they_are_said_to() {
    let step = |row: &RowState, situation: &Situation| word(decide(row, &settings(), situation));
    let plain = situation();
    let tried = |since: Duration, count: u32| Tries { since: Some(ago(since)), count };

    let polled = |polls| RowState { polls, ..asked(Some(Class::Pending)) };
    let timeout = settings().operation_timeout;
    assert_eq!(step(&polled(tried(LONG, FEWEST_TRIES - 1)), &plain), "poll");
    assert_eq!(step(&polled(tried(LONG, 1)), &plain), "poll");
    assert_eq!(step(&polled(tried(SHORT, FEWEST_TRIES)), &plain), "poll");
    assert_eq!(step(&polled(tried(LONG, FEWEST_TRIES)), &plain), "read");
    assert_eq!(step(&polled(tried(timeout, FEWEST_TRIES)), &plain), "read");

    let unread = |tries| RowState { tries, ..asked(Some(Class::NotFound)).after_a_loss().seen(Found::NoAnswer) };
    let timeout = settings().settle_timeout;
    assert_eq!(step(&unread(tried(LONG, FEWEST_TRIES - 1)), &plain), "read");
    assert_eq!(step(&unread(tried(SHORT, FEWEST_TRIES)), &plain), "read");
    assert_eq!(step(&unread(tried(timeout, FEWEST_TRIES)), &plain), "in_doubt/tried");

    let budget = Duration::from_secs(u64::try_from(REFUSAL_BUDGET.as_secs()).unwrap());
    let refused = |since| RowState { refused_since: Some(ago(since)), ..asked(Some(Class::Throttled)) };
    assert_eq!(step(&refused(budget - SHORT), &plain), "send");
    assert_eq!(step(&refused(budget), &plain), "failed/answer");
    assert_eq!(step(&RowState { unread: true, ..refused(budget) }, &plain), "read");
    let answered = Situation { answered_at: Some(ago(budget)), ..situation() };
    assert_eq!(step(&refused(budget), &answered), "stop/throttled_for_long");
    let unsent = |since| RowState { refused_since: Some(ago(since)), ..asked(Some(Class::NotSent)) };
    assert_eq!(step(&unsent(budget - SHORT), &plain), "send");
    assert_eq!(step(&unsent(budget), &plain), "stop/nothing_leaves");

    let denied = asked(Some(Class::NotFound)).after_a_loss().seen(Found::Denied);
    let started = denied.last.as_ref().unwrap().started_at;
    let read = |read_at| Situation { read_at: Some(read_at), ..situation() };
    assert_eq!(step(&denied, &read(started)), "stop/cannot_read");
    assert_eq!(step(&denied, &read(started.saturating_add(SHORT).unwrap())), "in_doubt/tried");

    let cut_off = |read_ago: Duration| Situation { read_at: Some(ago(read_ago)), ..situation() };
    let tries = tried(LONG, FEWEST_TRIES);
    assert_eq!(step(&unread(tries).unconnected(), &cut_off(LONG)), "in_doubt/tried");
    assert_eq!(step(&unread(tries).unconnected(), &cut_off(LONG + SHORT)), "stop/endpoint_gone");
    assert_eq!(step(&unread(tries), &cut_off(LONG + SHORT)), "in_doubt/tried");
    assert_eq!(step(&unread(tried(SHORT, FEWEST_TRIES)).unconnected(), &cut_off(LONG + SHORT)), "read");
    let gone = asked(Some(Class::NotFound)).after_a_loss().seen(Found::NotFound).searched(Found::NoAnswer);
    let unsearched = RowState { searches: tries, ..gone };
    assert_eq!(step(&unsearched.clone().unconnected(), &cut_off(LONG)), "gone/readback");
    assert_eq!(step(&unsearched.clone().unconnected(), &cut_off(LONG + SHORT)), "stop/endpoint_gone");
    assert_eq!(step(&unsearched, &cut_off(LONG + SHORT)), "gone/readback");

    let confirmed = |at| RowState { confirmed_at: Some(at), ..unasked() };
    assert_eq!(step(&confirmed(now()), &plain), "send");
    assert_eq!(step(&confirmed(now().saturating_add(SHORT).unwrap()), &plain), "read");
    assert_eq!(step(&confirmed(ago(settings().max_observation_age)), &plain), "send");
    assert_eq!(step(&confirmed(ago(settings().max_observation_age + SHORT)), &plain), "read");
    let hasty = Settings { max_observation_age: SHORT, ..settings() };
    let reread = |rereads, age| {
        let row = RowState { rereads, ..confirmed(ago(age)).seen(Found::Same) };
        word(decide(&row, &hasty, &plain))
    };
    assert_eq!(reread(FEWEST_TRIES - 1, LATEST_REREAD), "read");
    assert_eq!(reread(FEWEST_TRIES, LATEST_REREAD), "send");
    assert_eq!(reread(FEWEST_TRIES, LATEST_REREAD + SHORT), "read");
}

#[path = "decide_rules.rs"]
mod rules;
