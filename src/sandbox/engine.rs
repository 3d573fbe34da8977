//! The sandbox without its network: a state, and a function from a request and a time to an answer.
//!
//! Promise: given the same world and the same requests at the same times, everything comes out the same, down to the
//! ids. That is how a reopened state directory gets its state back: its record is handled again. The engine knows no
//! clock, no socket and no file; its owner locks it for one request at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::account::{AccountSpec, InstanceSpec, Role, Throttle};
use super::answer::{Answer, Error, Manner, Refusal, error_header};
use super::bucket::Bucket;
use super::call::{Call, Operation, Problem};
use super::callers::{Away, Callers};
use super::clock::Micros;
use super::derive::{self, ACCOUNT};
use super::fault::{self, Fault, Kind};
use super::history::History;
use super::record::{OpenedLine, Recorder, RequestLine};
use super::script::Script;
use super::stats::{Counters, Effects};
use super::store::KeyPairs;
use super::turn::{Place, Turn};
use super::world::{Deny, ErrorHeader, Latency, World};

/// The state of a world.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) id: String,
    pub(super) seed: u64,
    pub(super) rules: Rules,
    /// That of zeros first.
    pub(super) accounts: Vec<Account>,
    pub(super) callers: Callers,
    pub(super) regions: Vec<Region>,
    /// The names of the regions that GetRegions lists.
    pub(super) offered: Vec<String>,
    pub(super) counters: Counters,
    pub(super) recorder: Recorder,
    /// Why the record can no longer be written; if so, no request is answered any more.
    pub(super) broken: Option<String>,
    pub(super) last_operation: u64,
    /// Pending effects, by time and request.
    pub(super) due: BTreeMap<(Micros, u64), Due>,
    script: Script,
    seq: u64,
    last_at: Micros,
    /// How many more requests get an answer that credentials have expired, no matter who sends them.
    pub(super) expired_requests: u64,
}

/// What is the same for every request.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) latency_ms: Latency,
    pub(super) page_size: usize,
    pub(super) delay_ms: u64,
    pub(super) signature_life_ms: Option<u64>,
    pub(super) deny: Deny,
    pub(super) expire_after_deletes: Option<u64>,
    pub(super) history: fault::History,
    pub(super) error_header: ErrorHeader,
    denied: Vec<Operation>,
}

/// One account of a world.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) id: Arc<str>,
    /// The seed of its key pairs.
    seed: u64,
    throttle: Option<Throttle>,
    pub(super) instances: Vec<InstanceSpec>,
    pub(super) roles: BTreeMap<String, Role>,
    pub(super) effects: Effects,
}

/// One region, as far as it belongs to one account.
#[derive(Debug)]
pub(super) struct Region {
    /// The account's place in the world.
    pub(super) account: usize,
    pub(super) name: String,
    pub(super) pairs: KeyPairs,
    pub(super) history: History,
    bucket: Option<Bucket>,
}

/// A pending effect.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub(super) account: usize,
    pub(super) region: String,
    pub(super) name: String,
    /// The key pair that the request found: the effect applies to that one or to none. Without it, the request itself is still
    /// to be delivered, and applies to whatever has the name then.
    pub(super) arn: Option<String>,
    pub(super) caller: String,
    pub(super) hidden: bool,
    /// When the request arrived.
    pub(super) since: Micros,
    /// The operation that waits for it; without one, it opens one.
    pub(super) operation: Option<u64>,
}

/// What the server does about a request.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) manner: Manner,
    pub(super) delay_ms: u64,
    pub(super) request_id: String,
}

impl Region {
    fn is_at(&self, place: Place<'_>) -> bool {
        self.account == place.account && self.name == place.region
    }
}

impl Engine {
    /// The initial state. `opened_at` determines the id of this instance of the world.
    pub(super) fn new(world: World, recorder: Recorder, opened_at: Micros) -> Self {
        let id = format!("{}-{}", world.name, super::record::instance_digest(&world, opened_at));
        let seed = world.seed;
        let (offered, callers) = (world.offered(), Callers::new(&world.accounts));
        let mut engine = Self {
            id,
            seed,
            rules: Rules {
                latency_ms: world.latency_ms,
                page_size: world.page_size as usize,
                delay_ms: world.operations.delay_ms,
                signature_life_ms: world.signature_life_ms,
                denied: world.deny.operations.iter().filter_map(|action| Operation::named(action)).collect(),
                deny: world.deny,
                expire_after_deletes: world.credentials_expire_after_deletes,
                history: world.operation_history,
                error_header: world.error_header,
            },
            accounts: Vec::new(),
            callers,
            regions: Vec::new(),
            offered,
            counters: Counters::default(),
            recorder,
            broken: None,
            last_operation: 0,
            due: BTreeMap::new(),
            script: Script::new(world.faults),
            seq: 0,
            last_at: 0,
            expired_requests: 0,
        };
        let World { key_pairs, generate, instances, .. } = world;
        let zeros = AccountSpec { key_pairs, generate, instances, ..AccountSpec::default() };
        for (id, spec) in std::iter::once((ACCOUNT.to_owned(), zeros)).chain(world.accounts) {
            engine.settle(&id, spec, world.throttle.as_ref());
        }
        engine
    }

    /// Gives the world one more account.
    fn settle(&mut self, id: &str, spec: AccountSpec, throttle: Option<&Throttle>) {
        let account = self.accounts.len();
        self.accounts.push(Account {
            id: id.into(),
            seed: derive::account_seed(self.seed, id),
            throttle: spec.throttle.or_else(|| throttle.cloned()),
            instances: spec.instances,
            roles: spec.roles,
            effects: Effects::default(),
        });
        for (region, specs) in spec.key_pairs {
            let pairs = &mut self.region(Place { account, region: &region }).pairs;
            specs.into_iter().for_each(|spec| pairs.list(spec));
        }
        for entry in spec.generate {
            let region = entry.region.clone();
            self.region(Place { account, region: &region }).pairs.generate(entry);
        }
    }

    /// A session begins: callers whose credentials had expired have new ones.
    pub(super) fn open(&mut self, at: Micros) {
        self.tick(at);
        self.callers.renew();
        self.expired_requests = 0;
        let line = OpenedLine { world: &self.id, version: env!("CARGO_PKG_VERSION") };
        self.recorder.line("opened", self.last_at, &line);
        self.commit();
    }

    /// Handles one request. Its effects are in the record when this returns.
    pub(super) fn handle(&mut self, call: &Call, now: Micros) -> Reply {
        self.advance(now);
        self.seq += 1;
        let request_id = derive::request_id(self.seed, self.seq);
        let (caller, away) = self.callers.admit(&call.caller, call.token.as_deref(), self.last_at);
        let mut turn = Turn { call, caller, seq: self.seq, at: self.last_at, request_id, effects: Vec::new() };
        let (mut answer, manner, fault) = self.decide(&mut turn, away);
        if let Some(error) = answer.error {
            let with_header = match self.rules.error_header {
                ErrorHeader::Never => false,
                ErrorHeader::Always => true,
                ErrorHeader::Alternate => turn.seq.is_multiple_of(2),
            };
            if with_header && !call.operation.is_of_sts() {
                answer.headers.push(("x-amzn-errortype".to_owned(), error_header(error)));
            }
        }
        self.counters.count(call.operation, &answer, manner, fault);
        self.note(&turn, &answer, manner, fault);
        let (min, max) = (self.rules.latency_ms.min, self.rules.latency_ms.max);
        let delay_ms = if max == 0 { 0 } else { min + derive::jitter(self.seed, turn.seq, max - min) };
        let manner = if self.broken.is_some() { Manner::Cut } else { manner };
        Reply { answer, manner, delay_ms, request_id: turn.request_id }
    }

    /// Carries out every effect that is due, and records it.
    pub(super) fn tick(&mut self, now: Micros) {
        self.advance(now);
        self.commit();
    }

    /// What is at this place. Every region counts, because nobody knows which ones will exist.
    pub(super) fn region(&mut self, place: Place<'_>) -> &mut Region {
        let Place { account, region: name } = place;
        let index = self.regions.iter().position(|region| region.is_at(place)).unwrap_or_else(|| {
            let of = &self.accounts[account];
            let bucket = of.throttle.as_ref().map(|throttle| Bucket::new(&throttle.of(name)));
            let pairs = KeyPairs::new(Arc::clone(&of.id), name, of.seed);
            self.regions.push(Region { account, name: name.to_owned(), pairs, history: History::default(), bucket });
            self.regions.len() - 1
        });
        &mut self.regions[index]
    }

    fn advance(&mut self, now: Micros) {
        self.last_at = self.last_at.max(now);
        while let Some(((at, seq), due)) = self.due.pop_first() {
            if at > self.last_at {
                self.due.insert((at, seq), due);
                return;
            }
            if let Some(effect) = self.late(at, seq, &due) {
                self.recorder.line("effect", at, &effect);
            }
        }
    }

    fn decide(&mut self, turn: &mut Turn<'_>, away: Option<Away>) -> (Answer, Manner, Option<Kind>) {
        if let Err(refusal) = self.gate(turn, away) {
            return (self.refused(turn, &refusal), Manner::Whole, None);
        }
        let subject = self.subject(turn);
        let place = (&*turn.caller.account_id, turn.call.region.as_str());
        let Some(fault) = self.script.strike(turn.call.operation, place, subject.as_deref()) else {
            return (self.obey(turn, None), Manner::Whole, None);
        };
        let (answer, manner) = self.misbehave(turn, &fault);
        (answer, manner, Some(fault.kind))
    }

    /// The checks before the parameters are read.
    fn gate(&mut self, turn: &Turn<'_>, away: Option<Away>) -> Result<(), Refusal> {
        let call = turn.call;
        match &call.problem {
            Some(Problem::Unsigned) => return Err(Error::Unsigned.says("Missing Authentication Token")),
            Some(Problem::BadSignature(why)) => return Err(Error::BadSignature.says(why)),
            Some(Problem::UnknownOperation(name)) => {
                return Err(Error::UnknownOperation.says(format!("The operation {name} is not known.")));
            }
            Some(Problem::BadBody(why)) => return Err(Error::Serialization.says(why)),
            None => {}
        }
        if away == Some(Away::Unknown) {
            return Err(Error::UnknownCaller.says("The security token included in the request is invalid."));
        }
        if self.expired_requests > 0 || away == Some(Away::Expired) {
            self.expired_requests = self.expired_requests.saturating_sub(1);
            return Err(expired());
        }
        if !call.operation.is_of_sts()
            && let Some(bucket) = &mut self.region(turn.place()).bucket
            && !bucket.take(turn.at)
        {
            return Err(Error::Throttling.says("Rate exceeded"));
        }
        if self.rules.denied.contains(&call.operation) {
            return Err(denied(turn, "*"));
        }
        Ok(())
    }

    /// Carries out the operation.
    pub(super) fn obey(&mut self, turn: &mut Turn<'_>, fault: Option<&Fault>) -> Answer {
        let done = match turn.call.operation {
            Operation::DeleteKeyPair => self.delete_key_pair(turn, fault),
            Operation::CreateKeyPair => self.create_key_pair(turn),
            Operation::ImportKeyPair => self.import_key_pair(turn),
            Operation::GetKeyPair => self.get_key_pair(turn),
            Operation::GetKeyPairs => self.get_key_pairs(turn),
            Operation::GetOperation => self.get_operation(turn),
            Operation::GetOperations => self.get_operations(turn),
            Operation::GetOperationsForResource => self.get_operations_for_resource(turn),
            Operation::GetInstances => self.get_instances(turn),
            Operation::GetRegions => Ok(self.get_regions()),
            Operation::GetCallerIdentity => return Self::get_caller_identity(turn),
            Operation::AssumeRole => {
                let done = self.assume_role(turn);
                return done.unwrap_or_else(|refusal| self.refused(turn, &refusal));
            }
            Operation::Unknown => Err(Error::UnknownOperation.says("The operation is not known.")),
        };
        match done {
            Ok(body) => super::answer::json(body),
            Err(refusal) => self.refused(turn, &refusal),
        }
    }

    pub(super) fn refused(&self, turn: &Turn<'_>, refusal: &Refusal) -> Answer {
        refusal.answer(turn.call.operation, turn.call.json, &turn.request_id)
    }

    /// The key pair that a request is about; for GetOperation, the one its operation is about.
    fn subject(&self, turn: &Turn<'_>) -> Option<String> {
        let call = turn.call;
        let Some(id) = &call.input.operation_id else { return call.name().map(str::to_owned) };
        let region = self.regions.iter().find(|region| region.is_at(turn.place()))?;
        let operation = region.history.get(derive::operation_number(self.seed, id)?)?;
        Some(region.pairs.text(&operation.name))
    }

    fn note(&mut self, turn: &Turn<'_>, answer: &Answer, manner: Manner, fault: Option<Kind>) {
        if self.recorder.keeps() {
            let line = RequestLine::of(turn, answer, manner, fault);
            self.recorder.line("request", turn.at, &line);
            for effect in &turn.effects {
                self.recorder.line("effect", turn.at, effect);
            }
        }
        self.commit();
    }

    fn commit(&mut self) {
        if let Err(error) = self.recorder.commit() {
            self.broken = Some(error.to_string());
        }
    }
}

/// The refusal if the caller's credentials have expired.
pub(super) fn expired() -> Refusal {
    Error::Expired.says("The security token included in the request is expired")
}

/// The refusal if the caller is not permitted to do this.
pub(super) fn denied(turn: &Turn<'_>, resource: &str) -> Refusal {
    let operation = turn.call.operation;
    let service = if operation.is_of_sts() { "sts" } else { "lightsail" };
    Error::AccessDenied.says(format!(
        "User: {} is not authorized to perform: {service}:{} on resource: {resource}",
        turn.caller.arn,
        operation.name(),
    ))
}
