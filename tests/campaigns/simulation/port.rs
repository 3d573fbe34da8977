//! The simulated `Lightsail`: the world as a session meets it.

use std::sync::Arc;
use std::time::Duration;

use keybatch::domain::{Cause, Class, Identity, KeyPair, Operation, Reply};
use keybatch::lightsail::classify::classify_delete;
use keybatch::lightsail::{Caller, Instance, Lightsail, ListingPage};

use super::answers::{Answer, OnTheWire, refused, silence};
use super::fate::{ReadFate, leg};
use super::ledger::{Handle, Sim};
use super::model;
use super::time::Us;
use super::world::Record;

/// So few to a page that lists have several.
const PAGE: usize = 2;

/// The port of one session.
#[derive(Debug)]
pub(crate) struct Port {
    handle: Handle,
    account: String,
}

impl Port {
    async fn sleep_until(&self, at: Us) {
        let wait = u64::try_from(at - self.handle.time.now_us()).unwrap_or(0);
        tokio::time::sleep(Duration::from_micros(wait)).await;
    }

    /// One reading: on its way, answered by what the world is when it arrives, and on its way back. Tells the moment
    /// that the answer shows.
    async fn read<T: OnTheWire>(
        &self,
        (region, of): (&str, &str),
        look: impl FnOnce(&mut Sim, ReadFate) -> Answer<T> + Send,
    ) -> (Us, Reply<T>) {
        let sent = self.handle.time.now_us();
        if self.handle.sim().world.is_eve {
            let answer = look(&mut self.handle.sim(), ReadFate::Plain);
            let number = {
                let mut sim = self.handle.sim();
                sim.world.reads += 1;
                sim.world.reads
            };
            return (sent, answer.reply(format!("read-{number}"), 0));
        }
        let (fate, there, back, number, timeout) = {
            let mut sim = self.handle.sim();
            let world = &mut sim.world;
            world.reads += 1;
            world.departs((&self.account, region), sent);
            let fate = ReadFate::draw(&mut world.rng, &world.faults);
            (fate, leg(&mut world.rng), leg(&mut world.rng), world.reads, world.attempt_timeout)
        };
        let arrives = sent + there;
        let late = there + back >= timeout;
        self.sleep_until(arrives.min(sent + timeout)).await;
        let shows = self.handle.time.now_us();
        let answer = {
            let mut sim = self.handle.sim();
            let world = &sim.world;
            match fate {
                _ if late => silence(Class::Unanswered, Cause::Timeout),
                ReadFate::NoConnection => silence(Class::NotSent, Cause::ConnectFailed),
                ReadFate::Timeout => silence(Class::Unanswered, Cause::Timeout),
                ReadFate::Cut => silence(Class::Unanswered, Cause::Cut),
                ReadFate::Error => Answer::error(Some(500), Class::Unanswered, Cause::ServerError, "ServiceException"),
                _ if world.refuses_everybody((&self.account, region), shows) => {
                    refused(Class::RefusedForAll, "ExpiredTokenException")
                }
                ReadFate::Throttled => refused(Class::Throttled, "ThrottlingException"),
                _ if shows < world.throttled_until => refused(Class::Throttled, "ThrottlingException"),
                _ if shows < world.unreadable_until => refused(Class::Denied, "AccessDeniedException"),
                ReadFate::Plain | ReadFate::Garbled => look(&mut sim, fate),
            }
        };
        let silent = fate == ReadFate::Timeout || late;
        self.sleep_until(if silent { sent + timeout } else { shows + back }).await;
        let now = self.handle.time.now_us();
        let class = answer.result.as_ref().err().map(|error| error.class);
        self.handle.sim().world.note(now, || format!("read {of}: answered {class:?}, shows {shows}"));
        (shows, answer.reply(format!("read-{number}"), u64::try_from(now - sent).unwrap()))
    }

    fn shown(&self, region: &str, name: &str, shows: Us, identity: Option<&Identity>) {
        let mut sim = self.handle.sim();
        let world = &mut sim.world;
        let Some(index) = world.find(&self.account, region, name) else { return };
        let resource = &mut world.resources[index];
        resource.last_read = Some((shows, identity.cloned()));
        if resource.planned.as_ref() == identity && identity.is_some() {
            resource.last_same = shows;
        }
    }
}

fn not_found<T>() -> Answer<T> {
    refused(Class::NotFound, "NotFoundException")
}

/// A page of a list whose token is the last name on the page before.
fn page<T: Clone>(all: &[T], token: Option<&str>, key: impl Fn(&T) -> &str) -> ListingPage<T> {
    let from = token.map_or(0, |token| all.partition_point(|item| key(item) <= token));
    let items = all[from..].iter().take(PAGE).cloned().collect::<Vec<_>>();
    let next = if from + items.len() < all.len() { items.last().map(|item| key(item).to_owned()) } else { None };
    ListingPage { items, next }
}

impl Lightsail for Port {
    async fn delete_key_pair(&self, region: &str, name: &str, _: Option<&str>) -> Reply<Option<Operation>> {
        let sent = self.handle.time.now_us();
        let (number, answer_at) = {
            let mut sim = self.handle.sim();
            let Some(index) = sim.world.find(&self.account, region, name) else {
                sim.world.breaks(format!("a delete of {name}, which nobody planned"));
                return not_found().reply("none".into(), 0);
            };
            let attempt = model::before_sending(&mut sim, index, sent, &self.handle.time);
            let number = sim.world.send(index, attempt, sent);
            sim.world.departs((&self.account, region), sent);
            (number, sim.world.requests[number].answer_at)
        };
        self.sleep_until(answer_at).await;
        let now = self.handle.time.now_us();
        let mut sim = self.handle.sim();
        let answer = sim.world.requests[number].answer.clone();
        let class = classify_delete(name, &answer.result).0;
        sim.world.requests[number].delivered = Some(class);
        sim.world.note(now, || format!("request {number} is answered: {class:?}"));
        answer.reply(format!("request-{number}"), u64::try_from(now - sent).unwrap())
    }

    async fn get_key_pair(&self, region: &str, name: &str) -> Reply<KeyPair> {
        let (shows, reply) = self
            .read((region, name), |sim, fate| {
                let found = sim
                    .world
                    .find(&self.account, region, name)
                    .and_then(|index| sim.world.resources[index].current.clone());
                match found {
                    Some(found) if fate == ReadFate::Garbled => {
                        Answer::ok(KeyPair { name: "another".into(), ..found.pair })
                    }
                    Some(found) => Answer::ok(found.pair),
                    None => not_found(),
                }
            })
            .await;
        match &reply.result {
            Ok(pair) if pair.name == name => self.shown(region, name, shows, Some(&pair.identity)),
            Err(error) if error.class == Class::NotFound => self.shown(region, name, shows, None),
            _ => {}
        }
        reply
    }

    async fn get_key_pairs(&self, region: &str, token: Option<&str>) -> Reply<ListingPage<KeyPair>> {
        let now = self.handle.time.now_us();
        self.read((region, "the inventory"), |sim, _| {
            let here = sim.world.resources.iter().filter(|one| one.is_in(&self.account, region));
            let mut all: Vec<_> = here.filter_map(|one| one.current.as_ref().map(|found| found.pair.clone())).collect();
            all.sort_by(|one, other| one.name.cmp(&other.name));
            let page = page(&all, token, |pair| pair.name.as_str());
            if !sim.ledger.started {
                super::plan::listed(&mut sim.world, (&self.account, region), (token, page.next.as_deref()), now);
            }
            Answer::ok(page)
        })
        .await
        .1
    }

    async fn get_operation(&self, region: &str, id: &str) -> Reply<Operation> {
        self.read((region, id), |sim, fate| {
            let here = |op: &&super::world::Op| sim.world.resources[op.resource].is_in(&self.account, region);
            let found = sim.world.ops.iter().filter(here).find(|op| op.operation.id.as_deref() == Some(id));
            match found.map(|op| op.operation.clone()) {
                Some(found) if fate == ReadFate::Garbled => {
                    Answer::ok(Operation { id: Some("another".into()), ..found })
                }
                Some(found) => Answer::ok(found),
                None => not_found(),
            }
        })
        .await
        .1
    }

    async fn get_operations_for_resource(
        &self,
        region: &str,
        name: &str,
        token: Option<&str>,
    ) -> Reply<ListingPage<Operation>> {
        self.read((region, name), |sim, _| {
            let world = &sim.world;
            let Some(index) = world.find(&self.account, region, name) else { return not_found() };
            match (world.record, &world.resources[index].current) {
                (Record::Empty, None) => return Answer::ok(ListingPage { items: Vec::new(), next: None }),
                (Record::NotFound, None) => return not_found(),
                _ => {}
            }
            let mut all: Vec<_> =
                world.ops.iter().filter(|op| op.resource == index).map(|op| op.operation.clone()).collect();
            let id = |operation: &Operation| operation.id.clone().unwrap_or_default();
            all.sort_by_key(id);
            let all: Vec<_> = all.into_iter().map(|operation| (id(&operation), operation)).collect();
            let ListingPage { items, next } = page(&all, token, |(id, _)| id.as_str());
            Answer::ok(ListingPage { items: items.into_iter().map(|(_, operation)| operation).collect(), next })
        })
        .await
        .1
    }

    async fn get_instances(&self, _: &str, _: Option<&str>) -> Reply<ListingPage<Instance>> {
        Answer::ok(ListingPage { items: Vec::new(), next: None }).reply("none".into(), 0)
    }

    async fn get_regions(&self, region: &str) -> Reply<Vec<String>> {
        Answer::ok(vec![region.to_owned()]).reply("none".into(), 0)
    }

    async fn caller_identity(&self) -> Reply<Caller> {
        Answer::ok(caller(&self.account)).reply("none".into(), 0)
    }
}

/// Whose credentials those for an account are.
pub(crate) fn caller(account: &str) -> Caller {
    Caller { arn: format!("arn:aws:iam::{account}:user/sim"), account: account.to_owned() }
}

/// The port to an account.
pub(crate) fn port(handle: &Handle, account: &str) -> Arc<Port> {
    Arc::new(Port { handle: handle.clone(), account: account.to_owned() })
}
