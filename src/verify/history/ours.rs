//! Which operations of a history the attempts of a row can have begun, and what a search of it therefore finds.
//!
//! The product decides this when an answer comes; this decides it again from the entries, and says nothing where they leave it
//! open.

use jiff::{SignedDuration, Timestamp};

use super::super::claims::{Created, HistoryPage, Listed, Progress, Shows};
use crate::domain::{AttemptTime, Class};
use crate::record::event::Found;

/// How far the service's clock may put an operation before the attempt that began it.
const EARLY: SignedDuration = SignedDuration::from_millis(200);

/// The same for a time in whole seconds.
const WHOLE_EARLY: SignedDuration = SignedDuration::from_millis(1_200);

/// Nothing is said of an operation that is so near to the edge of an attempt: times in a body may be read in two ways, and
/// timeouts are recorded in milliseconds.
const UNCLEAR: SignedDuration = SignedDuration::from_millis(5);

/// Of a row with more attempts than this, nothing is said of an operation by its time.
const MOST_WINDOWS: usize = 200;

/// What is known of a row's attempts.
#[derive(Debug, Default)]
pub(super) struct Ours {
    windows: Vec<UnderWay>,
    /// Whether there were more windows than are held.
    is_crowded: bool,
    known: Known,
}

/// When an attempt was under way that may have had an effect.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    from: Timestamp,
    /// None where nothing says when the attempt was dead.
    until: Option<Timestamp>,
}

/// The operation that the last answer named.
#[derive(Debug, Clone, Copy, Default)]
enum Known {
    #[default]
    None,
    Is(u64),
    /// It may be this one.
    MayBe(u64),
    /// It may be any.
    Any,
}

impl Ours {
    /// An attempt began, in a session whose attempts have this time.
    pub(super) fn start(&mut self, at: Timestamp, time: Option<AttemptTime>) {
        let until = time.map(|time| at.saturating_add(time.dead_after()).unwrap_or(Timestamp::MAX));
        self.known = Known::None;
        self.push(UnderWay { from: at, until });
    }

    fn push(&mut self, window: UnderWay) {
        self.is_crowded |= self.windows.len() >= MOST_WINDOWS;
        if !self.is_crowded {
            self.windows.push(window);
        }
    }

    /// Its answer came.
    pub(super) fn finish(&mut self, at: Timestamp, class: Class, shows: &Shows) {
        self.known = match shows {
            Shows::Operation(id) => Known::Is(*id),
            Shows::AnyOperation => Known::Any,
            _ => Known::None,
        };
        let had_no_effect = class.is_refusal_before_execution()
            || matches!(class, Class::NotFound | Class::Refused | Class::OperationFailed | Class::Pending);
        if self.is_crowded || !had_no_effect {
            return;
        }
        let window = self.windows.pop();
        // What was throttled may have had an effect before its answer, and so may what was begun without a name.
        let unnamed = class == Class::Pending && matches!(self.known, Known::None);
        if class == Class::Throttled || unnamed {
            self.windows.extend(window.map(|window| UnderWay { until: Some(at), ..window }));
        }
    }

    /// Entries were lost; `goes_on` where the operation that the answer named is polled all the same.
    pub(super) fn lose_tail(&mut self, goes_on: bool) {
        self.known = match self.known {
            Known::Is(id) if !goes_on => Known::MayBe(id),
            known => known,
        };
    }

    /// Whether an attempt of the row began an operation; `is_own` knows the row's name. None where that is not clear.
    fn began(&self, operation: &Listed, is_own: impl Fn(u64) -> bool) -> Option<bool> {
        let by_id = self.is_known(operation.id);
        let may_be = operation.name.is_none_or(&is_own);
        if by_id == Some(true) {
            return Some(may_be);
        }
        let by_time = operation.is_delete && operation.name.is_some_and(is_own);
        let by_time = if by_time { self.was_under_way(operation.created) } else { Some(false) };
        match by_id {
            None if by_time != Some(may_be) => None,
            _ => by_time,
        }
    }

    fn is_known(&self, id: Option<u64>) -> Option<bool> {
        let Some(id) = id else { return Some(false) };
        match self.known {
            Known::None => Some(false),
            Known::Is(known) => Some(known == id),
            Known::MayBe(known) => {
                if known == id {
                    None
                } else {
                    Some(false)
                }
            }
            Known::Any => None,
        }
    }

    fn was_under_way(&self, created: Option<Created>) -> Option<bool> {
        let Some(created) = created else { return Some(false) };
        if self.is_crowded {
            return None;
        }
        let windows = || self.windows.iter().map(|window| window.contains(created));
        if windows().any(|contains| contains == Some(true)) {
            return Some(true);
        }
        windows().all(|contains| contains.is_some()).then_some(false)
    }

    /// Whether an operation that has not ended must have been waited for.
    fn is_awaited(&self, operation: &Listed, is_own: impl Fn(u64) -> bool) -> Option<bool> {
        if operation.state != Progress::Open {
            return Some(false);
        }
        let may_be = operation.name.is_none_or(&is_own);
        if operation.is_delete && operation.name.is_some_and(is_own) {
            return Some(true);
        }
        if may_be { self.is_known(operation.id) } else { Some(false) }
    }

    /// Whether a search found what its page shows.
    ///
    /// # Errors
    /// If it says otherwise.
    pub(super) fn searched(
        &self,
        found: Found,
        page: &HistoryPage,
        is_own: impl Fn(u64) -> bool,
    ) -> Result<(), &'static str> {
        let began = |operation: &Listed| self.began(operation, &is_own);
        let is_awaited = |operation: &Listed| self.is_awaited(operation, &is_own);
        match (found, &page.shown) {
            (Found::Operation, Some(shown)) if began(shown) == Some(false) => {
                return Err("no attempt of the row can have begun the operation that it found");
            }
            (Found::Operation | Found::Unfinished, None) => return Err("it found no delete of a key pair"),
            (Found::Unfinished, Some(shown)) if is_awaited(shown) == Some(false) => {
                return Err("the operation that it found is no delete of this key pair");
            }
            _ => {}
        }
        let Some(operations) = &page.operations else { return Ok(()) };
        let shown = operations.iter().rposition(|operation| operation.is_shown);
        let after = shown.filter(|_| found == Found::Operation).map_or(0, |place| place + 1);
        let is_hit = |operation: &Listed| operation.state == Progress::Succeeded && began(operation) == Some(true);
        if operations[after..].iter().any(is_hit) {
            return Err("its body shows an operation of ours that succeeded, but it does not say so");
        }
        let mut awaited = operations.iter().filter(|operation| is_awaited(operation) == Some(true));
        match found {
            Found::Unfinished if page.is_only => {
                // The first of them that can be asked for.
                let before = operations.iter().take_while(|operation| !operation.is_shown);
                let is_first = |operation: &Listed| operation.id.is_some() && is_awaited(operation) == Some(true);
                if before.copied().any(|operation| is_first(&operation)) {
                    return Err("its body shows an earlier operation that has not ended");
                }
                Ok(())
            }
            Found::NoOperation if awaited.next().is_some() => {
                Err("its body shows a delete of this key pair that has not ended, but it says that there is none")
            }
            Found::NoOperation if !page.is_last => Err("a page follows the one that it read last"),
            Found::NoAnswer if awaited.any(|operation| operation.id.is_some()) => {
                Err("its body shows a delete of this key pair that has not ended, but it says that there was no answer")
            }
            Found::NoAnswer if page.is_only && page.is_last => {
                let unclear =
                    operations.iter().any(|operation| operation.id.is_none() && is_awaited(operation) != Some(false));
                if unclear { Ok(()) } else { Err("it says that there was no answer, but its body is one") }
            }
            _ => Ok(()),
        }
    }
}

impl UnderWay {
    /// Whether an operation was created while the attempt was under way; none where that is not clear.
    fn contains(self, created: Created) -> Option<bool> {
        let (least, most) = match created.whole {
            Some(true) => (WHOLE_EARLY, WHOLE_EARLY),
            Some(false) => (EARLY, EARLY),
            None => (EARLY, WHOLE_EARLY),
        };
        // How long before it the attempt began, and how long after it that ended.
        let since = created.at.duration_since(self.from);
        let left = self.until.map(|until| until.duration_since(created.at));
        if since > UNCLEAR - least && left.is_some_and(|left| left > UNCLEAR) {
            return Some(true);
        }
        let outside = since < -UNCLEAR - most || left.is_some_and(|left| left < -UNCLEAR);
        if outside { Some(false) } else { None }
    }
}
