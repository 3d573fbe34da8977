//! Compares what an entry says that an answer means with the answer itself.

use std::borrow::Cow;

use serde::Deserialize;

use super::super::shape::{self, Str};
use super::claimed::{Claimed, Identity, Named, hash};
use super::names::{bare, bare_names, class_by};
use crate::domain::{self, Cause, Class, Exchange, RAW_BODY_LIMIT_BYTES, RawBody, SANDBOX_HEADER, parse_time};
use crate::record::event::{Found, Observed, OperationPolled, Source};

/// An answer, as far as it is looked at.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: Option<u16>,
    pub(crate) headers: shape::Named<'a>,
    /// As it was parsed, where it is not in the body.
    pub(crate) operation: Option<shape::Operation<'a>>,
    /// When the operation in the body was created, and when its status changed, where that is another time.
    pub(crate) created_at: Option<Str<'a>>,
    pub(crate) changed_at: Option<Str<'a>>,
    pub(crate) error: Option<shape::ApiError<'a>>,
    pub(crate) body: &'a RawBody,
}

/// What a body says, where it can be read: the fields that are compared.
#[derive(Debug, Default, Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    operation: Option<BodyOperation<'a>>,
    #[serde(borrow, default)]
    operations: Option<Vec<Option<BodyOperation<'a>>>>,
    #[serde(borrow, default, rename = "nextPageToken")]
    next: Option<Str<'a>>,
    #[serde(borrow, default, rename = "keyPair")]
    key_pair: Option<BodyKeyPair<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BodyOperation<'a> {
    #[serde(borrow, default)]
    id: Option<Str<'a>>,
    #[serde(borrow, default)]
    resource_name: Option<Str<'a>>,
    #[serde(borrow, default)]
    resource_type: Option<Str<'a>>,
    #[serde(default)]
    created_at: Option<f64>,
    #[serde(borrow, default)]
    location: Option<BodyLocation<'a>>,
    #[serde(default)]
    is_terminal: Option<bool>,
    #[serde(borrow, default)]
    operation_details: Option<Str<'a>>,
    #[serde(borrow, default)]
    operation_type: Option<Str<'a>>,
    #[serde(borrow, default)]
    status: Option<Str<'a>>,
    #[serde(default)]
    status_changed_at: Option<f64>,
    #[serde(borrow, default)]
    error_code: Option<Str<'a>>,
    #[serde(borrow, default)]
    error_details: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BodyLocation<'a> {
    #[serde(borrow, default)]
    availability_zone: Option<Str<'a>>,
    #[serde(borrow, default)]
    region_name: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
struct BodyKeyPair<'a> {
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    arn: Option<Str<'a>>,
    #[serde(borrow, default)]
    fingerprint: Option<Str<'a>>,
}

impl<'a> BodyOperation<'a> {
    /// Whether it is the same operation; secrets may have been `cut` out of the service's words.
    fn is(&self, operation: &shape::Operation<'_>, cut: bool) -> bool {
        let location = self.location.as_ref();
        let zone: Option<&Str<'a>> = location.and_then(|location| location.availability_zone.as_ref());
        let region: Option<&Str<'a>> = location.and_then(|location| location.region_name.as_ref());
        self.id == operation.id
            && self.resource_name == operation.resource_name
            && self.resource_type == operation.resource_type
            && is_moment(self.created_at, operation.created_at.as_ref())
            && zone == operation.availability_zone.as_ref()
            && region == operation.region_name.as_ref()
            && self.is_terminal == operation.is_terminal
            && is_told(&self.operation_details, &operation.operation_details, cut)
            && self.operation_type == operation.operation_type
            && self.status == operation.status
            && is_moment(self.status_changed_at, operation.status_changed_at.as_ref())
            && self.error_code == operation.error_code
            && is_told(&self.error_details, &operation.error_details, cut)
    }
}

/// Whether words of the service are those that its body has. Of a body that secrets were `cut` out of, nothing says what stood
/// there.
fn is_told(said: &Option<Str<'_>>, told: &Option<Str<'_>>, cut: bool) -> bool {
    said == told || (cut && said.is_some() && told.is_some())
}

/// Whether a time in seconds, as a service writes it, is the one of the text, which has milliseconds.
fn is_moment(seconds: Option<f64>, text: Option<&Str<'_>>) -> bool {
    match (seconds, text.map(|text| parse_time(&text.0))) {
        (None, None) => true,
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of any year that can be written are exact")]
        (Some(seconds), Some(Some(at))) => (at.as_millisecond() as f64 - seconds * 1_000.0).abs() <= 1.0,
        // A time that no text can express.
        (Some(seconds), None) => seconds.abs() >= 2e11,
        _ => false,
    }
}

impl<'a> Answer<'a> {
    pub(super) fn whole(
        exchange: &'a Exchange,
        (operation, created_at, changed_at): (Option<&'a domain::Operation>, Option<&'a str>, Option<&'a str>),
        error: Option<&'a domain::ApiError>,
    ) -> Self {
        let text = |text: Option<&'a str>| text.map(|text| Str(Cow::Borrowed(text)));
        Self {
            status: exchange.http_status,
            headers: shape::Named::from(&exchange.headers),
            operation: operation.map(shape::Operation::from),
            created_at: text(created_at),
            changed_at: text(changed_at),
            error: error.map(shape::ApiError::from),
            body: &exchange.raw_body,
        }
    }

    fn is_from_sandbox(&self) -> bool {
        self.headers.get(SANDBOX_HEADER).is_some()
    }

    fn has_status(&self, from: u16, to: u16) -> bool {
        self.status.is_some_and(|status| (from..to).contains(&status))
    }

    /// The body as text, where all of it was kept so.
    fn text(&self) -> Option<&'a str> {
        self.body.whole_text()
    }

    /// A success was read from a body that says the same, by `says`. Where this reads the body otherwise than the SDK did, it
    /// must at least have `id` in it. Of a body that was not kept whole nothing can be said.
    fn shows(&self, what: &str, id: Option<&Str<'_>>, says: impl Fn(&Body<'_>) -> bool) -> Result<(), String> {
        if !self.has_status(200, 300) {
            return Err(format!("its status is not that of a success, but it has {what}"));
        }
        if !self.body.is_there() {
            return Err(format!("it has {what}, but no body that shows it"));
        }
        let Some(text) = self.text() else { return Ok(()) };
        let holds = match serde_json::from_str::<Body<'_>>(text) {
            Ok(body) => says(&body),
            Err(_) => id.is_some_and(|id| text.contains(&*id.0)),
        };
        if holds { Ok(()) } else { Err(format!("its body does not say what {what} in it says")) }
    }

    /// The operation of a success that is in the body alone.
    fn in_body(&self) -> Result<Option<shape::Operation<'a>>, String> {
        let json = self.body.json.as_deref().filter(|_| self.operation.is_none() && self.error.is_none());
        let said = json.and_then(|json| serde_json::from_str::<Body<'a>>(json).ok()).and_then(|body| body.operation);
        let Some(said) = said else {
            let timed = self.created_at.is_some() || self.changed_at.is_some();
            return if timed { Err("it has times of an operation that is not in its body".into()) } else { Ok(None) };
        };
        let changed_at =
            self.changed_at.as_ref().or(self.created_at.as_ref().filter(|_| said.status_changed_at.is_some()));
        if !is_moment(said.created_at, self.created_at.as_ref()) || !is_moment(said.status_changed_at, changed_at) {
            return Err("the times of its operation are not those in its body".into());
        }
        if !self.has_status(200, 300) {
            return Err("its status is not that of a success, but it has an operation".into());
        }
        let (zone, region) = said.location.map_or((None, None), |at| (at.availability_zone, at.region_name));
        Ok(Some(shape::Operation {
            id: said.id,
            resource_name: said.resource_name,
            resource_type: said.resource_type,
            created_at: self.created_at.clone(),
            availability_zone: zone,
            region_name: region,
            is_terminal: said.is_terminal,
            operation_details: said.operation_details,
            operation_type: said.operation_type,
            status: said.status,
            status_changed_at: changed_at.cloned(),
            error_code: said.error_code,
            error_details: said.error_details,
        }))
    }

    /// The operation as it was parsed, which the body does not contradict, or the one in the body.
    fn shown(&self) -> Result<Option<shape::Operation<'a>>, String> {
        let Some(operation) = &self.operation else { return self.in_body() };
        if self.created_at.is_some() || self.changed_at.is_some() {
            return Err("it has times of an operation in its body, and an operation beside it".into());
        }
        self.shows("an operation", operation.id.as_ref(), |body| {
            body.operation.as_ref().is_some_and(|said| said.is(operation, self.body.cut))
        })?;
        Ok(Some(operation.clone()))
    }

    /// Whether its body is the last page of an operation history, and names each operation so that it can be asked for.
    fn ends_a_search(&self) -> bool {
        let body = self.text().and_then(|text| serde_json::from_str::<Body<'_>>(text).ok());
        let Some(Body { operations: Some(operations), next: None, .. }) = body else { return false };
        operations.iter().flatten().all(|operation| operation.id.is_some())
    }

    /// The error is the one that the answer names, and means `class`.
    fn refuses(&self, error: &shape::ApiError<'_>, class: Class) -> Result<(), String> {
        let header = self.headers.get(shape::HEADER_ERROR_TYPE);
        let body: Option<serde_json::Value> = self.text().and_then(|text| serde_json::from_str(text).ok());
        let field = |name: &str| body.as_ref()?.get(name)?.as_str();
        let said = field("__type").map(bare);
        let error_type = error.error_type.as_ref().map(|text| &*text.0);
        if said.is_some() && said != error_type {
            return Err("its error is not the one that its body names".into());
        }
        let code = error.code.as_ref().map(|text| &*text.0);
        let types = bare_names([error_type, header, field("__type")]);
        let codes = bare_names([code, field("code")]);
        let refused = self.has_status(400, 500);
        let known = class_by(&types, &codes);
        let nameless = types.is_empty() && codes.is_empty();
        if refused && self.body.bytes.is_some_and(|bytes| bytes > RAW_BODY_LIMIT_BYTES as u64) {
            // A name may have been in what was not kept.
            return Ok(());
        }
        let means = match error.cause {
            Cause::NotBuilt | Cause::NoCredentials => class == Class::RefusedForAll,
            Cause::ConnectFailed | Cause::StartedLate => class == Class::NotSent && self.status.is_none(),
            Cause::Cut => class == Class::Unanswered && self.status.is_none(),
            Cause::Timeout => class == Class::Unanswered,
            Cause::Unreadable | Cause::NoOperation => class == Class::Unanswered && (!refused || nameless),
            Cause::ServerError => {
                let timed_out = self.status == Some(408) && known.is_none();
                let tried =
                    self.status.is_some_and(|status| status >= 500) || known == Some(Class::Unanswered) || timed_out;
                class == Class::Unanswered && tried
            }
            Cause::UnknownError => class == Class::Refused && refused && !nameless && known.is_none(),
            // Throttles have many names, so an unknown name may be another one.
            Cause::Error if class == Class::Throttled && known.is_none() => {
                refused && (self.status == Some(429) || !nameless)
            }
            Cause::Error => refused && known == Some(class),
        };
        if means { Ok(()) } else { Err(format!("its error does not mean {}", class.as_str())) }
    }
}

/// What an operation says of the delete of a key pair that it may name: its class, where it names the row's.
fn class_of_operation(operation: &shape::Operation<'_>) -> Class {
    let is = |text: &Option<Str<'_>>, words: &[&str]| text.as_ref().is_some_and(|text| words.contains(&&*text.0));
    if !is_delete(operation) {
        return Class::Unanswered;
    }
    match operation.is_terminal {
        Some(true) if is(&operation.status, &["Succeeded", "Completed"]) => Class::Succeeded,
        Some(true) | None if is(&operation.status, &["Failed"]) => Class::OperationFailed,
        Some(false) | None if operation.id.is_some() => Class::Pending,
        _ => Class::Unanswered,
    }
}

fn is_delete(operation: &shape::Operation<'_>) -> bool {
    operation.operation_type.as_ref().is_none_or(|kind| kind.0 == "DeleteKeyPair")
}

/// Whether an operation means `class`, and for which names.
fn means(operation: &shape::Operation<'_>, class: Class) -> Result<Named, String> {
    let meant = class_of_operation(operation);
    let named = operation.resource_name.as_ref().map(|name| hash(&name.0));
    match (class, named) {
        (Class::Unanswered, _) if meant == Class::Unanswered => Ok(Named::Any),
        (Class::Unanswered, Some(name)) => Ok(Named::IsNot(name)),
        _ if class != meant => Err(format!("its operation does not mean {}", class.as_str())),
        (_, Some(name)) => Ok(Named::Is(name)),
        (_, None) => Ok(Named::Any),
    }
}

/// Reads what came back for an attempt.
pub(crate) fn finished(answer: &Answer<'_>, class: Class, cause: Option<Cause>) -> Result<Claimed, String> {
    let shown = answer.shown()?;
    let named = match (&shown, &answer.error) {
        (Some(_), Some(_)) => return Err("it has both an operation and an error".into()),
        (Some(operation), None) => {
            if cause.is_some_and(|cause| cause != Cause::NoOperation || class != Class::Unanswered) {
                return Err("it has an operation, but also a cause why there is none".into());
            }
            means(operation, class)?
        }
        (None, Some(error)) => {
            if cause != Some(error.cause) {
                return Err("its cause is not that of its error".into());
            }
            answer.refuses(error, class)?;
            Named::Any
        }
        (None, None) if class == Class::Unanswered && answer.has_status(200, 300) => Named::Any,
        (None, None) => return Err(format!("it is {}, but has neither an operation nor an error", class.as_str())),
    };
    let operation = shown.is_some();
    Ok(Claimed { named, sandbox: answer.is_from_sandbox(), operation, ..Claimed::default() })
}

/// Reads what asking for an operation showed.
pub(super) fn polled(polled: &OperationPolled) -> Result<Claimed, String> {
    let answer = Answer::whole(&polled.exchange, polled.shown.parts(), polled.error.as_ref());
    let class = polled.class;
    let shown = answer.shown()?;
    let named = match (&shown, &answer.error) {
        (Some(_), Some(_)) => return Err("it has both an operation and an error".into()),
        (Some(operation), None) => {
            let another = operation.id.as_ref().is_some_and(|id| *id.0 != *polled.operation_id);
            match (another, class) {
                (true, Class::Unanswered) => Named::Any,
                (true, _) => return Err("its operation is not the one that was asked for".into()),
                (false, _) => means(operation, class)?,
            }
        }
        (None, Some(error)) if class == Class::RefusedForAll => {
            answer.refuses(error, class)?;
            Named::Any
        }
        (None, Some(_)) if class == Class::Unanswered => Named::Any,
        (None, _) => return Err(format!("it is {}, but has no operation that shows it", class.as_str())),
    };
    Ok(Claimed { named, sandbox: answer.is_from_sandbox(), ..Claimed::default() })
}

/// Reads what was read of a row, or of a target where it is of none.
pub(super) fn observed(seen: &Observed, of_row: bool) -> Result<Claimed, String> {
    use Found::{Denied, Listed, NoAnswer, NoOperation, NotFound, Operation, Other, RefusedForAll, Same, Unfinished};
    let answer = Answer::whole(&seen.exchange, (seen.operation.as_ref(), None, None), seen.error.as_ref());
    let fits = match (seen.source, of_row) {
        (Source::GetKeyPair, true) => {
            matches!(seen.found, Same | Other | NotFound | NoAnswer | Denied | RefusedForAll)
        }
        // A row that was answered from a listing.
        (Source::GetKeyPairs, true) => matches!(seen.found, Same | Other | NotFound),
        (Source::GetOperationsForResource, true) => {
            matches!(seen.found, Operation | Unfinished | NoOperation | NoAnswer | Denied | RefusedForAll)
        }
        (Source::GetInstances, true) | (Source::GetOperationsForResource, false) => false,
        (_, false) => matches!(seen.found, Listed | NotFound | NoAnswer | Denied | RefusedForAll),
    };
    if !fits {
        return Err("this request does not find such a thing".into());
    }
    let named = match seen.source {
        Source::GetOperationsForResource => searched(seen, &answer)?,
        _ => looked(seen, &answer, of_row)?,
    };
    let identity = seen.observation.as_ref().map(|seen| Identity::of(&shape::Observation::from(seen)));
    let ours = answer.operation.as_ref().filter(|_| seen.found == Operation);
    let operation_at = ours.and_then(|operation| parse_time(&operation.created_at.as_ref()?.0));
    let (identity, sandbox) = (identity.unwrap_or_default(), answer.is_from_sandbox());
    Ok(Claimed { named, identity, sandbox, operation_at, ..Claimed::default() })
}

/// A search found an operation exactly where it has one.
fn searched(seen: &Observed, answer: &Answer<'_>) -> Result<Named, String> {
    if seen.observation.is_some() {
        return Err("a search of operations shows no key pair".into());
    }
    if !matches!(seen.found, Found::Operation | Found::Unfinished) {
        if answer.operation.is_some() {
            return Err("it has an operation, but says that none was found".into());
        }
        if seen.found == Found::NoAnswer && seen.requests == 1 && answer.error.is_none() && answer.ends_a_search() {
            return Err("it says that there was no answer, but its body is one".into());
        }
        return read_error(seen.found, answer).map(|()| Named::Any);
    }
    let Some(operation) = &answer.operation else {
        return Err("it says that an operation was found, but shows none".into());
    };
    // The search for an operation that succeeded ends with the page that shows it. One that has not ended may have been
    // on an earlier page: then it is not in the body of the last page, and an error there does not contradict it.
    if seen.requests == 1 || seen.found == Found::Operation {
        if answer.error.is_some() {
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

/// A reading of a key pair, or of a page.
fn looked(seen: &Observed, answer: &Answer<'_>, of_row: bool) -> Result<Named, String> {
    if answer.operation.is_some() {
        return Err("reading a key pair shows no operation".into());
    }
    let Some(pair) = &seen.observation else {
        return match seen.found {
            Found::Same | Found::Other => Err("it says which key pair was seen, but shows none".into()),
            Found::Listed if answer.error.is_none() => Ok(Named::Any),
            // A row that is not on a listing has no answer of its own.
            Found::NotFound if of_row && is_of_listing(seen) && answer.error.is_none() => Ok(Named::Any),
            Found::Listed => Err("it says that a page was read, but has an error".into()),
            Found::NoAnswer if answer.error.is_none() => {
                Err("it says that there was no answer, but has no error".into())
            }
            found => read_error(found, answer).map(|()| Named::Any),
        };
    };
    if answer.error.is_some() || !of_row {
        return Err("it shows a key pair where none can be seen".into());
    }
    match seen.found {
        Found::Same | Found::Other if is_of_listing(seen) => Ok(Named::Any),
        Found::Same | Found::Other => {
            let pair = shape::Observation::from(pair);
            let name = std::cell::Cell::new(Named::Any);
            answer.shows("a key pair", pair.arn.as_ref().or(pair.fingerprint.as_ref()), |body| {
                let Some(said) = &body.key_pair else { return false };
                name.set(said.name.as_ref().map_or(Named::Any, |name| Named::Is(hash(&name.0))));
                said.arn == pair.arn && said.fingerprint == pair.fingerprint
            })?;
            Ok(name.get())
        }
        // A key pair of another name, or one that cannot be distinguished from others.
        Found::NoAnswer => Ok(Named::Any),
        _ => Err("it shows a key pair, but says that none was seen".into()),
    }
}

fn is_of_listing(seen: &Observed) -> bool {
    seen.source == Source::GetKeyPairs
}

/// What a reading without a result found is what its error says.
fn read_error(found: Found, answer: &Answer<'_>) -> Result<(), String> {
    let class = match found {
        Found::NotFound => Class::NotFound,
        Found::Denied => Class::Denied,
        Found::RefusedForAll => Class::RefusedForAll,
        Found::NoOperation => match &answer.error {
            // That the service no longer knows such a name is an answer, but no evidence.
            Some(error) => return answer.refuses(error, Class::NotFound),
            None => return Ok(()),
        },
        _ => {
            let says = |class| answer.error.as_ref().is_some_and(|error| answer.refuses(error, class).is_ok());
            let usable = [Class::NotFound, Class::Denied, Class::RefusedForAll].into_iter().any(says);
            let named = answer.error.as_ref().is_some_and(|error| error.cause == Cause::Error);
            // A throttle does not count as an answer, whatever else it is called; nor does a body that was not kept
            // whole.
            return if usable && named && !says(Class::Throttled) {
                Err("it says that there was no answer, but contains one".into())
            } else {
                Ok(())
            };
        }
    };
    let Some(error) = &answer.error else { return Err("it has no error that says so".into()) };
    answer.refuses(error, class)
}
