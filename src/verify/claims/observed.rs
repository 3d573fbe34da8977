//! Compares what an entry says that a reading found with what came back.

use super::super::shape;
use super::answer::Answer;
use super::body::{Body, is_moment};
use super::claimed::{Claimed, Identity, Named, Shows, hash};
use super::page::HistoryPage;
use super::search::searched;
use crate::record::event::{Found, Observed, Source};

/// Reads what was read of a row, or of a target where it is of none.
pub(super) fn observed(seen: &Observed, of_row: bool) -> Result<Claimed, String> {
    use Found::{Denied, Listed, NoAnswer, NoOperation, NotFound, Operation, Other, RefusedForAll, Same, Unfinished};
    let answer = Answer::whole(&seen.exchange, (seen.operation.as_ref(), None, None), seen.failure.parts());
    answer.explains()?;
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
    let (named, shows) = match (named, seen.source) {
        (_, Source::GetOperationsForResource) => (named, Shows::Page(Box::new(HistoryPage::of(seen, &answer)))),
        (Named::IsNot(name), _) => (Named::Any, Shows::Pair(name)),
        _ => (named, Shows::Nothing),
    };
    Ok(Claimed { named, identity: identity.unwrap_or_default(), sandbox: answer.is_from_sandbox(), shows })
}

/// A reading of a key pair, or of a page.
fn looked(seen: &Observed, answer: &Answer<'_>, of_row: bool) -> Result<Named, String> {
    if answer.operation.is_some() {
        return Err("reading a key pair shows no operation".into());
    }
    let Some(pair) = &seen.observation else {
        return match seen.found {
            Found::Same | Found::Other => Err("it says which key pair was seen, but shows none".into()),
            Found::Listed if answer.failed().is_none() => Ok(Named::Any),
            // A row that is not on a listing has no answer of its own.
            Found::NotFound if of_row && is_of_listing(seen) && answer.failed().is_none() => Ok(Named::Any),
            Found::Listed => Err("it says that a page was read, but has an error".into()),
            Found::NoAnswer if answer.failed().is_none() => {
                Err("it says that there was no answer, but has no error".into())
            }
            found => {
                let is_pair = |body: &Body<'_>| body.key_pair.as_ref().is_some_and(|pair| pair.name.is_some());
                answer.is_not_unreadable(|body| seen.source == Source::GetKeyPair && is_pair(body))?;
                answer.found_nothing(found).map(|()| Named::Any)
            }
        };
    };
    if answer.failed().is_some() || !of_row {
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
                let created_at = is_moment(said.created_at, pair.created_at.as_ref());
                created_at && said.arn == pair.arn && said.fingerprint == pair.fingerprint
            })?;
            Ok(name.get())
        }
        // A key pair of another name, or one that cannot be distinguished from others.
        Found::NoAnswer => {
            answer.is_success()?;
            let Some(said) = answer.said().and_then(|body| body.key_pair) else { return Ok(Named::Any) };
            let pair = shape::Observation::from(pair);
            if said.arn != pair.arn || said.fingerprint != pair.fingerprint {
                return Err("its body does not say what the key pair in it says".into());
            }
            Ok(said.name.as_ref().map_or(Named::Any, |name| Named::IsNot(hash(&name.0))))
        }
        _ => Err("it shows a key pair, but says that none was seen".into()),
    }
}

fn is_of_listing(seen: &Observed) -> bool {
    seen.source == Source::GetKeyPairs
}
