//! The stand-in as a test holds it: make key pairs, write scripts, look at what arrived and what came of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{
    script::{Act, Effect},
    server::Server,
    world::{Arrival, HOME, KeyPair, Place, State},
};

/// A Lightsail look-alike that shares no code with keybatch.
#[derive(Debug)]
pub(crate) struct StandIn {
    state: Arc<Mutex<State>>,
    port: u16,
    server: Option<Server>,
}

impl StandIn {
    /// An empty one on a free port.
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(State::new()));
        let server = Server::start(0, Arc::clone(&state));
        Self { state, port: server.address.port(), server: Some(server) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The state, to read or to change it directly.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the state is whole")
    }

    /// Makes a key pair in the usual region.
    pub(crate) fn key(&self, name: &str) -> KeyPair {
        self.state().create(HOME, name)
    }

    /// Makes several key pairs, `prefix-01` and so on, and returns their names.
    pub(crate) fn keys(&self, prefix: &str, count: usize) -> Vec<String> {
        let names: Vec<String> = (1..=count).map(|number| format!("{prefix}-{number:02}")).collect();
        for name in &names {
            self.key(name);
        }
        names
    }

    /// The next requests of that kind for that name (`*` for any) are treated so, later ones normally.
    pub(crate) fn script(&self, operation: &str, name: &str, acts: impl IntoIterator<Item = Act>) {
        let key = (operation.to_owned(), name.to_owned());
        self.state().script.entry(key).or_default().extend(acts);
    }

    /// Every request of that kind for that name is treated so.
    pub(crate) fn always(&self, operation: &str, name: &str, act: Act) {
        self.state().always.insert((operation.to_owned(), name.to_owned()), act);
    }

    /// Nobody may call this operation any more.
    pub(crate) fn deny(&self, operation: &str) {
        self.state().denied.insert(operation.to_owned());
    }

    /// Takes back every script, denial and expiry.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.script.clear();
        state.always.clear();
        state.denied.clear();
        state.expired = false;
    }

    /// Listens again on the same port after the endpoint has vanished.
    pub(crate) fn reappear(&mut self) {
        self.server = None;
        self.server = Some(Server::start(self.port, Arc::clone(&self.state)));
    }

    /// The requests of that kind that arrived, in order.
    pub(crate) fn arrived(&self, operation: &str) -> Vec<Arrival> {
        self.state().log.iter().filter(|arrival| arrival.operation == operation).cloned().collect()
    }

    /// The DeleteKeyPair requests for that name.
    pub(crate) fn deletes(&self, name: &str) -> usize {
        self.arrived("DeleteKeyPair").iter().filter(|arrival| arrival.name == name).count()
    }

    /// How often an operation was asked for.
    pub(crate) fn polls(&self) -> usize {
        self.arrived("GetOperation").len()
    }

    /// The kinds of requests about that name, in order.
    pub(crate) fn story(&self, name: &str) -> Vec<String> {
        let state = self.state();
        state.log.iter().filter(|arrival| arrival.name == name).map(|arrival| arrival.operation.clone()).collect()
    }

    /// Whether a key pair of that name exists in the usual region.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.state().keys.contains_key(&(HOME.to_owned(), name.to_owned()))
    }

    /// Whether the first incarnation of that name is still there.
    pub(crate) fn original_lives(&self, place: &Place) -> bool {
        let state = self.state();
        state.keys.get(place).map(|pair| &pair.arn) == state.originals.get(place) && state.keys.contains_key(place)
    }

    /// Waits until so many DeleteKeyPair requests have arrived; panics after 30 seconds.
    pub(crate) fn wait_for_deletes(&self, count: usize) {
        super::wait_until("DeleteKeyPair requests arrive", || self.arrived("DeleteKeyPair").len() >= count);
    }

    /// Pairs of DeleteKeyPair requests for one key pair that were in flight together (I3). A closed connection is
    /// noticed up to a tick late, hence the slack.
    pub(crate) fn overlaps(&self) -> Vec<String> {
        let mut earlier: BTreeMap<Place, Vec<Option<i64>>> = BTreeMap::new();
        let mut found = Vec::new();
        for arrival in self.arrived("DeleteKeyPair") {
            let place = (arrival.region, arrival.name);
            let ends = earlier.entry(place.clone()).or_default();
            let open = ends.iter().filter(|ended| ended.is_none_or(|ended| ended > arrival.at_us + 60_000)).count();
            found.extend(std::iter::repeat_n(format!("{} in {}", place.1, place.0), open));
            ends.push(arrival.ended_us);
        }
        found
    }

    /// Re-created incarnations that a request of ours deleted (I4); there must be none.
    pub(crate) fn wrong_deletions(&self) -> Vec<String> {
        let state = self.state();
        let wrong =
            state.gone.iter().filter(|gone| gone.by_request && state.originals.get(&gone.place) != Some(&gone.arn));
        wrong.map(|gone| format!("{} {}", gone.place.1, gone.arn)).collect()
    }

    /// The incarnations of that name that requests of ours deleted.
    pub(crate) fn deleted_by_us(&self, place: &Place) -> usize {
        self.state().gone.iter().filter(|gone| gone.by_request && gone.place == *place).count()
    }

    /// An effect on a name in the usual region, by nobody's request.
    pub(crate) fn by_others(&self, effect: Effect, name: &str) {
        self.state().apply(effect, &(HOME.to_owned(), name.to_owned()));
    }
}
