//! What goes wrong with the records of a world: the member `cloudtrail` of its file.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::super::fault::Nth;
use super::event::{Event, Line, second};
use super::{id, somebody_else};

/// What goes wrong with records.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct TrailScript {
    /// What happens to some records of DeleteKeyPair.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    faults: Vec<TrailFault>,
    /// Calls by somebody else, of which nothing else in the world knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    foreign: Vec<Foreign>,
    /// So many of a thousand records are lost, by the seed.
    #[serde(default, skip_serializing_if = "is_zero")]
    lost_per_mille: u64,
    /// So many are repeated.
    #[serde(default, skip_serializing_if = "is_zero")]
    repeated_per_mille: u64,
    /// So many are delayed.
    #[serde(default, skip_serializing_if = "is_zero")]
    delayed_per_mille: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What happens to the records of DeleteKeyPair of this key pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrailFault {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(default)]
    nth: Nth,
    #[serde(rename = "do")]
    kind: TrailFaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TrailFaultKind {
    /// It is never delivered.
    Lose,
    /// It is delivered only later.
    Delay,
    /// It is delivered twice.
    Repeat,
    /// It has neither request id nor user agent.
    Bare,
    /// It says that the call was refused.
    Refuse,
}

/// A call by somebody else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Foreign {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// At the time of this DeleteKeyPair request, from 1.
    #[serde(default = "one")]
    at_delete: u64,
    #[serde(default)]
    denied: bool,
}

fn one() -> u64 {
    1
}

impl TrailScript {
    /// The calls by somebody else at the time of this request, which is the `number`th to delete something.
    pub(super) fn foreign(&self, seed: u64, number: u64, request: &Line) -> Vec<Event> {
        let now = self.foreign.iter().enumerate().filter(|(_, foreign)| foreign.at_delete == number);
        let event = |(place, foreign): (usize, &Foreign)| {
            let account = foreign.account.clone().unwrap_or_else(|| request.account().to_owned());
            Event {
                id: id(seed, "foreign event", &[place as u64]),
                time: second(&request.at),
                region: foreign.region.clone().unwrap_or_else(|| request.region.clone()),
                action: "DeleteKeyPair".to_owned(),
                name: foreign.name.clone(),
                source: "lightsail.amazonaws.com",
                by: somebody_else(&account),
                account,
                user_agent: Some("aws-cli/2.17.0 md/awscrt#0.20.11 exec-env/sandbox".to_owned()),
                source_ip: "203.0.113.7".to_owned(),
                request_id: Some(id(seed, "foreign request", &[place as u64])),
                error: foreign.denied.then(|| "AccessDeniedException".to_owned()),
                operation: None,
                shape: 2,
            }
        };
        now.map(event).collect()
    }

    /// Does to the events what the script says; returns how many are delayed, and not among them.
    pub(super) fn apply(&self, seed: u64, events: &mut Vec<Event>, late: bool) -> u64 {
        let mut counts = HashMap::<(String, Option<String>), u64>::new();
        let mut delayed = 0;
        let all = std::mem::take(events);
        for mut event in all {
            let mut kinds = self.by_chance(seed, &event);
            if event.action == "DeleteKeyPair" {
                let count = counts.entry((event.region.clone(), event.name.clone())).or_insert(0);
                *count += 1;
                kinds.extend(self.faults.iter().filter(|fault| fault.strikes(&event, *count)).map(|fault| fault.kind));
            }
            if kinds.contains(&TrailFaultKind::Bare) {
                (event.user_agent, event.request_id, event.operation) = (None, None, None);
            }
            if kinds.contains(&TrailFaultKind::Refuse) {
                event.error = Some("InvalidInputException".to_owned());
                event.operation = None;
            }
            if kinds.contains(&TrailFaultKind::Lose) {
                continue;
            }
            if kinds.contains(&TrailFaultKind::Delay) && !late {
                delayed += 1;
                continue;
            }
            if kinds.contains(&TrailFaultKind::Repeat) {
                events.push(event.clone());
            }
            events.push(event);
        }
        delayed
    }

    fn by_chance(&self, seed: u64, event: &Event) -> Vec<TrailFaultKind> {
        let chances = [
            (self.lost_per_mille, "lost", TrailFaultKind::Lose),
            (self.delayed_per_mille, "delayed", TrailFaultKind::Delay),
            (self.repeated_per_mille, "repeated", TrailFaultKind::Repeat),
        ];
        let strikes = |per_mille: u64, word: &str| {
            let bytes: Vec<u64> = event.id.bytes().map(u64::from).collect();
            let drawn = u64::from_str_radix(id(seed, word, &bytes).get(..8).unwrap_or("0"), 16).unwrap_or(0);
            drawn % 1_000 < per_mille
        };
        chances.iter().filter(|(per_mille, word, _)| strikes(*per_mille, word)).map(|(_, _, kind)| *kind).collect()
    }
}

impl TrailFault {
    fn strikes(&self, event: &Event, count: u64) -> bool {
        let is_it = |own: &Option<String>, other: Option<&String>| own.is_none() || own.as_ref() == other;
        let nth = match &self.nth {
            Nth::Every => true,
            Nth::These(list) => list.contains(&count),
        };
        nth && is_it(&self.name, event.name.as_ref()) && is_it(&self.region, Some(&event.region))
    }
}
