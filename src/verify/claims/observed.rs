//! Compares what an entry says that a reading found with what came back.

use super::super::shape;
use super::answer::{Answer, class_of_operation, is_delete, means};
use super::claimed::{Claimed, Identity, Named, hash};
use crate::domain::{Cause, Class, parse_time};
use crate::record::event::{Found, Observed, Source};

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
