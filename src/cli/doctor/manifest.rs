//! `doctor --manifest`: whether a run of this manifest could succeed, target by target.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;

use super::super::diagnosis::{Diagnosis, Health, diagnosis};
use super::super::files::open_manifest;
use super::super::machine::Machine;
use super::super::options::SessionOptions;
use super::super::scratch::directory;
use super::super::{CliError, Context, Exit, faults, network, shown};
use crate::domain::{ApiError, Class, counted, time_text};
use crate::review::Given;
use crate::session::order::{ExamineOrder, Subject};
use crate::session::{self, AtService, MOST_REQUESTS, TargetExamined, Trial};

/// What a row takes in the journal, rounded up: a rehearsal of four thousand rows took 1.7 KB each (docs/PERFORMANCE.md says of what),
/// and a row whose answer is lost has a few entries more.
const BYTES_PER_ROW: u64 = 3_000;

/// Signatures are accepted so long before and after the service's own time.
const SKEW_LIMIT: SignedDuration = SignedDuration::from_mins(5);

/// A difference that a date in whole seconds, and the way of the answer, do not explain.
const NOTABLE_SKEW: SignedDuration = SignedDuration::from_secs(3);

/// Actions without which nothing may be deleted.
const NEEDED: [&str; 2] = ["lightsail:GetKeyPairs", "lightsail:GetKeyPair"];

/// Which manifest, and how it is read.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ManifestOptions {
    /// Check also whether a run of this CSV file could succeed, in each of its regions and accounts; sends only reads
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Skip invalid rows instead of refusing the manifest
    #[arg(long, env = "KEYBATCH_SKIP_INVALID", requires = "manifest")]
    skip_invalid: bool,
    /// Treat COLUMN as an annotation even if its name or values look like a condition; may be repeated
    #[arg(long, env = "KEYBATCH_ANNOTATION", value_name = "COLUMN")]
    annotation: Vec<String>,
    /// Allow rows that name the default key pair
    #[arg(long, env = "KEYBATCH_ALLOW_DEFAULT_KEY_PAIR")]
    allow_default_key_pair: bool,
}

impl ManifestOptions {
    /// What is found about the manifest at `path`.
    ///
    /// # Errors
    /// If it is refused, as `run` would refuse it.
    pub(super) async fn check(
        &self,
        path: &Path,
        options: &SessionOptions,
        context: &Context,
    ) -> Result<Vec<Diagnosis>, CliError> {
        let machine = Machine::reading(context, options);
        let subject = Subject {
            manifest: path.display().to_string(),
            skip_invalid: self.skip_invalid,
            annotations: self.annotation.clone(),
            allow_default_key_pair: self.allow_default_key_pair,
            ..Subject::default()
        };
        let order = options.order(context, Default::default());
        let order = ExamineOrder { order, subject, directory: directory(context)? };
        let refused = |error| {
            let mut error = CliError::from(error);
            error.details.report = error.details.faults.as_ref().map(|found| faults::report(context, found));
            error
        };
        let examined = session::examine(&machine, &order, open_manifest(path)?).await.map_err(refused)?;
        let rows = counted(examined.rows, "row", "rows");
        let mut findings = vec![
            diagnosis("manifest", Health::Good, format!("{}: {rows}, no fault", shown(&path.to_string_lossy()))),
            space(context.journal.beside(), examined.rows),
        ];
        match examined.reached {
            Ok(found) => findings.extend(at_service(&found)),
            Err(error) => {
                let error = refused(error);
                if error.exit != Exit::Environment {
                    return Err(error);
                }
                findings.push(diagnosis("service", Health::Bad, said(&error, &context.ui.given)));
            }
        }
        Ok(findings)
    }
}

fn said(error: &CliError, given: &Given) -> String {
    error.hints.iter().fold(error.message.clone(), |text, hint| format!("{text}; {}", hint.told(given)))
}

/// Whether the disk has room for a run of so many rows.
fn space(journal: &Path, rows: u64) -> Diagnosis {
    let needed = rows.saturating_mul(BYTES_PER_ROW);
    let existing = journal.ancestors().find(|ancestor| !ancestor.as_os_str().is_empty() && ancestor.exists());
    let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
    match rustix::fs::statvfs(existing.unwrap_or(Path::new("."))) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            // The log grows beside the database before it is folded into it.
            let health = if free < needed.saturating_mul(2) { Health::Bad } else { Health::Good };
            let text = format!("the journal of this run takes about {} MiB; {} MiB are free", mib(needed), mib(free));
            diagnosis("space", health, text)
        }
        Err(error) => diagnosis("space", Health::Note, format!("cannot determine the free space: {error}")),
    }
}

fn at_service(found: &AtService) -> Vec<Diagnosis> {
    let place = &found.place;
    let sandbox = if place.is_sandbox() { " (SANDBOX)" } else { "" };
    let caller = format!("{} of account {}{sandbox}", place.caller.arn, place.caller.account);
    let mut findings = vec![diagnosis("caller", Health::Good, shown(&caller))];
    for reached in &place.accounts {
        let text = format!("{} of account {}", reached.caller.arn, reached.caller.account);
        findings.push(diagnosis("caller", Health::Good, shown(&text)));
    }
    for (account, why) in &found.unreached {
        findings.push(diagnosis("caller", Health::Bad, shown(&format!("account {account} is not reached: {why}"))));
    }
    findings.extend(found.targets.iter().flat_map(of_target));
    findings.push(diagnosis(
        "delete",
        Health::Note,
        "lightsail:DeleteKeyPair was not tried, because that cannot be done without deleting: run with --canary 1 first",
    ));
    let requests = counted(found.requests, "request that reads was", "requests that read were");
    findings.push(diagnosis(
        "requests",
        Health::Good,
        format!("{requests} sent to Lightsail, at most {MOST_REQUESTS} in each region and 1 more for each account"),
    ));
    findings
}

fn of_target(target: &TargetExamined) -> Vec<Diagnosis> {
    let place = shown(&target.target.to_string());
    let mut findings = Vec::new();
    if let Some(expiry) = target.expiry {
        let text = format!("{place}: the credentials expire at {}", time_text(expiry));
        findings.push(diagnosis("expiry", Health::Note, text));
    }
    findings.extend(target.ahead.map(|ahead| clock(&place, ahead)));
    if target.trials.iter().any(|trial| trial.is_foreign) {
        let text = format!("{place}: answers come from another service than the one that said who the caller is");
        findings.push(diagnosis("endpoint", Health::Bad, text));
    }
    findings.extend(target.trials.iter().filter(|trial| trial.name.is_none()).map(|trial| permission(&place, trial)));
    findings.extend(sample(&place, target));
    findings
}

fn clock(place: &str, ahead: SignedDuration) -> Diagnosis {
    let differs = ahead.abs();
    let seconds = differs.as_secs();
    let which = if ahead.is_negative() { "behind" } else { "ahead of" };
    if differs >= SKEW_LIMIT {
        let text =
            format!("{place}: this clock is {seconds} s {which} the service's, which refuses such requests: set it");
        return diagnosis("clock", Health::Bad, text);
    }
    if differs >= NOTABLE_SKEW {
        let text = format!("{place}: this clock is {seconds} s {which} the service's; let it be set by the network");
        return diagnosis("clock", Health::Note, text);
    }
    diagnosis("clock", Health::Good, format!("{place}: this clock agrees with the service's"))
}

/// What a request shows about the permission to make it.
fn permission(place: &str, trial: &Trial) -> Diagnosis {
    let action = trial.action;
    let is_needed = NEEDED.contains(&action);
    let error = match &trial.result {
        Ok(_) => return diagnosis("permission", Health::Good, format!("{place}: {action} is permitted")),
        Err(error) => error,
    };
    match error.class {
        // What was looked for does not exist, and is not meant to.
        Class::NotFound | Class::Refused if !is_needed => {
            diagnosis("permission", Health::Good, format!("{place}: {action} is permitted"))
        }
        Class::Denied if !is_needed => {
            let text = format!("{place}: {action} is not permitted: {}", without(action));
            diagnosis("permission", Health::Note, text)
        }
        Class::Throttled => {
            diagnosis("permission", Health::Note, format!("{place}: {action} was throttled, so this is not known"))
        }
        _ => diagnosis("permission", Health::Bad, format!("{place}: {action}: {}", with_hint(error))),
    }
}

/// What is lost where an action is not permitted that a run can do without.
fn without(action: &str) -> &'static str {
    match action {
        "lightsail:GetInstances" => "it stays unknown which key pairs are in use",
        "lightsail:GetRegions" => "only `inventory --all-regions` needs it",
        _ => "a request whose answer is lost is settled only by reading the key pair",
    }
}

/// Whether the first key pairs of the manifest are there.
fn sample(place: &str, target: &TargetExamined) -> Vec<Diagnosis> {
    let read: Vec<_> = target.trials.iter().filter(|trial| trial.name.is_some()).collect();
    let refused = read.iter().find_map(|trial| {
        let error = trial.result.as_ref().err().filter(|error| error.class != Class::NotFound)?;
        Some((trial, error))
    });
    if let Some((trial, error)) = refused {
        let name = shown(trial.name.as_deref().unwrap_or_default());
        let text = format!("{place}: {} of {name}: {}", trial.action, with_hint(error));
        let health = if error.class == Class::Throttled { Health::Note } else { Health::Bad };
        return vec![diagnosis("permission", health, text)];
    }
    if read.is_empty() {
        return Vec::new();
    }
    let there = read.iter().filter(|trial| trial.result.is_ok()).count();
    let (all, rows) = (read.len(), counted(target.rows, "row", "rows"));
    let text = format!("{place}: {there} of the first {all} key pairs of its {rows} exist");
    if there == 0 {
        let text = format!("{text}: check account, region and profile");
        return vec![diagnosis("key pairs", Health::Note, text)];
    }
    vec![diagnosis("key pairs", Health::Good, text)]
}

fn with_hint(error: &ApiError) -> String {
    network::hints(error).into_iter().fold(error.summary(), |text, hint| format!("{text}; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEMANTICS: P93
    #[test]
    fn a_run_that_does_not_fit_on_the_disk_is_found() {
        let here = Path::new(".");
        assert_eq!(space(here, 10).health, Health::Good);
        assert_eq!(space(here, u64::MAX / BYTES_PER_ROW).health, Health::Bad);
        assert_eq!(space(Path::new("/nowhere/at/all/journal.db"), u64::MAX).health, Health::Bad);
    }

    // SEMANTICS: P93
    #[test]
    fn a_clock_is_judged_by_what_signatures_permit() {
        let health = |seconds| clock("r", SignedDuration::from_secs(seconds)).health;
        assert_eq!([0, 2, -2].map(health), [Health::Good; 3]);
        assert_eq!([3, -3, 299].map(health), [Health::Note; 3]);
        assert_eq!([300, -300].map(health), [Health::Bad; 2]);
    }
}
