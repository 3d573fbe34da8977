//! Compares what an entry says that a search of operations found with the last page of the history.

use jiff::Timestamp;

use super::super::shape::{self, Str};
use super::answer::{Answer, class_of_operation, is_delete, means};
use super::body::{Body, BodyOperation};
use super::claimed::{Named, hash};
use super::page::{Created, HistoryPage, Listed, Progress};
use crate::domain::{Class, parse_time};
use crate::record::event::{Found, Observed};

/// A search found an operation exactly where it has one.
pub(super) fn searched(seen: &Observed, answer: &Answer<'_>) -> Result<Named, String> {
    if seen.observation.is_some() {
        return Err("a search of operations shows no key pair".into());
    }
    if !matches!(seen.found, Found::Operation | Found::Unfinished) {
        if answer.operation.is_some() {
            return Err("it has an operation, but says that none was found".into());
        }
        if answer.failed().is_none() {
            answer.is_success()?;
        }
        answer.is_not_unreadable(|body| body.operations.is_some())?;
        return answer.found_nothing(seen.found).map(|()| Named::Any);
    }
    let Some(operation) = &answer.operation else {
        return Err("it says that an operation was found, but shows none".into());
    };
    // The search for an operation that succeeded ends with the page that shows it. One that has not ended may have been
    // on an earlier page: then it is not in the body of the last page, and an error there does not contradict it.
    if HistoryPage::is_only(seen) || seen.found == Found::Operation {
        if answer.failed().is_some() {
            return Err("it says that an operation was found, but its answer is an error".into());
        }
        answer.shows("an operation", operation.id.as_ref(), |body| {
            body.operations.iter().flatten().flatten().any(|said| said.is(operation, answer.body.cut))
        })?;
    }
    let meant = class_of_operation(operation);
    // An operation that neither succeeded nor failed has not ended.
    if seen.found == Found::Unfinished && !matches!(meant, Class::Succeeded | Class::OperationFailed) {
        let name = operation.resource_name.as_ref().map(|name| hash(&name.0));
        return match (is_delete(operation) && operation.id.is_some(), name) {
            (false, _) => Err("its operation is not a delete with an id, so it cannot be polled".into()),
            (true, Some(name)) => Ok(Named::Is(name)),
            (true, None) => Ok(Named::Any),
        };
    }
    if seen.found == Found::Unfinished {
        return Err("its operation is over".into());
    }
    means(operation, Class::Succeeded)
}

impl HistoryPage {
    /// The page that came back for a search.
    pub(super) fn of(seen: &Observed, answer: &Answer<'_>) -> Self {
        let body = answer.said().filter(|_| answer.failed().is_none());
        let shown = answer.operation.as_ref();
        let list = |body: &Body<'_>| {
            let operations = body.operations.as_ref()?.iter().flatten();
            let listed = operations.filter_map(|said| {
                let is_shown = shown.is_some_and(|shown| said.is(shown, answer.body.cut));
                Some(Listed { is_shown, ..Listed::in_body(said)? })
            });
            Some(listed.collect())
        };
        Self {
            operations: body.as_ref().and_then(list),
            is_only: Self::is_only(seen),
            is_last: !body.as_ref().is_some_and(Body::goes_on),
            shown: shown.and_then(Listed::shown),
        }
    }
}

impl HistoryPage {
    /// Whether a search read no page but the one whose answer is kept. Of a page that was throttled for too long nothing says
    /// if one came before it.
    pub(super) fn is_only(seen: &Observed) -> bool {
        seen.requests == 1 || (!seen.failure.is_error() && seen.requests.saturating_sub(seen.throttled) == 1)
    }
}

impl Listed {
    fn shown(operation: &shape::Operation<'_>) -> Option<Self> {
        let created = operation.created_at.as_ref().and_then(|text| parse_time(&text.0));
        let created = created.map(|at| Created { at, whole: Some(at.subsec_nanosecond() == 0) });
        let class = class_of_operation(operation);
        Self::new(&operation.id, &operation.resource_name, &operation.operation_type, class, created)
    }

    fn in_body(said: &BodyOperation<'_>) -> Option<Self> {
        let operation = shape::Operation {
            is_terminal: said.is_terminal,
            status: said.status.clone(),
            ..shape::Operation::default()
        };
        let (class, created) = (class_of_operation(&operation), said.created_at.and_then(Created::in_seconds));
        Self::new(&said.id, &said.resource_name, &said.operation_type, class, created)
    }

    fn new(
        id: &Option<Str<'_>>,
        name: &Option<Str<'_>>,
        kind: &Option<Str<'_>>,
        class: Class,
        created: Option<Created>,
    ) -> Option<Self> {
        let of = |text: &Option<Str<'_>>| text.as_ref().map(|text| hash(&text.0));
        let is_delete = kind.as_ref().is_some_and(|kind| kind.0 == "DeleteKeyPair");
        let state = match class {
            Class::Succeeded => Progress::Succeeded,
            Class::OperationFailed => Progress::Failed,
            _ => Progress::Open,
        };
        let may_be = is_delete || kind.is_none();
        may_be.then(|| Self { id: of(id), name: of(name), is_delete, state, created, is_shown: false })
    }
}

impl Created {
    /// A time in seconds, whose last digits may be read in two ways.
    fn in_seconds(seconds: f64) -> Option<Self> {
        let millis = (seconds * 1_000.0).round();
        #[expect(clippy::cast_possible_truncation, reason = "what is too large becomes no time")]
        let at = Timestamp::from_millisecond(millis as i64).ok()?;
        let from_whole = (seconds - seconds.round()).abs();
        let whole = if from_whole == 0.0 { Some(true) } else { (from_whole > 0.001).then_some(false) };
        Some(Self { at, whole })
    }
}
