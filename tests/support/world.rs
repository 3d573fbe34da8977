//! The stand-in's state: key pairs, operations, the log of everything that arrived, and every effect.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::script::{Act, Effect};

/// The account that the stand-in belongs to.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The region of a key pair whose test does not care.
pub(crate) const HOME: &str = "us-east-1";
/// The name of a region's default key pair.
pub(crate) const DEFAULT_KEY_PAIR: &str = "LightsailDefaultKeyPair";

/// Region and name.
pub(crate) type Place = (String, String);

/// One incarnation of a key pair.
#[derive(Debug, Clone)]
pub(crate) struct KeyPair {
    pub(crate) arn: String,
    pub(crate) fingerprint: String,
    pub(crate) created_ms: i64,
    /// The number as it is sent: plain with a fraction, or in scientific form.
    pub(crate) created_number: String,
}

impl KeyPair {
    /// The time of creation as a manifest would give it.
    pub(crate) fn created_rfc3339(&self) -> String {
        jiff::Timestamp::from_millisecond(self.created_ms).expect("a time in range").to_string()
    }
}

/// An operation, which may still be under way.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) place: Place,
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) created_us: i64,
    pub(crate) polls_left: u32,
    pub(crate) end: &'static str,
    /// The incarnation that the operation deletes when it ends well.
    pub(crate) pending: Option<String>,
}

impl Operation {
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self.status, "Succeeded" | "Completed" | "Failed")
    }
}

/// One request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) at_us: i64,
    /// When it was answered, or its connection was over.
    pub(crate) ended_us: Option<i64>,
    pub(crate) operation: String,
    pub(crate) region: String,
    /// Whose signature it has.
    pub(crate) access_key_id: String,
    pub(crate) name: String,
    pub(crate) agent: String,
    pub(crate) body: String,
    pub(crate) request_id: String,
}

/// A key pair that ceased to exist.
#[derive(Debug, Clone)]
pub(crate) struct Gone {
    pub(crate) at_us: i64,
    pub(crate) place: Place,
    pub(crate) arn: String,
    /// Whether a DeleteKeyPair request did it.
    pub(crate) by_request: bool,
}

/// How "not found" is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotFound {
    TypeOnly,
    TypeAndCode,
    HeaderAndCode,
}

/// Everything the stand-in remembers.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) account: String,
    pub(crate) keys: BTreeMap<Place, KeyPair>,
    /// The incarnation under which each name was first made.
    pub(crate) originals: BTreeMap<Place, String>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) instances: Vec<(Place, String)>,
    pub(crate) log: Vec<Arrival>,
    pub(crate) gone: Vec<Gone>,
    pub(crate) script: HashMap<(String, String), VecDeque<Act>>,
    pub(crate) always: HashMap<(String, String), Act>,
    pub(crate) denied: BTreeSet<String>,
    pub(crate) expired: bool,
    pub(crate) history: bool,
    pub(crate) not_found: NotFound,
    pub(crate) page_size: usize,
    pub(crate) throttled: usize,
    /// How many seconds the `Date` of answers is ahead of the true time; without it, answers have none.
    pub(crate) date_ahead_s: Option<i64>,
    counter: u64,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            account: ACCOUNT.to_owned(),
            keys: BTreeMap::new(),
            originals: BTreeMap::new(),
            operations: Vec::new(),
            instances: Vec::new(),
            log: Vec::new(),
            gone: Vec::new(),
            script: HashMap::new(),
            always: HashMap::new(),
            denied: BTreeSet::new(),
            expired: false,
            history: true,
            not_found: NotFound::TypeAndCode,
            page_size: 7,
            throttled: 0,
            date_ahead_s: None,
            counter: 0,
        }
    }

    /// A number that was never given before.
    pub(crate) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Makes a key pair, a new incarnation where the name was used before.
    pub(crate) fn create(&mut self, region: &str, name: &str) -> KeyPair {
        let number = self.next();
        let spread = i64::try_from(number).unwrap_or(0);
        // Odd ones carry a fraction that binary floating point cannot hold, even ones are whole and in scientific form.
        let created_ms = 1_603_389_000_000 + spread * 60_000 + if number % 2 == 1 { 123 } else { 0 };
        let (seconds, fraction) = (created_ms / 1000, created_ms % 1000);
        let digits = seconds.to_string();
        let created_number = match fraction {
            0 => format!("{}.{}E9", &digits[..1], &digits[1..]),
            _ => format!("{digits}.{fraction:03}"),
        };
        let account = &self.account;
        let pair = KeyPair {
            arn: format!("arn:aws:lightsail:{region}:{account}:KeyPair/05859e3d-331d-48ba-9034-{number:012x}"),
            fingerprint: (0..20).map(|byte| format!("{:02x}", (number * 7 + byte) % 256)).collect::<Vec<_>>().join(":"),
            created_ms,
            created_number,
        };
        let place = (region.to_owned(), name.to_owned());
        self.originals.entry(place.clone()).or_insert_with(|| pair.arn.clone());
        self.keys.insert(place, pair.clone());
        pair
    }

    /// Takes a key pair away; says whether it was there.
    pub(crate) fn remove(&mut self, place: &Place, by_request: bool) -> bool {
        let Some(pair) = self.keys.remove(place) else { return false };
        self.gone.push(Gone { at_us: now_us(), place: place.clone(), arn: pair.arn, by_request });
        true
    }

    /// Lets an effect take hold; the operation that the service would keep is returned where there is one.
    pub(crate) fn apply(&mut self, effect: Effect, place: &Place) -> Option<Operation> {
        match effect {
            Effect::Nothing => None,
            Effect::Delete | Effect::DeleteAndRecreate => {
                if !self.remove(place, true) {
                    return None;
                }
                let operation = self.operation(place, "Succeeded", 0, "Succeeded");
                if effect == Effect::DeleteAndRecreate {
                    self.create(&place.0, &place.1);
                }
                Some(operation)
            }
            Effect::Vanish | Effect::VanishAndRecreate => {
                self.remove(place, false);
                if effect == Effect::VanishAndRecreate {
                    self.create(&place.0, &place.1);
                }
                None
            }
        }
    }

    /// Adds a DeleteKeyPair operation to the history.
    pub(crate) fn operation(
        &mut self,
        place: &Place,
        status: &'static str,
        polls: u32,
        end: &'static str,
    ) -> Operation {
        let number = self.next();
        let pending = (polls > 0).then(|| self.keys.get(place).map(|pair| pair.arn.clone())).flatten();
        let operation = Operation {
            id: format!("86973bab-7335-469e-801c-{number:012x}"),
            place: place.clone(),
            kind: "DeleteKeyPair",
            status,
            created_us: now_us(),
            polls_left: polls,
            end,
            pending,
        };
        self.operations.push(operation.clone());
        operation
    }

    /// Looks at an operation once, which may end it.
    pub(crate) fn poll(&mut self, id: &str) -> Option<Operation> {
        let index = self.operations.iter().position(|operation| operation.id == id)?;
        let operation = &mut self.operations[index];
        if !operation.is_terminal() && operation.polls_left != u32::MAX {
            operation.polls_left = operation.polls_left.saturating_sub(1);
            if operation.polls_left == 0 {
                operation.status = operation.end;
            }
        }
        let operation = operation.clone();
        let alive = self.keys.get(&operation.place).map(|pair| pair.arn.clone());
        if operation.is_terminal()
            && operation.status != "Failed"
            && operation.pending.is_some()
            && alive == operation.pending
        {
            self.remove(&operation.place, true);
        }
        Some(operation)
    }

    /// How the next request of that kind and name is to be treated.
    pub(crate) fn act(&mut self, operation: &str, name: &str) -> Act {
        for key in [(operation.to_owned(), name.to_owned()), (operation.to_owned(), "*".to_owned())] {
            if let Some(act) = self.script.get_mut(&key).and_then(VecDeque::pop_front) {
                return act;
            }
        }
        for key in [(operation.to_owned(), name.to_owned()), (operation.to_owned(), "*".to_owned())] {
            if let Some(act) = self.always.get(&key) {
                return act.clone();
            }
        }
        Act::ok()
    }
}

/// The wall clock in microseconds, to be compared with the journal's times.
#[expect(clippy::disallowed_methods, reason = "the stand-in shares nothing with the program, not even a clock")]
pub(crate) fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
