//! What a script does to events.

use std::collections::HashMap;

use super::super::fault::Nth;
use super::super::trail_script::{Foreign, TrailFault, TrailFaultKind, TrailScript};
use super::event::{Event, Line, second};
use super::names::{id, somebody_else};

/// The calls by somebody else at the time of this request, which is the `number`th to delete something.
pub(super) fn foreign(script: &TrailScript, seed: u64, number: u64, request: &Line) -> Vec<Event> {
    let now = script.foreign.iter().enumerate().filter(|(_, foreign)| foreign.at_delete == number);
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
pub(super) fn apply(script: &TrailScript, seed: u64, events: &mut Vec<Event>, late: bool) -> u64 {
    let mut counts = HashMap::<(String, Option<String>), u64>::new();
    let mut delayed = 0;
    let all = std::mem::take(events);
    for mut event in all {
        let mut kinds = by_chance(script, seed, &event);
        if event.action == "DeleteKeyPair" {
            let count = counts.entry((event.region.clone(), event.name.clone())).or_insert(0);
            *count += 1;
            kinds.extend(script.faults.iter().filter(|fault| strikes(fault, &event, *count)).map(|fault| fault.kind));
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

fn by_chance(script: &TrailScript, seed: u64, event: &Event) -> Vec<TrailFaultKind> {
    let chances = [
        (script.lost_per_mille, "lost", TrailFaultKind::Lose),
        (script.delayed_per_mille, "delayed", TrailFaultKind::Delay),
        (script.repeated_per_mille, "repeated", TrailFaultKind::Repeat),
    ];
    let strikes = |per_mille: u64, word: &str| {
        let bytes: Vec<u64> = event.id.bytes().map(u64::from).collect();
        let drawn = u64::from_str_radix(id(seed, word, &bytes).get(..8).unwrap_or("0"), 16).unwrap_or(0);
        drawn % 1_000 < per_mille
    };
    chances.iter().filter(|(per_mille, word, _)| strikes(*per_mille, word)).map(|(_, _, kind)| *kind).collect()
}

fn strikes(fault: &TrailFault, event: &Event, count: u64) -> bool {
    let is_it = |own: &Option<String>, other: Option<&String>| own.is_none() || own.as_ref() == other;
    let nth = match &fault.nth {
        Nth::Every => true,
        Nth::These(list) => list.contains(&count),
    };
    nth && is_it(&fault.name, event.name.as_ref()) && is_it(&fault.region, Some(&event.region))
}
