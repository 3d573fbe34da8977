//! The last question before anything is deleted: what, where, as whom, and how many. The number must be typed.

use std::io::BufRead as _;

use super::accounts::SESSION_OF_A_RUN;
use super::amount::whole_number;
use super::canary;
use super::code::Code;
use super::error::CliError;
use super::exit::Exit;
use super::selection::of_plan;
use super::shown;
use super::ui::{Ui, grouped};
use crate::domain::{Target, counted};
use crate::plan::{Changes, Plan};
use crate::policy::recreated::RECREATED;
use crate::record::plan::Severity;
use crate::session::{Confirmed, PlanFacts};

/// How many names are shown.
const NAMES: usize = 10;

/// Shows the plan.
pub(super) fn show(ui: &Ui, facts: &PlanFacts<'_>) {
    describe(facts, ui).iter().for_each(|line| ui.talk(line));
    ui.talk(format!("plan      {}", facts.plan.sealed.seal.root));
}

/// Asks for a confirmation of the plan at the terminal.
pub(super) async fn ask(ui: &Ui, deletes: u64) -> Result<Confirmed, CliError> {
    let shown = grouped(deletes);
    let pairs = if deletes == 1 { "key pair" } else { "key pairs" };
    let mut question =
        format!("Deletion cannot be undone. Type {shown} to delete {shown} {pairs}, or press Enter to decline:");
    for _ in 0..TRIES {
        ui.ask(&question);
        match typed(&line().await?, deletes) {
            Typed::Number => return Ok(Confirmed::Yes),
            Typed::Nothing => break,
            Typed::Other => question = format!("That is not {shown}. Type {shown}, or press Enter to decline:"),
        }
    }
    Ok(Confirmed::No)
}

/// How often the number may be typed.
const TRIES: u32 = 3;

/// What was typed at the prompt.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    /// The requested number; its digits may be in groups, as shown.
    Number,
    /// Nothing, or no; also if the terminal is gone.
    Nothing,
    /// Something else, perhaps mistyped.
    Other,
}

fn typed(line: &str, deletes: u64) -> Typed {
    let line = line.trim();
    let padded = line.starts_with('0') && deletes > 0;
    if !padded && whole_number(line) == Some(deletes) {
        Typed::Number
    } else if ["", "n", "no", "q", "quit"].contains(&line.to_lowercase().as_str()) {
        Typed::Nothing
    } else {
        Typed::Other
    }
}

/// The next line of the terminal.
async fn line() -> Result<String, CliError> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let read = read.await.map_err(|error| CliError::from_error(Exit::Unexpected, &error))?;
    read.map_err(|error| {
        CliError::new(Exit::Usage, format!("the terminal could not be read: {error}")).code(Code::NoTerminal)
    })
}

/// What the plan is, in lines for people.
pub(super) fn describe(facts: &PlanFacts<'_>, ui: &Ui) -> Vec<String> {
    let PlanFacts { plan, place, canary } = *facts;
    let sealed = &plan.sealed;
    let mut lines = Vec::new();
    if place.is_sandbox() {
        lines.push("SANDBOX: this is a rehearsal; nothing real is deleted".to_owned());
    }
    lines.extend(made_before(facts));
    lines.extend(of_plan(&sealed.header).map(|rows| format!("only      {}", shown(&rows))));
    lines.push(format!("account   {}", shown(&place.caller.account)));
    lines.push(format!("as        {}", shown(&place.caller.arn)));
    lines.extend(place.profile.iter().map(|profile| format!("profile   {}", shown(profile))));
    lines.extend(place.credentials_source.iter().map(|source| format!("through   {}", shown(source))));
    for reached in place.accounts.iter().filter(|reached| reached.caller != place.caller) {
        lines.push(format!("account   {}", shown(&reached.caller.account)));
        lines.push(format!("as        {}", shown(&reached.caller.arn)));
        lines.extend(reached.profile.iter().map(|profile| format!("profile   {}", shown(profile))));
        lines.extend(reached.credentials_source.iter().map(|source| format!("through   {}", shown(source))));
    }
    lines.push(format!("endpoint  {}", shown(&place.endpoint)));
    if let Some(setting) = &place.redirected_by {
        let address = shown(&place.address);
        lines.push(format!("redirect  {} sends requests to {address}, not to AWS", shown(setting)));
    }
    for target in &sealed.targets {
        let read = Target { account: target.account.clone(), region: target.region.clone() };
        let region = shown(&plan.place(&read));
        let now = plan.today.iter().find(|now| now.account == target.account && now.region == target.region);
        let (deletes, pairs) = (now.map_or(0, |now| now.deletes), target.key_pairs);
        let pairs = counted(pairs, "key pair", "key pairs");
        lines.push(format!("region    {region}: delete {deletes} of {pairs}"));
        if target.instances.is_none() {
            lines.push(format!(
                "warning   {region}: lightsail:GetInstances gave no answer, so it is unknown which key pairs are in use"
            ));
        }
    }
    lines.extend(canary.and_then(|most| canary::planned(most, sealed, ui)));
    let (rows, deletes) = (sealed.seal.rows, plan.deletes());
    let (skips, absents) =
        plan.today.iter().fold((0, 0), |(skips, absents), now| (skips + now.skips, absents + now.absents));
    lines.push(format!("rows      {rows}: {deletes} to delete, {skips} to skip, {absents} absent"));
    for (place, rows) in plan.nothing_there() {
        let rows = counted(rows, "row names a key pair", "rows name key pairs");
        lines.push(format!("warning   {}: {rows}; nothing of that name exists", shown(&place)));
    }
    lines.extend(changes(plan));
    for (kind, count) in &plan.shown.note_counts {
        lines.push(format!("note      {kind}: {count}"));
    }
    for (row, name, note) in plan.shown.recreated.iter().take(NAMES) {
        let done = if note.severity == Severity::Warn { "noted" } else { "skipped" };
        lines.push(format!("recreated row {row}, {} ({done}): {}", shown(name), shown(&note.text)));
    }
    let others = plan.shown.notes.iter().filter(|(_, _, note)| note.kind != RECREATED);
    for (row, name, note) in others.take(NAMES) {
        lines.push(format!("          row {row}, {}: {}", shown(name), shown(&note.text)));
    }
    if deletes > 0 {
        let names: Vec<_> = plan
            .shown
            .first
            .iter()
            .take(NAMES)
            .map(|(name, target)| format!("{}/{name}", plan.place(target)))
            .collect();
        let more = if deletes > names.len() as u64 { ", …" } else { "" };
        lines.push(format!("first     {}{more}", shown(&names.join(", "))));
    }
    lines
}

/// Who made the plan's file that is executed, and until when it may be; nothing where a run makes its own plan.
fn made_before(facts: &PlanFacts<'_>) -> Vec<String> {
    let PlanFacts { plan, place, .. } = facts;
    let header = &plan.sealed.header;
    let Some(expires) = &header.expires_at else { return Vec::new() };
    let mut lines = vec![format!("planned   {} by {}, until {expires}", header.made_at, shown(&header.made_by))];
    lines.extend(header.ticket.iter().map(|ticket| format!("ticket    {}", shown(ticket))));
    let now: Vec<_> =
        std::iter::once(&place.caller).chain(place.accounts.iter().map(|reached| &reached.caller)).collect();
    let is_now = |arn: &str| now.iter().any(|caller| is_same_caller(&caller.arn, arn));
    let others = header.callers.iter().filter(|caller| !is_now(&caller.arn));
    lines.extend(others.map(|caller| format!("caller    planned as {}", shown(&caller.arn))));
    lines
}

/// Whether both are the same caller. A role that keybatch assumed itself has a session that is named after the run: another one each
/// time. A name that somebody else gave to a session stands for somebody.
fn is_same_caller(one: &str, other: &str) -> bool {
    let role = |arn: &str| {
        let (role, session) = arn.rsplit_once('/')?;
        (role.contains(":assumed-role/") && session.starts_with(SESSION_OF_A_RUN)).then(|| role.to_owned())
    };
    one == other || role(one).is_some_and(|own| role(other) == Some(own))
}

/// The rows that have changed since the plan's file was made.
fn changes(plan: &Plan) -> Vec<String> {
    let Changes { count, first } = &plan.changes;
    if *count == 0 {
        return Vec::new();
    }
    let rows = counted(*count, "row has", "rows have");
    let mut lines = vec![format!("changed   {rows} changed since the plan was made, and are not deleted")];
    let each =
        |(row, name, why): &(u64, String, String)| format!("          row {row}, {}: {}", shown(name), shown(why));
    lines.extend(first.iter().take(NAMES).map(each));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_keybatch_assumed_is_the_same_caller_in_each_run() {
        let of = |role: &str, session: &str| format!("arn:aws:sts::111122223333:assumed-role/{role}/{session}");
        let same = |one: &str, other: &str| is_same_caller(one, other) && is_same_caller(other, one);
        assert!(same(&of("cleanup", "keybatch-0198"), &of("cleanup", "keybatch-0199")));
        assert!(same(&of("cleanup", "alice"), &of("cleanup", "alice")));
        assert!(!same(&of("cleanup", "alice"), &of("cleanup", "bob")), "people behind one role");
        assert!(!same(&of("cleanup", "alice"), &of("cleanup", "keybatch-0199")));
        assert!(!same(&of("cleanup", "keybatch-0198"), &of("admin", "keybatch-0198")));
        assert!(!same("arn:aws:iam::111122223333:user/keybatch-a", "arn:aws:iam::111122223333:user/keybatch-b"));
    }

    /// The number may be typed as it is shown, in groups; after a typo, keybatch asks again.
    #[test]
    fn what_is_typed_is_understood() {
        for yes in ["2499", " 2,499\n", "2'499", "2 499"] {
            assert_eq!(typed(yes, 2499), Typed::Number, "{yes:?}");
        }
        for no in ["", "\n", "no", "N", "q"] {
            assert_eq!(typed(no, 2499), Typed::Nothing, "{no:?}");
        }
        for other in ["2498", "yes", "2.499", "02499", "249", "2,49,9", "24,99"] {
            assert_eq!(typed(other, 2499), Typed::Other, "{other:?}");
        }
    }
}
