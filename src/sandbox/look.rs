//! The operations that only read a world, with their pages.
//!
//! Reading changes nothing, with one exception that the script can demand: a slow operation ends at its last poll. Page
//! tokens name a place, not a count, so that key pairs may vanish between two pages; an invalid token is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::account::InstanceSpec;
use super::act::{missing, required, required_name};
use super::answer::{Error, Object, Refusal, Style, list};
use super::clock::{Micros, from_timestamp};
use super::derive::{self, Identity};
use super::engine::{Engine, Region};
use super::history;
use super::store::Cursor;
use super::turn::Turn;

/// A day.
const DAY: Micros = 86_400 * 1_000_000;

impl Engine {
    pub(super) fn get_key_pair(&mut self, turn: &Turn<'_>) -> Result<String, Refusal> {
        let name = required_name(turn.call.input.key_pair_name.as_ref(), "keyPairName")?;
        let pair = self.region(turn.place()).pairs.get(&name).ok_or_else(|| missing(&name))?;
        Ok(Object::new().raw("keyPair", &self.style(turn).key_pair(&pair)).end())
    }

    pub(super) fn get_key_pairs(&mut self, turn: &Turn<'_>) -> Result<String, Refusal> {
        let from = self.page_token(turn)?.map(|token| cursor(&token).ok_or_else(bad_token)).transpose()?;
        let with_default = turn.call.input.include_default_key_pair.unwrap_or(false);
        let limit = self.rules.page_size;
        let (page, next) = self.region(turn.place()).pairs.page(from.as_ref(), limit, with_default);
        let style = self.style(turn);
        let token = next.map(|next| match next {
            Cursor::Listed(name) => format!("l:{name}"),
            Cursor::Generated { block, number } => format!("g:{block}:{number}"),
        });
        Ok(paged("keyPairs", page.iter().map(|pair| style.key_pair(pair)), token))
    }

    pub(super) fn get_operation(&mut self, turn: &mut Turn<'_>) -> Result<String, Refusal> {
        let id = required(turn.call.input.operation_id.as_ref(), "operationId")?;
        let unknown = || Error::NotFound.says(format!("The Operation does not exist: {id}"));
        let number = derive::operation_number(self.seed, &id).ok_or_else(unknown)?;
        let at = turn.at;
        let region = self.region(turn.place());
        region.history.get(number).ok_or_else(unknown)?;
        let mut takes_hold = false;
        if let Some(course) = region.history.course_mut(number)
            && let Some(left @ 1..) = course.polls_left
        {
            course.polls_left = Some(left - 1);
            if left == 1 {
                course.changed_at = at;
                takes_hold = course.effect_at_end;
            }
        }
        if takes_hold {
            self.finish_polled(turn, number);
        }
        Ok(self.operation_body(turn, number))
    }

    pub(super) fn get_operations(&mut self, turn: &Turn<'_>) -> Result<String, Refusal> {
        let after = self.number_token(turn)?;
        let limit = self.rules.page_size;
        let style = self.style(turn);
        let region = self.region(turn.place());
        let (page, more) = region.history.page(after, limit);
        Ok(operations(style, turn, region, &page, more))
    }

    pub(super) fn get_operations_for_resource(&mut self, turn: &Turn<'_>) -> Result<String, Refusal> {
        let name = required_name(turn.call.input.resource_name.as_ref(), "resourceName")?;
        let after = self.number_token(turn)?;
        let limit = self.rules.page_size;
        let style = self.style(turn);
        let region = self.region(turn.place());
        match region.history.page_of(&region.pairs.name(&name), after, limit) {
            Some((page, more)) => Ok(operations(style, turn, region, &page, more)),
            None if region.pairs.get(&name).is_some() => Ok(paged("operations", std::iter::empty(), None)),
            None => Err(Error::NotFound.says(format!("The resource does not exist: {name}"))),
        }
    }

    pub(super) fn get_instances(&mut self, turn: &Turn<'_>) -> Result<String, Refusal> {
        let from = usize::try_from(self.number_token(turn)?).unwrap_or(usize::MAX);
        let style = self.style(turn);
        let instances = &self.accounts[turn.caller.account].instances;
        let here = || instances.iter().filter(|instance| instance.region == turn.call.region);
        let page = here().skip(from).take(self.rules.page_size);
        let end = from.saturating_add(self.rules.page_size);
        let token = (here().count() > end).then(|| format!("n:{end}"));
        // One that uses a key pair was created after it, where nothing else is said.
        let after = |name: &str| Identity::of(self.seed, &turn.call.region, name, 0).created_at_us() + DAY;
        let born = |instance: &InstanceSpec| {
            let key = instance.ssh_key_name.as_deref().unwrap_or(&instance.name);
            instance.created_at.map_or_else(|| after(key), from_timestamp)
        };
        Ok(paged("instances", page.map(|instance| style.instance(instance, born(instance))), token))
    }

    /// The regions of the world, in whichever region that is asked.
    pub(super) fn get_regions(&self) -> String {
        Object::new().raw("regions", &list(self.offered.iter().map(|name| region(name)))).end()
    }

    pub(super) fn style<'a>(&self, turn: &'a Turn<'_>) -> Style<'a> {
        Style {
            account: &turn.caller.account_id,
            region: &turn.call.region,
            seed: self.seed,
            scientific: turn.seq.is_multiple_of(2),
        }
    }

    fn page_token(&self, turn: &Turn<'_>) -> Result<Option<String>, Refusal> {
        let Some(token) = &turn.call.input.page_token else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad_token())?;
        String::from_utf8(bytes).map(Some).map_err(|_| bad_token())
    }

    fn number_token(&self, turn: &Turn<'_>) -> Result<u64, Refusal> {
        let Some(token) = self.page_token(turn)? else { return Ok(0) };
        token.strip_prefix("n:").and_then(|number| number.parse().ok()).ok_or_else(bad_token)
    }
}

fn operations(style: Style<'_>, turn: &Turn<'_>, region: &Region, page: &[&history::Operation], more: bool) -> String {
    let token = page.last().filter(|_| more).map(|last| format!("n:{}", last.number));
    let show = |operation: &&history::Operation| {
        let name = region.pairs.text(&operation.name);
        style.operation(operation, region.history.course(operation.number), &name, turn.at)
    };
    paged("operations", page.iter().map(show), token)
}

fn paged(field: &str, items: impl Iterator<Item = String>, token: Option<String>) -> String {
    let object = Object::new().raw(field, &list(items));
    match token {
        Some(token) => object.text("nextPageToken", &URL_SAFE_NO_PAD.encode(token)),
        None => object,
    }
    .end()
}

/// A region as GetRegions lists it to those who do not ask for its zones.
fn region(name: &str) -> String {
    let continent = match name.split('-').next() {
        Some("eu") => "EU",
        Some("ap") => "AP",
        Some("sa") => "SA",
        _ => "NA",
    };
    Object::new()
        .raw("availabilityZones", "[]")
        .text("continentCode", continent)
        .text("description", "This region is in the keybatch sandbox")
        .text("displayName", name)
        .text("name", name)
        .raw("relationalDatabaseAvailabilityZones", "[]")
        .end()
}

fn cursor(token: &str) -> Option<Cursor> {
    if let Some(name) = token.strip_prefix("l:") {
        return Some(Cursor::Listed(name.to_owned()));
    }
    let (block, number) = token.strip_prefix("g:")?.split_once(':')?;
    Some(Cursor::Generated { block: block.parse().ok()?, number: number.parse().ok()? })
}

fn bad_token() -> Refusal {
    Error::InvalidInput.says("The page token is not valid.")
}
