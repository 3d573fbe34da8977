//! Compares what an entry says that an answer means with the answer itself.

use std::borrow::Cow;

use super::super::shape::{self, Str};
use super::body::{Body, is_moment};
use super::claimed::{Claimed, Named, Shows, hash};
use super::names::{bare, bare_names, class_by};
use crate::domain::{self, Cause, Class, Exchange, RAW_BODY_LIMIT_BYTES, RawBody, SANDBOX_HEADER};
use crate::record::event::{Found, OperationPolled};

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
    /// How its class was determined, where that is not plain success.
    pub(crate) cause: Option<Cause>,
    /// What was said of the error, where the body and the header do not say the same.
    pub(crate) error: Option<shape::ErrorText<'a>>,
    pub(crate) body: &'a RawBody,
}

impl<'a> Answer<'a> {
    pub(super) fn whole(
        exchange: &'a Exchange,
        (operation, created_at, changed_at): (Option<&'a domain::Operation>, Option<&'a str>, Option<&'a str>),
        (cause, error): (Option<Cause>, Option<&'a domain::ErrorText>),
    ) -> Self {
        let text = |text: Option<&'a str>| text.map(|text| Str(Cow::Borrowed(text)));
        Self {
            status: exchange.http_status,
            headers: shape::Named::from(&exchange.headers),
            operation: operation.map(shape::Operation::from),
            created_at: text(created_at),
            changed_at: text(changed_at),
            cause,
            error: error.map(shape::ErrorText::from),
            body: &exchange.raw_body,
        }
    }

    pub(super) fn is_from_sandbox(&self) -> bool {
        self.headers.get(SANDBOX_HEADER).is_some()
    }

    /// Why it is no usable answer, where it is none. A success without an operation is not an error.
    pub(super) fn failed(&self) -> Option<Cause> {
        self.cause.filter(|cause| *cause != Cause::NoOperation)
    }

    /// Words of an error stand beside an error alone.
    pub(super) fn explains(&self) -> Result<(), String> {
        let unexplained = self.error.is_some() && self.failed().is_none();
        if unexplained { Err("it has an error, but no cause of one".into()) } else { Ok(()) }
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
    pub(super) fn shows(
        &self,
        what: &str,
        id: Option<&Str<'_>>,
        says: impl Fn(&Body<'_>) -> bool,
    ) -> Result<(), String> {
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
        let json = self.body.json.as_deref().filter(|_| self.operation.is_none() && self.failed().is_none());
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

    /// It is a success, and has a body.
    pub(super) fn is_success(&self) -> Result<(), String> {
        let is_success = self.has_status(200, 300) && self.body.is_there();
        if is_success { Ok(()) } else { Err("it has neither an error nor the answer of a success".into()) }
    }

    /// Whether a reader that takes less notice of the other fields may find an operation in its body.
    fn may_have_operation(&self) -> bool {
        self.body.json.as_ref().is_some_and(|json| json.contains("operation") || json.contains('\\'))
    }

    /// The body of a success, where it can be read as the service's: every field that the SDK reads has the type that the SDK
    /// demands, so the SDK reads the same.
    pub(super) fn said(&self) -> Option<Body<'a>> {
        let json = self.body.json.as_deref().filter(|_| self.has_status(200, 300))?;
        serde_json::from_str::<Body<'a>>(json).ok().filter(Body::is_readable)
    }

    /// It does not say that it cannot be read, although it `is_answer`.
    pub(super) fn is_not_unreadable(&self, is_answer: impl Fn(&Body<'_>) -> bool) -> Result<(), String> {
        let unreadable = self.failed() == Some(Cause::Unreadable);
        if unreadable && self.said().is_some_and(|body| is_answer(&body)) {
            return Err("it says that its body cannot be read, but it can".into());
        }
        Ok(())
    }

    /// The error has this cause, is the one that the answer names, and means `class`.
    pub(super) fn refuses(&self, cause: Cause, class: Class) -> Result<(), String> {
        let header = self.headers.get(shape::HEADER_ERROR_TYPE);
        let body: Option<serde_json::Value> = self.text().and_then(|text| serde_json::from_str(text).ok());
        let field = |name: &str| body.as_ref()?.get(name)?.as_str();
        let said = field("__type").map(bare).filter(|name| !name.is_empty());
        let beside = self.error.as_ref();
        let error_type = beside.and_then(|error| error.error_type.as_ref()).map(|text| &*text.0);
        if beside.is_some() && said.is_some() && said != error_type {
            return Err("its error is not the one that its body names".into());
        }
        let code = beside.and_then(|error| error.code.as_ref()).map(|text| &*text.0);
        let types = bare_names([error_type, header, field("__type")]);
        let codes = bare_names([code, field("code")]);
        let refused = self.has_status(400, 500);
        let known = class_by(&types, &codes);
        let nameless = types.is_empty() && codes.is_empty();
        if refused && self.body.bytes.is_some_and(|bytes| bytes > RAW_BODY_LIMIT_BYTES as u64) {
            // A name may have been in what was not kept.
            return Ok(());
        }
        let means = match cause {
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

    /// What a reading without a result found is what its error says.
    pub(super) fn found_nothing(&self, found: Found) -> Result<(), String> {
        let class = match found {
            Found::NotFound => Class::NotFound,
            Found::Denied => Class::Denied,
            Found::RefusedForAll => Class::RefusedForAll,
            Found::NoOperation => match self.failed() {
                // That the service no longer knows such a name is an answer, but no evidence.
                Some(cause) => return self.refuses(cause, Class::NotFound),
                None => return Ok(()),
            },
            _ => {
                let says = |class| self.failed().is_some_and(|cause| self.refuses(cause, class).is_ok());
                let usable = [Class::NotFound, Class::Denied, Class::RefusedForAll].into_iter().any(says);
                let named = self.failed() == Some(Cause::Error);
                // A throttle does not count as an answer, whatever else it is called; nor does a body that was not kept
                // whole.
                return if usable && named && !says(Class::Throttled) {
                    Err("it says that there was no answer, but contains one".into())
                } else {
                    Ok(())
                };
            }
        };
        let Some(cause) = self.failed() else { return Err("it has no error that says so".into()) };
        self.refuses(cause, class)
    }
}

/// What an operation says of the delete of a key pair that it may name: its class, where it names the row's.
pub(super) fn class_of_operation(operation: &shape::Operation<'_>) -> Class {
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

pub(super) fn is_delete(operation: &shape::Operation<'_>) -> bool {
    operation.operation_type.as_ref().is_none_or(|kind| kind.0 == "DeleteKeyPair")
}

/// Whether an operation means `class`, and for which names.
pub(super) fn means(operation: &shape::Operation<'_>, class: Class) -> Result<Named, String> {
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
pub(crate) fn finished(answer: &Answer<'_>, class: Class) -> Result<Claimed, String> {
    let shown = answer.shown()?;
    answer.explains()?;
    let named = match (&shown, answer.failed()) {
        (Some(_), Some(_)) => return Err("it has both an operation and an error".into()),
        (Some(operation), None) => {
            if answer.cause.is_some() && class != Class::Unanswered {
                return Err("it has an operation, but also a cause why there is none".into());
            }
            means(operation, class)?
        }
        (None, Some(cause)) => {
            answer.refuses(cause, class)?;
            Named::Any
        }
        (None, None) if class == Class::Unanswered && answer.has_status(200, 300) => Named::Any,
        (None, None) => return Err(format!("it is {}, but has neither an operation nor an error", class.as_str())),
    };
    let shows = match &shown {
        Some(operation) => operation.id.as_ref().map_or(Shows::Nothing, |id| Shows::Operation(hash(&id.0))),
        None if answer.may_have_operation() => Shows::AnyOperation,
        None => Shows::Nothing,
    };
    Ok(Claimed { named, sandbox: answer.is_from_sandbox(), shows, ..Claimed::default() })
}

/// Reads what asking for an operation showed.
pub(super) fn polled(polled: &OperationPolled) -> Result<Claimed, String> {
    let answer = Answer::whole(&polled.exchange, polled.shown.parts(), polled.failure.parts());
    let class = polled.class;
    let shown = answer.shown()?;
    answer.explains()?;
    let named = match (&shown, answer.failed()) {
        (Some(_), Some(_)) => return Err("it has both an operation and an error".into()),
        (Some(operation), None) => {
            let another = operation.id.as_ref().is_some_and(|id| *id.0 != *polled.operation_id);
            match (another, class) {
                (true, Class::Unanswered) => Named::Any,
                (true, _) => return Err("its operation is not the one that was asked for".into()),
                (false, _) => means(operation, class)?,
            }
        }
        (None, Some(cause)) if class == Class::RefusedForAll => {
            answer.refuses(cause, class)?;
            Named::Any
        }
        (None, Some(_)) if class == Class::Unanswered => Named::Any,
        (None, _) => return Err(format!("it is {}, but has no operation that shows it", class.as_str())),
    };
    Ok(Claimed { named, sandbox: answer.is_from_sandbox(), ..Claimed::default() })
}
