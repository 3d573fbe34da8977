//! The service as it truly is: key pairs with their incarnations, operations, requests on their way, and other people.
//!
//! Everything happens at its time of true time, in order, whether or not a session is alive to hear of it: [`World::advance`]
//! catches up. What it assumes of Amazon Lightsail: a request is dead, and its effect has come, within the attempt's
//! timeout and grace; a reading shows the moment at which it arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use fastrand::Rng;
use keybatch::domain::{Cause, Class, Identity, KeyPair, Operation, Settings, created_at_text};

use super::accounts::Refusing;
use super::answers::{Answer, silence};
use super::fate::{Fate, Faults, leg};
pub(crate) use super::resource::{By, Incarnation, Resource};
use super::time::{MS, SECOND, Us, service_time};

/// A DeleteKeyPair that left.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) resource: usize,
    pub(crate) session: u32,
    pub(crate) attempt: u32,
    pub(crate) sent: Us,
    /// How long before that its start was written down.
    pub(crate) stalled: Us,
    pub(crate) answer_at: Us,
    pub(crate) fate: Fate,
    /// How many of its arrival and its effect are still to come.
    pub(crate) outstanding: u32,
    /// When the last of them came.
    pub(crate) last_event: Us,
    pub(crate) effect: Option<Us>,
    pub(crate) operation: Option<usize>,
    pub(crate) answer: Answer<Option<Operation>>,
    /// The class of its answer once this side has it.
    pub(crate) delivered: Option<Class>,
}

#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) resource: usize,
    pub(crate) operation: Operation,
    pub(crate) created: Us,
    /// The request that began it.
    pub(crate) request: Option<usize>,
    /// Whether the answer that named it is in the journal.
    pub(crate) acknowledged: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Happening {
    Arrive(usize),
    Execute(usize),
    End {
        request: usize,
        success: bool,
        effect: bool,
    },
    /// Nobody knows of its operation, nobody can tell it by its time, and it is dead: the operation ends now, or never.
    Die {
        request: usize,
        success: bool,
        effect: bool,
    },
    Delete(usize),
    Recreate(usize),
}

/// How the operation history of a deleted key pair answers: it is not documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    Whole,
    Empty,
    NotFound,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: Rng,
    /// Whether the session has not begun to work: until then nothing goes wrong, and nothing takes time but the journal.
    pub(crate) is_eve: bool,
    pub(crate) faults: Faults,
    pub(crate) attempt_timeout: Us,
    pub(crate) dead_after: Us,
    /// For how long after it left the service accepts a request that something held up on its way; nothing does, where it is 0.
    pub(crate) signature_life: Us,
    /// How long after its start was written a request may leave.
    pub(crate) start_limit: Us,
    pub(crate) resources: Vec<Resource>,
    pub(crate) requests: Vec<Request>,
    pub(crate) ops: Vec<Op>,
    pub(crate) record: Record,
    /// Times of operations are whole seconds.
    pub(crate) whole_seconds: bool,
    queue: BTreeMap<(Us, u64), Happening>,
    queued: u64,
    /// Whether what is known not to be covered happens, too: see the head of the test.
    pub(crate) gaps_known: bool,
    /// Whether this machine's clock is further from the service's than operations are claimed by.
    pub(crate) is_clock_wrong: bool,
    /// Until when everybody is refused for want of credentials, for going too fast, and for reading at all.
    pub(crate) expired_until: Us,
    /// Who refuses everybody in this session, and when.
    pub(crate) refusing: Vec<Refusing>,
    /// Accounts that this session does not reach.
    pub(crate) unreachable: BTreeSet<String>,
    pub(crate) throttled_until: Us,
    pub(crate) unreadable_until: Us,
    pub(crate) session: u32,
    pub(crate) reads: u64,
    /// When requests left in the work that goes on, by account and region.
    pub(crate) departures: BTreeMap<(String, String), Vec<Us>>,
    /// How old what a request rests on may be; none where this machine's clock cannot tell.
    pub(crate) gap: Option<Us>,
    /// How often a key pair was deleted that took the name after the last reading.
    pub(crate) gaps: u32,
    /// What broke an invariant.
    pub(crate) broken: Vec<String>,
    /// What happened, where somebody wants to read it.
    pub(crate) log: Option<String>,
}

impl World {
    /// `settings` only says what a client counts on.
    pub(crate) fn new(mut rng: Rng, faults: Faults, settings: &Settings, log: bool) -> Self {
        let us = |time: std::time::Duration| Us::try_from(time.as_micros()).unwrap();
        let record = [Record::Whole, Record::Whole, Record::Empty, Record::NotFound][rng.usize(..4)];
        Self {
            record: if faults.is_quiet() { Record::Whole } else { record },
            whole_seconds: rng.bool(),
            attempt_timeout: us(settings.attempt_timeout),
            dead_after: us(settings.attempt_time().dead_after()),
            signature_life: 0,
            start_limit: us(settings.attempt_time().start_limit()),
            rng,
            is_eve: false,
            faults,
            resources: Vec::new(),
            requests: Vec::new(),
            ops: Vec::new(),
            queue: BTreeMap::new(),
            queued: 0,
            is_clock_wrong: false,
            gaps_known: std::env::var_os("KEYBATCH_KNOWN_GAPS").is_some(),
            expired_until: 0,
            refusing: Vec::new(),
            unreachable: BTreeSet::new(),
            throttled_until: 0,
            unreadable_until: 0,
            session: 0,
            reads: 0,
            departures: BTreeMap::new(),
            gap: None,
            gaps: 0,
            broken: Vec::new(),
            log: log.then(String::new),
        }
    }

    /// A name; with a key pair or without. Others may act on it at some moment.
    pub(crate) fn add(&mut self, (account, region): (&str, &str), name: String, exists: bool, now: Us) -> usize {
        let index = self.resources.len();
        let faulty = !self.faults.is_quiet();
        self.resources.push(Resource {
            account: account.to_owned(),
            region: region.to_owned(),
            name,
            planned: None,
            current: None,
            incarnations: 0,
            original_removed: None,
            denied: faulty && self.rng.u32(0..20) == 0,
            refused: faulty && self.rng.u32(0..30) == 0,
            requests: Vec::new(),
            lost: Vec::new(),
            earlier: Vec::new(),
            is_forgotten: false,
            last_read: None,
            last_same: 0,
            dealt: Vec::new(),
            is_recreated: false,
            protected: false,
        });
        if exists {
            let age = self.rng.i64(SECOND..100_000 * SECOND);
            self.recreate(index, now - age);
        }
        self.meddle(index, now);
        index
    }

    /// The requests that the run which works sent for a resource.
    pub(crate) fn of_run(&self, index: usize) -> impl Iterator<Item = &Request> {
        self.resources[index].requests.iter().map(|number| &self.requests[*number])
    }

    /// Whether a request may take effect after it must be dead.
    pub(crate) fn is_ghost(&self, request: &Request) -> bool {
        self.signature_life > 0 && request.fate == Fate::Silent
    }

    pub(crate) fn find(&self, account: &str, region: &str, name: &str) -> Option<usize> {
        self.resources.iter().position(|one| one.is_in(account, region) && one.name == name)
    }

    pub(crate) fn note(&mut self, now: Us, line: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let _ = writeln!(log, "{} s{} {}", service_time(now), self.session, line());
        }
    }

    pub(crate) fn breaks(&mut self, what: String) {
        // What follows from the first is of no interest.
        if self.broken.len() < 2 {
            self.broken.push(what);
        }
    }

    pub(crate) fn push(&mut self, at: Us, what: Happening) {
        self.queue.insert((at, self.queued), what);
        self.queued += 1;
    }

    /// The bad times are over.
    pub(crate) fn recover(&mut self) {
        (self.expired_until, self.throttled_until, self.unreadable_until) = (0, 0, 0);
    }

    /// Everything up to `now` happens.
    pub(crate) fn advance(&mut self, now: Us) {
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= now) {
            let at = entry.key().0;
            match entry.remove() {
                Happening::Arrive(request) => {
                    self.outstanding(request, at);
                    self.arrive(request, at);
                }
                Happening::Execute(request) => {
                    self.outstanding(request, at);
                    self.execute(request, at);
                }
                Happening::End { request, success, effect } => {
                    self.outstanding(request, at);
                    self.end(request, success, effect, at);
                }
                Happening::Die { request, success, effect } => {
                    let op = self.requests[request].operation;
                    if op.is_some_and(|op| !self.ops[op].acknowledged) {
                        self.queue.retain(
                            |_, what| !matches!(what, Happening::End { request: other, .. } if *other == request),
                        );
                        self.outstanding(request, at);
                        self.end(request, success, effect, at);
                    }
                }
                Happening::Delete(index) => self.delete_by_others(index, at),
                Happening::Recreate(index) => {
                    self.delete_by_others(index, at);
                    self.recreate(index, at);
                }
            }
        }
    }

    /// The journal loses what came back for a request, or that it was sent at all. An operation of it that goes on cannot be
    /// recognised any more: it has ended by then.
    pub(crate) fn lose(&mut self, request: usize, now: Us) {
        self.requests[request].delivered = None;
        if let Some(op) = self.requests[request].operation {
            self.ops[op].acknowledged = false;
        }
        self.queue.retain(|_, what| !matches!(what, Happening::Die { request: other, .. } if *other == request));
        let of_it = |what: &Happening| matches!(what, Happening::End { request: other, .. } if *other == request);
        let going_on: Vec<_> = self.queue.iter().filter(|(_, what)| of_it(what)).map(|(at, _)| *at).collect();
        for at in going_on {
            if let Some(Happening::End { success, effect, .. }) = self.queue.remove(&at) {
                self.outstanding(request, now);
                self.end(request, success, effect, now);
            }
        }
    }

    fn outstanding(&mut self, request: usize, at: Us) {
        self.requests[request].outstanding -= 1;
        self.requests[request].last_event = at;
    }

    pub(crate) fn later(&mut self, request: usize, at: Us, what: Happening) {
        self.requests[request].outstanding += 1;
        self.push(at, what);
    }

    /// A delete leaves. What will become of it is settled now.
    pub(crate) fn send(&mut self, resource: usize, (attempt, stalled): (u32, Us), now: Us) -> usize {
        let number = self.requests.len();
        let mut fate = Fate::draw(&mut self.rng, &self.faults);
        self.outage(now);
        if now < self.throttled_until {
            fate = Fate::Throttled;
        }
        let (there, back) = (leg(&mut self.rng), leg(&mut self.rng));
        let dead = now + self.dead_after - 100 * MS;
        let timeout = now + self.attempt_timeout;
        let arrives = match fate {
            // A ghost: something on the way held it, and delivers it whether or not its client still lives.
            Fate::Silent if self.signature_life > 0 => self.rng.i64(now..now + self.signature_life),
            Fate::Silent => self.rng.i64(now..dead),
            _ => (now + there).min(dead),
        };
        let (answer, answer_at) = match fate {
            Fate::NoConnection => (silence(Class::NotSent, Cause::ConnectFailed), now + there),
            Fate::Cut { .. } => (silence(Class::Unanswered, Cause::Cut), (arrives + back).min(timeout)),
            _ if fate.is_answered() && arrives + back < timeout => {
                (silence(Class::Unanswered, Cause::Unreadable), arrives + back)
            }
            _ => (silence(Class::Unanswered, Cause::Timeout), timeout),
        };
        self.requests.push(Request {
            resource,
            session: self.session,
            attempt,
            sent: now,
            stalled,
            answer_at,
            fate,
            outstanding: 0,
            last_event: now,
            effect: None,
            operation: None,
            answer,
            delivered: None,
        });
        self.resources[resource].requests.push(number);
        if !matches!(fate, Fate::NoConnection | Fate::Lost) {
            self.later(number, arrives, Happening::Arrive(number));
        }
        self.note(now, || format!("delete {resource} attempt {attempt} leaves as request {number}: {fate:?}"));
        number
    }

    pub(crate) fn delete_by_others(&mut self, resource: usize, now: Us) {
        let target = &mut self.resources[resource];
        let Some(victim) = target.current.take() else { return };
        if Some(&victim.pair.identity) == target.planned.as_ref() {
            target.original_removed = Some((now, By::Others));
        }
        self.operation(resource, now, "Completed", true);
        self.note(now, || format!("somebody else deletes {resource}"));
    }

    pub(crate) fn recreate(&mut self, resource: usize, now: Us) {
        let target = &mut self.resources[resource];
        if target.current.is_some() {
            return;
        }
        target.incarnations += 1;
        let (name, number) = (target.name.clone(), target.incarnations);
        let identity = Identity {
            arn: Some(format!("arn:aws:lightsail:{}:{}:KeyPair/{name}-{number}", target.region, target.account)),
            created_at: Some(created_at_text(service_time(now))),
            // The same material, imported again.
            fingerprint: Some("aa:bb".into()),
        };
        target.current = Some(Incarnation { pair: KeyPair { name, identity, tags: BTreeMap::new() }, created: now });
        self.note(now, || format!("{resource} is created as incarnation {number}"));
    }

    /// A request leaves for a target.
    pub(crate) fn departs(&mut self, (account, region): (&str, &str), now: Us) {
        self.departures.entry((account.to_owned(), region.to_owned())).or_default().push(now);
    }

    /// When more than so many left for one target within a second.
    pub(crate) fn is_too_fast(&self, most: usize) -> Option<Vec<Us>> {
        let is_too_fast = |some: &&[Us]| some[most] - some[0] < SECOND;
        self.departures.values().find_map(|times| times.windows(most + 1).find(is_too_fast).map(<[Us]>::to_vec))
    }

    /// Whether anything is still to come.
    pub(crate) fn is_quiet_after(&self) -> Option<Us> {
        self.queue.last_key_value().map(|((at, _), _)| *at)
    }
}
