//! What the service does with a delete that arrived, and what it says: the effect of each fate.

use keybatch::domain::{Cause, Class, Operation, created_at_text};

use super::accounts::Refusing;
use super::answers::{Answer, refused};
use super::fate::{End, Fate, happens, leg, while_};
use super::time::{MS, SECOND, Us, service_time};
use super::world::{By, Happening, Op, Request, World};

impl World {
    pub(crate) fn refuses_everybody(&self, place: (&str, &str), now: Us) -> bool {
        let is_refused = |one: &Refusing| one.whom.has(place) && (one.from..one.until).contains(&now);
        now < self.expired_until || self.refusing.iter().any(is_refused)
    }

    /// Others may act on it at some moments from now on.
    pub(crate) fn meddle(&mut self, index: usize, now: Us) {
        let mut at = now;
        while happens(&mut self.rng, self.faults.foreign) {
            at += while_(&mut self.rng);
            let what = if self.rng.bool() { Happening::Delete(index) } else { Happening::Recreate(index) };
            self.push(at, what);
        }
    }

    /// Sometimes a bad time begins for everybody.
    pub(crate) fn outage(&mut self, now: Us) {
        if happens(&mut self.rng, self.faults.outage) {
            let until = now + while_(&mut self.rng);
            match self.rng.u32(0..6) {
                0 | 1 => self.expired_until = until,
                // Long enough to be taken for an answer.
                2 => self.throttled_until = until + 660 * SECOND,
                3 => self.unreadable_until = until,
                _ => self.throttled_until = until,
            }
        }
    }

    pub(crate) fn end(&mut self, request: usize, success: bool, effect: bool, at: Us) {
        if effect {
            self.execute(request, at);
        }
        self.end_operation(request, success);
    }

    pub(crate) fn arrive(&mut self, number: usize, now: Us) {
        let Request { resource, fate, answer_at, .. } = self.requests[number];
        if happens(&mut self.rng, self.faults.race) {
            let race = if self.rng.bool() { Happening::Delete(resource) } else { Happening::Recreate(resource) };
            match self.rng.u32(0..3) {
                0 => self.delete_by_others(resource, now),
                1 => {
                    self.delete_by_others(resource, now);
                    self.recreate(resource, now);
                }
                _ => {
                    let at = now + leg(&mut self.rng);
                    self.push(at, race);
                }
            }
        }
        let in_time = fate.is_answered() && answer_at < self.requests[number].sent + self.attempt_timeout;
        if let Some(answer) = self.serve(number, now).filter(|_| in_time) {
            self.requests[number].answer = answer;
        }
    }

    /// What the service does with a request that arrived, and what it says.
    fn serve(&mut self, number: usize, now: Us) -> Option<Answer<Option<Operation>>> {
        let Request { resource, fate, .. } = self.requests[number];
        let target = &self.resources[resource];
        let refusal = if self.refuses_everybody((&target.account, &target.region), now) {
            Some((Class::RefusedForAll, "ExpiredTokenException"))
        } else if fate == Fate::Throttled || now < self.throttled_until {
            Some((Class::Throttled, "ThrottlingException"))
        } else if fate == Fate::Setup {
            Some((Class::SetupInProgress, "AccountSetupInProgressException"))
        } else if target.denied {
            Some((Class::Denied, "AccessDeniedException"))
        } else if target.refused {
            Some((Class::Refused, "InvalidInputException"))
        } else if target.current.is_none() && !matches!(fate, Fate::Error { .. } | Fate::Late | Fate::Empty { .. }) {
            Some((Class::NotFound, "NotFoundException"))
        } else {
            None
        };
        if let Some((class, name)) = refusal {
            return Some(refused(class, name));
        }
        let server_error = || Some(Answer::error(Some(500), Class::Unanswered, Cause::ServerError, "ServiceException"));
        match fate {
            Fate::Error { effect } | Fate::Cut { effect } => {
                if effect {
                    self.execute(number, now);
                }
                server_error()
            }
            Fate::Late => {
                let dead = self.requests[number].sent + self.dead_after - 100 * MS;
                let at = self.rng.i64(now..=dead.max(now));
                self.later(number, at, Happening::Execute(number));
                server_error()
            }
            Fate::Empty { effect } => {
                if effect {
                    self.execute(number, now);
                }
                Some(Answer::ok(None))
            }
            Fate::Garbled => {
                self.execute(number, now);
                let other = Operation { resource_name: Some("another".into()), ..self.answered(number) };
                Some(Answer::ok(Some(other)))
            }
            Fate::FailedOperation { effect } => {
                self.begin_operation(number, now);
                if effect {
                    self.execute(number, now);
                }
                self.end_operation(number, false);
                Some(Answer::ok(Some(self.answered(number))))
            }
            Fate::Pending(end) => {
                self.pend(number, end, now);
                Some(Answer::ok(Some(self.answered(number))))
            }
            Fate::PendingUnknown(end) => {
                self.pend(number, end, now);
                None
            }
            _ => {
                self.execute(number, now);
                Some(Answer::ok(Some(self.answered(number))))
            }
        }
    }

    fn answered(&self, number: usize) -> Operation {
        self.requests[number].operation.map(|op| self.ops[op].operation.clone()).unwrap_or_default()
    }

    fn pend(&mut self, number: usize, end: End, now: Us) {
        self.begin_operation(number, now);
        let (after, success, effect) = match end {
            End::Succeeds { after, at_once } => {
                if at_once {
                    self.execute(number, now);
                }
                (after, true, !at_once)
            }
            End::Fails { after } => (after, false, false),
            End::Never { effect } => {
                if effect {
                    self.execute(number, now);
                }
                return;
            }
        };
        let begun = self.requests[number].sent - self.requests[number].stalled;
        let (at, dead) = (now + after, (begun + self.dead_after - 100 * MS).max(now));
        self.later(number, at, Happening::End { request: number, success, effect });
        if at > dead && self.is_clock_wrong && !self.gaps_known {
            self.push(dead, Happening::Die { request: number, success, effect });
        }
    }

    fn begin_operation(&mut self, number: usize, now: Us) {
        let resource = self.requests[number].resource;
        let op = self.operation(resource, now, "Started", false);
        self.ops[op].request = Some(number);
        self.requests[number].operation = Some(op);
    }

    fn end_operation(&mut self, number: usize, success: bool) {
        let Some(op) = self.requests[number].operation else { return };
        let operation = &mut self.ops[op].operation;
        operation.is_terminal = Some(true);
        operation.status = Some(if success { "Succeeded" } else { "Failed" }.into());
    }

    pub(crate) fn operation(&mut self, resource: usize, now: Us, status: &str, terminal: bool) -> usize {
        let created = if self.whole_seconds { now / SECOND * SECOND } else { now };
        self.ops.push(Op {
            resource,
            created,
            request: None,
            acknowledged: false,
            operation: Operation {
                id: Some(format!("op-{}", self.ops.len())),
                resource_name: Some(self.resources[resource].name.clone()),
                resource_type: Some("KeyPair".into()),
                created_at: Some(created_at_text(service_time(created))),
                is_terminal: Some(terminal),
                operation_type: Some("DeleteKeyPair".into()),
                status: Some(status.into()),
                ..Operation::default()
            },
        });
        self.ops.len() - 1
    }

    /// Our request takes effect, on whatever has the name now.
    pub(crate) fn execute(&mut self, number: usize, now: Us) {
        let resource = self.requests[number].resource;
        let target = &mut self.resources[resource];
        if target.denied || target.refused {
            return;
        }
        let Some(victim) = target.current.take() else { return };
        if Some(&victim.pair.identity) == target.planned.as_ref() {
            // What an earlier run asked for is nobody's doing in this one.
            let by = if target.earlier.contains(&number) { By::Others } else { By::Us(number) };
            target.original_removed = Some((now, by));
        } else {
            // The gap that cannot be closed: it must have been created after what the request rests on.
            self.gaps += 1;
            let sent = self.requests[number].sent;
            if self.gap.is_some_and(|gap| victim.created < sent - gap) {
                let what = format!("I4: request {number} deleted {:?}, which is old", victim.pair.identity);
                self.breaks(what);
            }
        }
        self.requests[number].effect = Some(now);
        if self.requests[number].operation.is_none() {
            let op = self.operation(resource, now, "Succeeded", true);
            self.ops[op].request = Some(number);
            self.requests[number].operation = Some(op);
        }
        self.note(now, || format!("request {number} takes effect on {resource}: {:?}", victim.pair.identity.arn));
    }
}
