//! What changes a world: deleting, creating and importing key pairs, by the caller and by somebody else.
//!
//! Every change goes through `remove` or `give`, which keep the store, the history, the numbers and the record in step;
//! there is no other way to touch a key pair. This file does not know what the client sees.

use super::account::DEFAULT_KEY_PAIR;
use super::answer::{Error, Object, Refusal, fake_keys};
use super::clock::Micros;
use super::derive;
use super::effect::{Change, Effect, Who};
use super::engine::{Due, Engine, denied};
use super::fault::{Fault, History, Kind, Material, When};
use super::history::{Course, Did, End};
use super::name::is_name;
use super::store::{KeyPair, Stored};
use super::turn::{Place, Turn};

/// The service's times are no finer than this.
const MILLISECOND: Micros = 1_000;

/// What a failed operation says if the script does not.
const FAILURE: (&str, &str) = ("InternalFailure", "The operation failed; nothing was changed.");

impl Engine {
    pub(super) fn delete_key_pair(&mut self, turn: &mut Turn<'_>, fault: Option<&Fault>) -> Result<String, Refusal> {
        let name = required_name(turn.call.input.key_pair_name.as_ref(), "keyPairName")?;
        let place = turn.place();
        let pair = self.region(place).pairs.get(&name).ok_or_else(|| missing(&name))?;
        self.may_delete(&pair, turn)?;
        let hidden = self.hides(&pair, fault);
        let due = Due {
            account: place.account,
            region: place.region.to_owned(),
            name: name.clone(),
            arn: Some(pair.arn),
            caller: turn.call.caller.clone(),
            hidden,
            since: turn.at,
            operation: None,
        };
        if let Some(Fault { kind: Kind::LateEffect, delay_ms, .. }) = fault {
            self.due.insert((later(turn.at, delay_ms.unwrap_or(0)), turn.seq), due);
            return Ok(String::new());
        }
        let course = self.course(fault, turn.at);
        let number = self.begin(place, &name, Did::Delete, turn.at, hidden);
        let effect_now = course.as_ref().is_none_or(|course| !course.effect_at_end && course.end == End::Succeeded);
        if effect_now {
            let effect = self.take_away(turn.seq, &due, number);
            turn.effects.extend(effect);
        }
        if let Some(course) = course {
            if let (true, Some(over_at)) = (course.effect_at_end, course.over_at) {
                self.due.insert((over_at, turn.seq), Due { operation: Some(number), ..due });
            }
            self.region(place).history.set_course(number, course);
        }
        if let Some(fault) = fault.filter(|fault| fault.kind == Kind::RecreateAfter) {
            self.give_again(turn, &name, &pair.fingerprint, fault);
        }
        Ok(self.operation_body(turn, number))
    }

    pub(super) fn create_key_pair(&mut self, turn: &mut Turn<'_>) -> Result<String, Refusal> {
        let input = &turn.call.input;
        let name = self.free_name(turn)?;
        let tags = input.tags.iter().flatten().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
        let stored = Stored { tags, ..self.newborn(turn) };
        let number = self.give(turn, &name, stored, Did::Create, Who::Caller, false);
        let (public, private) = fake_keys(input);
        let Some(pair) = self.region(turn.place()).pairs.get(&name) else { return Err(missing(&name)) };
        let operation = self.operation_text(turn, number);
        Ok(Object::new()
            .raw("keyPair", &self.style(turn).key_pair(&pair))
            .text("publicKeyBase64", &public)
            .text("privateKeyBase64", &private)
            .raw("operation", &operation)
            .end())
    }

    pub(super) fn import_key_pair(&mut self, turn: &mut Turn<'_>) -> Result<String, Refusal> {
        let name = self.free_name(turn)?;
        let material = required(turn.call.input.public_key_base64.as_ref(), "publicKeyBase64")?;
        let fingerprint = derive::fingerprint_of_material(&material).into_boxed_str();
        let stored = Stored { fingerprint: Some(fingerprint), ..self.newborn(turn) };
        let number = self.give(turn, &name, stored, Did::Import, Who::Caller, false);
        Ok(self.operation_body(turn, number))
    }

    /// Somebody else deletes the key pair at this moment, and may create another one with its name.
    pub(super) fn interfere(&mut self, turn: &mut Turn<'_>, fault: &Fault) {
        let Some(name) = turn.call.input.key_pair_name.clone() else { return };
        let place = turn.place();
        let Some(pair) = self.region(place).pairs.get(&name) else { return };
        // It is not known whether the real history shows what others do; here it does so only if the script asks for it.
        let hidden = fault.history != Some(History::Kept);
        let number = self.begin(place, &name, Did::Delete, turn.at, hidden);
        let effect = self.remove(turn.seq, place, &name, number, Who::SomebodyElse);
        turn.effects.extend(effect);
        if fault.kind == Kind::RecreateBefore {
            self.give_again(turn, &name, &pair.fingerprint, fault);
        }
    }

    /// Something between the client and the service holds the request back and delivers it later, even if nobody waits for
    /// the answer any more. A signature that is too old by then is refused.
    pub(super) fn deliver_later(&mut self, turn: &Turn<'_>, fault: &Fault) {
        let Some(name) = turn.call.input.key_pair_name.clone() else { return };
        let delay_ms = fault.delay_ms.unwrap_or(0);
        if self.rules.signature_life_ms.is_some_and(|life| delay_ms > life) {
            return;
        }
        let due = Due {
            account: turn.caller.account,
            region: turn.call.region.clone(),
            name,
            arn: None,
            caller: turn.call.caller.clone(),
            hidden: fault.history.unwrap_or(self.rules.history) == History::Missing,
            since: turn.at,
            operation: None,
        };
        self.due.insert((later(turn.at, delay_ms), turn.seq), due);
    }

    /// Carries out an effect that is due.
    pub(super) fn late(&mut self, at: Micros, seq: u64, due: &Due) -> Option<Effect> {
        let place = Place { account: due.account, region: &due.region };
        let pair = self.region(place).pairs.get(&due.name)?;
        let is_delivered = due.arn.is_none();
        if due.arn.as_ref().is_some_and(|arn| pair.arn != *arn)
            || (is_delivered && (self.protects(&pair) || pair.name == DEFAULT_KEY_PAIR))
        {
            return None;
        }
        let number = match due.operation {
            Some(number) => number,
            None if is_delivered => self.begin(place, &due.name, Did::Delete, at, due.hidden),
            // The operation began when the request arrived; nobody could see it before it took effect.
            None => self.begin(place, &due.name, Did::Delete, due.since, due.hidden),
        };
        self.take_away(seq, due, number)
    }

    /// Carries out the effect of an operation that waited for its last poll.
    pub(super) fn finish_polled(&mut self, turn: &mut Turn<'_>, number: u64) {
        let place = turn.place();
        let region = self.region(place);
        let Some(operation) = region.history.get(number) else { return };
        let name = region.pairs.text(&operation.name);
        let effect = self.remove(turn.seq, place, &name, number, Who::Caller);
        if effect.is_some() {
            self.count_delete(&turn.call.caller);
        }
        turn.effects.extend(effect);
    }

    pub(super) fn operation_body(&mut self, turn: &Turn<'_>, number: u64) -> String {
        let operation = self.operation_text(turn, number);
        Object::new().raw("operation", &operation).end()
    }

    fn operation_text(&mut self, turn: &Turn<'_>, number: u64) -> String {
        let style = self.style(turn);
        let region = self.region(turn.place());
        region.history.get(number).map_or_else(String::new, |operation| {
            let name = region.pairs.text(&operation.name);
            style.operation(operation, region.history.course(number), &name, turn.at)
        })
    }

    fn protects(&self, pair: &KeyPair) -> bool {
        let denies = |key: &String, value: &String| {
            self.rules.deny.tags.get(key).is_some_and(|denied| denied == "*" || denied == value)
        };
        pair.tags.iter().any(|(key, value)| denies(key, value))
    }

    fn may_delete(&self, pair: &KeyPair, turn: &Turn<'_>) -> Result<(), Refusal> {
        if self.protects(pair) {
            return Err(denied(turn, &pair.arn));
        }
        match &turn.call.input.expected_fingerprint {
            None if pair.name == DEFAULT_KEY_PAIR => {
                Err(Error::InvalidInput.says("The expected fingerprint is required to delete the default key pair."))
            }
            Some(expected) if *expected != pair.fingerprint => {
                Err(Error::InvalidInput.says("The expected fingerprint does not match the key pair's."))
            }
            _ => Ok(()),
        }
    }

    fn hides(&self, pair: &KeyPair, fault: Option<&Fault>) -> bool {
        let said = fault.and_then(|fault| fault.history).or(pair.history).unwrap_or(self.rules.history);
        said == History::Missing
    }

    fn course(&self, fault: Option<&Fault>, at: Micros) -> Option<Course> {
        let over_after = |ms: u64| Some(later(at, ms));
        let plain =
            Course { polls_left: None, over_at: None, end: End::Succeeded, effect_at_end: false, changed_at: at };
        let Some(fault) = fault else {
            let delay_ms = self.rules.delay_ms;
            return (delay_ms > 0).then(|| Course { over_at: over_after(delay_ms), ..plain });
        };
        let failed = || End::Failed {
            code: fault.error_code.clone().unwrap_or_else(|| FAILURE.0.to_owned()),
            details: fault.error_details.clone().unwrap_or_else(|| FAILURE.1.to_owned()),
        };
        let over_at = fault.ms.and_then(over_after);
        let polls_left = over_at.is_none().then(|| fault.polls.unwrap_or(1));
        match fault.kind {
            Kind::SlowOperation => {
                Some(Course { polls_left, over_at, effect_at_end: fault.effect == Some(When::AtEnd), ..plain })
            }
            Kind::FailedOperation => Some(Course { end: failed(), ..plain }),
            Kind::OperationFailedLater => Some(Course { polls_left, over_at, end: failed(), ..plain }),
            _ => self.course(None, at),
        }
    }

    /// Opens an operation and gives its number.
    fn begin(&mut self, place: Place<'_>, name: &str, did: Did, at: Micros, hidden: bool) -> u64 {
        self.last_operation += 1;
        let number = self.last_operation;
        let region = self.region(place);
        let short = region.pairs.name(name);
        region.history.add(number, at - at % MILLISECOND, short, did, hidden);
        number
    }

    fn take_away(&mut self, seq: u64, due: &Due, number: u64) -> Option<Effect> {
        let place = Place { account: due.account, region: &due.region };
        let effect = self.remove(seq, place, &due.name, number, Who::Caller)?;
        self.count_delete(&due.caller);
        Some(effect)
    }

    fn count_delete(&mut self, caller: &str) {
        if self.rules.expire_after_deletes == Some(self.counters.effects.deleted) {
            self.callers.expire(caller);
        }
        self.callers.count_delete(caller);
    }

    fn remove(&mut self, seq: u64, place: Place<'_>, name: &str, number: u64, who: Who) -> Option<Effect> {
        let seed = self.seed;
        let state = self.region(place);
        let short = state.pairs.name(name);
        let pair = state.pairs.remove(name)?;
        let trail = state.history.trail_mut(short);
        match who {
            Who::Caller => trail.deleted += 1,
            Who::SomebodyElse => trail.deleted_by_others += 1,
        }
        self.counters.effects.count(Change::Deleted, who);
        self.accounts[place.account].effects.count(Change::Deleted, who);
        let operation = derive::operation_id(seed, number);
        let (region, name) = (place.region.to_owned(), name.to_owned());
        Some(Effect { effect: Change::Deleted, region, name, arn: pair.arn, operation, by: seq, who })
    }

    fn give(&mut self, turn: &mut Turn<'_>, name: &str, stored: Stored, did: Did, who: Who, hidden: bool) -> u64 {
        let place = turn.place();
        let number = self.begin(place, name, did, turn.at, hidden);
        let state = self.region(place);
        state.pairs.insert(name, stored);
        let short = state.pairs.name(name);
        let arn = state.pairs.get(name).map(|pair| pair.arn).unwrap_or_default();
        let trail = state.history.trail_mut(short);
        match who {
            Who::Caller => trail.created += 1,
            Who::SomebodyElse => trail.created_by_others += 1,
        }
        self.counters.effects.count(Change::Created, who);
        self.accounts[place.account].effects.count(Change::Created, who);
        turn.effects.push(Effect {
            effect: Change::Created,
            region: place.region.to_owned(),
            name: name.to_owned(),
            arn,
            operation: derive::operation_id(self.seed, number),
            by: turn.seq,
            who,
        });
        number
    }

    fn give_again(&mut self, turn: &mut Turn<'_>, name: &str, old_fingerprint: &str, fault: &Fault) {
        let fingerprint = (fault.fingerprint == Some(Material::Same)).then(|| Box::from(old_fingerprint));
        let stored = Stored { fingerprint, ..self.newborn(turn) };
        self.give(turn, name, stored, Did::Create, Who::SomebodyElse, false);
    }

    fn newborn(&self, turn: &Turn<'_>) -> Stored {
        Stored { born: turn.seq, created_at: Some(turn.at - turn.at % MILLISECOND), ..Stored::default() }
    }

    fn free_name(&mut self, turn: &Turn<'_>) -> Result<String, Refusal> {
        let name = required_name(turn.call.input.key_pair_name.as_ref(), "keyPairName")?;
        match self.region(turn.place()).pairs.get(&name) {
            Some(_) => Err(Error::InvalidInput.says(format!("Some names are already in use: {name}"))),
            None => Ok(name),
        }
    }
}

/// A required parameter.
pub(super) fn required(value: Option<&String>, field: &str) -> Result<String, Refusal> {
    match value {
        Some(value) if !value.is_empty() => Ok(value.clone()),
        _ => Err(Error::InvalidInput.says(format!("Input parameter {field} is required."))),
    }
}

/// A required parameter that must be a name.
pub(super) fn required_name(value: Option<&String>, field: &str) -> Result<String, Refusal> {
    let name = required(value, field)?;
    if is_name(&name) {
        Ok(name)
    } else {
        Err(Error::InvalidInput.says(format!("Value '{name}' of {field} must match the pattern \\w[\\w\\-]*\\w")))
    }
}

/// The refusal if there is no key pair of this name.
pub(super) fn missing(name: &str) -> Refusal {
    Error::NotFound.says(format!("The KeyPair does not exist: {name}"))
}

fn later(at: Micros, ms: u64) -> Micros {
    at.saturating_add(ms.saturating_mul(MILLISECOND))
}
