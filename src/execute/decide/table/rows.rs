//! The states of rows that tests ask about, in the words of the table: a row that was asked for, answered so, read since.

use super::*;

pub(super) fn settings() -> Settings {
    Settings { max_attempts: 3, ..Settings::default() }
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(super) fn ago(duration: Duration) -> Timestamp {
    now().saturating_sub(duration).unwrap()
}

/// Long enough ago for every budget, short enough for none.
pub(super) const LONG: Duration = Duration::from_secs(24 * 3600);
pub(super) const SHORT: Duration = Duration::from_secs(1);

pub(super) fn situation() -> Situation {
    Situation { now: now(), denial: Denial::Unknown, answered_at: Some(now()), read_at: Some(now()) }
}

/// A row to delete, seen a moment ago, never asked for.
pub(super) fn unasked() -> RowState {
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
        left_open: None,
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
        time: None,
        intent_seq: 1,
    }
}

/// A row whose first attempt was answered so; `None`: it is open. The attempt is dead by now.
pub(super) fn asked(class: Option<Class>) -> RowState {
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
pub(super) fn acts(class: Class) -> bool {
    matches!(class, Class::Succeeded | Class::Pending | Class::OperationFailed | Class::Unanswered)
}

pub(super) fn answer(class: Class) -> Answer {
    Answer {
        class,
        at: ago(Duration::from_secs(10)),
        seq: 3,
        operation_id: None,
        summary: None,
        earlier_session: false,
    }
}

pub(super) fn a_look(found: Found) -> Option<Look> {
    Some(Look { found, at: ago(SHORT), seq: 4, operation_id: None, summary: None, unconnected: false })
}

pub(super) fn a_poll(class: Class, from_history: bool) -> Option<Poll> {
    Some(Poll { class, from_history, seq: 4, summary: None })
}

impl RowState {
    pub(super) fn seen(self, found: Found) -> Self {
        let unread = self.unread && found != Found::Same;
        let since = (found == Found::NoAnswer).then(|| ago(SHORT));
        Self { look: a_look(found), unread, tries: Tries { since, count: u32::from(since.is_some()) }, ..self }
    }

    pub(super) fn searched(self, found: Found) -> Self {
        let since = (found == Found::NoAnswer).then(|| ago(SHORT));
        let searches = Tries { since, count: u32::from(since.is_some()) };
        let polls = Tries { since: (found == Found::Unfinished).then(|| ago(SHORT)), count: 0 };
        let delete_seen = self.delete_seen || found == Found::Operation;
        Self { search: a_look(found), searches, polls, delete_seen, ..self }
    }

    /// What was seen speaks against what was found.
    pub(super) fn once(self) -> Self {
        Self { tries: Tries { since: Some(ago(SHORT)), count: 1 }, ..self }
    }

    /// What was seen, was seen after the search.
    pub(super) fn since(mut self) -> Self {
        self.look.as_mut().unwrap().seq += 1;
        self
    }

    pub(super) fn polled(self, class: Class) -> Self {
        let delete_seen = self.delete_seen || class == Class::Succeeded;
        Self { poll: a_poll(class, self.is_unfinished()), delete_seen, ..self }
    }

    /// The same of an operation that the history named, and that search is over with it.
    pub(super) fn polled_to_its_end(self, class: Class) -> Self {
        let delete_seen = self.delete_seen || class == Class::Succeeded;
        Self { poll: a_poll(class, true), delete_seen, ..self }
    }

    pub(super) fn too_long(self) -> Self {
        Self { polls: Tries { since: Some(ago(LONG)), count: 9 }, ..self }
    }

    pub(super) fn in_vain(self) -> Self {
        let in_vain = Tries { since: Some(ago(LONG)), count: 9 };
        Self { tries: in_vain, searches: in_vain, ..self }
    }

    /// What gave no answer could not be connected to.
    pub(super) fn unconnected(mut self) -> Self {
        for look in [&mut self.look, &mut self.search].into_iter().flatten() {
            look.unconnected = look.found == Found::NoAnswer;
        }
        self
    }

    /// An earlier attempt was never answered.
    pub(super) fn after_a_loss(self) -> Self {
        let lost = Window { from: ago(LONG), to: None, dead_at: None };
        Self { attempts: 2, windows: vec![lost], acted: true, ..self }
    }

    /// Nothing at all came back for the last attempt, and its signature is accepted still, for so long after now.
    pub(super) fn haunted(self, for_another: Duration) -> Self {
        let life = settings().signature_life;
        let signed_at = now().saturating_add(for_another).unwrap().saturating_sub(life).unwrap();
        Self { signed_at: Some(signed_at), ..self }
    }

    /// Another run sent one for this key pair.
    pub(super) fn haunted_by_another_run(self, for_another: Duration) -> Self {
        Self { not_before: Some(now().saturating_add(for_another).unwrap()), ..self.after_another_run() }
    }

    /// Another run asked for this key pair, and nothing shows how that ended.
    pub(super) fn after_another_run(self) -> Self {
        Self { left_open: Some(LeftOpen::Request), ..self }
    }

    /// Another run began an operation, which had not ended.
    pub(super) fn after_an_operation_of_another_run(self) -> Self {
        let polls = Tries { since: Some(ago(SHORT)), count: 0 };
        Self { left_open: Some(LeftOpen::Operation("op".into())), polls, unread: true, ..self }
    }

    /// It has ended since.
    pub(super) fn which_ended(self, class: Class) -> Self {
        let ended = self.polled_to_its_end(class);
        Self { left_open: None, ..ended }
    }

    /// The history was searched just now.
    pub(super) fn searched_now(mut self) -> Self {
        self.search.as_mut().unwrap().at = now();
        Self { look: None, ..self }
    }

    /// The key pair was read just now.
    pub(super) fn read_now(self) -> Self {
        Self { confirmed_at: Some(now()), look: a_look(Found::Same), unread: false, ..self }
    }

    /// Entries were lost a while ago, and what came behind the last answer with them.
    pub(super) fn cut_short(self) -> Self {
        Self { lost: true, lost_at: Some(ago(LONG)), ..self }
    }

    pub(super) fn used_up(self) -> Self {
        Self { attempts: 3, spent: 3, ..self }
    }

    /// Another attempt was answered so, which had no effect itself.
    pub(super) fn answered(self, class: Class) -> Self {
        Self { last: asked(Some(class)).last, attempts: 2, ..self }
    }

    pub(super) fn stale(self) -> Self {
        Self { confirmed_at: Some(ago(LONG)), ..self }
    }

    pub(super) fn refused_for_ten_minutes(self) -> Self {
        Self { refused_since: Some(ago(LONG)), ..self }
    }

    pub(super) fn just_started(mut self) -> Self {
        self.last.as_mut().unwrap().started_at = ago(SHORT);
        self
    }

    pub(super) fn of_an_earlier_session(mut self) -> Self {
        self.last.as_mut().unwrap().answer.as_mut().unwrap().earlier_session = true;
        self
    }
}
