//! A manifest that is run again: which earlier run it had, what follows from that, and what earlier runs know of its names.

use std::path::Path;

use super::code::Code;
use super::connect::{Connection, world_directory};
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::liveness::at_rest;
use super::{Context, shown};
use crate::domain::{RunId, counted};
use crate::journal::RunState;
use crate::journal::sqlite::stage::Stage;
use crate::journal::sqlite::{RunRecord, SqliteReader};
use crate::plan::recreated::{Earlier, IfRecreated, learn};

/// What the user wants if this manifest already has a run.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct AgainArgs {
    /// Run a manifest again after a finished run of it; key pairs re-created since then are skipped
    #[arg(long)]
    pub(super) again: bool,
    /// Continue this manifest's run, or report again how it ended; begin one if there is none
    #[arg(long, env = "KEYBATCH_RESUME")]
    pub(super) resume: bool,
    /// What to do with key pairs that were re-created since a run of another manifest
    #[arg(long, env = "KEYBATCH_IF_RECREATED", value_name = "WHAT", default_value = "warn")]
    pub(super) if_recreated: Recreated,
}

/// What to do about key pairs that were re-created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Recreated {
    /// Delete them, with a warning
    #[default]
    Warn,
    /// Skip them
    Skip,
    /// Refuse the plan
    Refuse,
}

impl From<Recreated> for IfRecreated {
    fn from(recreated: Recreated) -> Self {
        match recreated {
            Recreated::Warn => Self::Warn,
            Recreated::Skip => Self::Skip,
            Recreated::Refuse => Self::Refuse,
        }
    }
}

impl AgainArgs {
    /// Refuses two contradicting options. clap cannot: for clap, a variable set to "no" counts as given, too.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn check(self) -> Result<(), CliError> {
        if self.again && self.resume {
            let message = "--again begins a new run, and --resume continues an existing one: pass only one of them";
            return Err(CliError::new(Exit::Usage, message).sent(Sent::Nothing));
        }
        Ok(())
    }

    /// These settings, for the journal.
    pub(super) fn named(&self) -> Vec<(&'static str, String)> {
        let if_recreated = match self.if_recreated {
            Recreated::Warn => "warn",
            Recreated::Skip => "skip",
            Recreated::Refuse => "refuse",
        };
        let mut named = vec![("if_recreated", if_recreated.to_owned())];
        named.extend(self.again.then(|| ("again", "true".to_owned())));
        named
    }
}

/// Where a run deletes key pairs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// In a world of this name that is created for it and kept beside the journal.
    BuiltIn { world: &'a str, journal: &'a Path },
    /// Where this connection leads.
    Connected(&'a Connection),
}

impl Place<'_> {
    /// Whether that run was there.
    fn is_of(&self, record: &RunRecord) -> bool {
        let endpoint = record.endpoint.as_deref().unwrap_or_default();
        match self {
            Self::BuiltIn { world, journal } => {
                let named = endpoint.strip_prefix("sandbox:").and_then(|id| id.rsplit_once('-'));
                named.is_some_and(|(name, _)| name == *world) && world_directory(journal, record.run).exists()
            }
            Self::Connected(connection) => {
                record.account.as_deref() == Some(&connection.caller.account)
                    && is_same_service(endpoint, &connection.endpoint)
            }
        }
    }
}

/// Whether key pairs are the same behind both addresses: whichever of the service's own addresses is used, they are.
fn is_same_service(one: &str, other: &str) -> bool {
    one == other || (is_aws(one) && is_aws(other))
}

/// Whether an address is one of AWS's own, in any partition, with FIPS or for both versions of IP.
fn is_aws(address: &str) -> bool {
    let host = address.strip_prefix("https://").unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"]
        .iter()
        .any(|suffix| host.ends_with(suffix))
}

/// What to do with a manifest that may have been run before.
#[derive(Debug)]
pub(super) enum Admitted {
    /// A run begins, although one of this manifest is finished if `again`.
    Begin { again: bool },
    /// This run continues.
    GoOn(RunRecord),
    /// This run is finished; report how it ended.
    Finished(RunRecord),
}

/// The journal with the earlier runs. A dry run has a journal of its own, so for it this is the configured one, if it exists.
///
/// # Errors
/// If a journal exists and cannot be read.
pub(super) async fn past(
    dry_run: bool,
    context: &Context,
    reader: &SqliteReader,
) -> Result<Option<SqliteReader>, CliError> {
    if !dry_run {
        return Ok(Some(reader.clone()));
    }
    let path = &context.journal;
    // One whose creation was interrupted is empty.
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > 0 => Ok(Some(SqliteReader::open(path).await?)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("the journal {} cannot be read: {error}", path.display());
            Err(CliError::new(Exit::Environment, message).code(Code::JournalUnusable).sent(Sent::Nothing))
        }
    }
}

/// Whether a manifest with this digest may begin a run at `place`. An unfinished run of it is that run's business; a finished
/// one is repeated only on demand. Abandoned runs count as none.
///
/// # Errors
/// The refusal, or where the journal cannot be read.
pub(super) async fn admit(
    args: AgainArgs,
    past: Option<&SqliteReader>,
    sha256: &str,
    place: Place<'_>,
) -> Result<Admitted, CliError> {
    let Some(past) = past else { return Ok(Admitted::Begin { again: false }) };
    let runs = past.runs().await?;
    let same = |record: &&RunRecord| record.manifest_sha256.as_deref() == Some(sha256) && place.is_of(record);
    let latest = |is_meant: fn(&RunState) -> bool| {
        runs.iter().rev().filter(same).find(|record| is_meant(&record.state)).cloned()
    };
    let sent = if matches!(place, Place::BuiltIn { .. }) { Sent::Nothing } else { Sent::Reads };
    if let Some(record) = latest(RunState::is_unfinished) {
        return if args.resume { Ok(Admitted::GoOn(record)) } else { Err(unfinished(&record).sent(sent)) };
    }
    match latest(|state| *state == RunState::Finished) {
        Some(record) if args.resume => Ok(Admitted::Finished(record)),
        // Another world of the same name is another place: what was done in the last one says nothing about it.
        Some(_) if matches!(place, Place::BuiltIn { .. }) => Ok(Admitted::Begin { again: false }),
        Some(record) if !args.again => Err(finished(&record).sent(sent)),
        found => Ok(Admitted::Begin { again: found.is_some() }),
    }
}

/// The run of this manifest that will probably continue, as far as is known before connecting.
///
/// # Errors
/// Where the journal cannot be read.
pub(super) async fn likely(
    past: Option<&SqliteReader>,
    sha256: &str,
    journal: &Path,
) -> Result<Option<RunId>, CliError> {
    let Some(past) = past else { return Ok(None) };
    // A rehearsal whose world is kept beside the journal can continue only there.
    let goes_on = |record: &RunRecord| {
        record.manifest_sha256.as_deref() == Some(sha256)
            && record.state.is_unfinished()
            && !(record.sandbox && world_directory(journal, record.run).exists())
    };
    Ok(past.runs().await?.into_iter().rev().find(goes_on).map(|record| record.run))
}

/// What a dry run says of a run that would not begin.
pub(super) fn say_instead(context: &Context, admitted: &Admitted) -> Exit {
    match admitted {
        Admitted::Begin { .. } => {}
        Admitted::GoOn(record) => {
            context.ui.say(&format!("dry run: this would continue run {} ({})", record.run, record.state));
        }
        Admitted::Finished(record) => {
            context.ui.say(&format!("dry run: this would do nothing, because run {} is finished", record.run));
        }
    }
    Exit::Success
}

fn unfinished(record: &RunRecord) -> CliError {
    let run = record.run;
    CliError::new(Exit::Unfinished, format!("run {run} of this manifest is not finished ({})", at_rest(&record.state)))
        .of_run(run)
        .hint(format!("continue it with: keybatch resume {run}"))
}

fn finished(record: &RunRecord) -> CliError {
    let run = record.run;
    let label = if record.sandbox { "the rehearsal" } else { "run" };
    CliError::new(Exit::Refused, format!("this manifest has already been run: {label} {run} is finished"))
        .code(Code::RunFinished)
        .of_run(run)
        .hint(format!("see how it ended with: keybatch show {run}"))
        .hint("run it again with --again, which skips key pairs that were re-created since")
}

/// Teaches the stage what earlier runs at the same place know of its names.
///
/// # Errors
/// Where the journal or the stage fails.
pub(super) async fn learn_past(
    stage: &mut Stage,
    past: Option<&SqliteReader>,
    sha256: &str,
    connection: &Connection,
) -> Result<(), CliError> {
    let Some(past) = past else { return Ok(()) };
    let place = Place::Connected(connection);
    // A run that was never started has settled nothing, and left nothing unsettled.
    let runs = past.runs().await?.into_iter().filter(|record| record.started_seq.is_some() && place.is_of(record));
    let earlier: Vec<_> = runs
        .map(|record| Earlier {
            run_no: record.run_no,
            run: record.run.to_string(),
            same_manifest: record.manifest_sha256.as_deref() == Some(sha256),
        })
        .collect();
    Ok(learn(stage, past, &earlier).await?)
}

/// The unfinished run that `resume` continues if none is named. Real runs come before rehearsals.
///
/// # Errors
/// If several real runs are unfinished.
pub(super) fn only_unfinished(runs: Vec<RunRecord>, context: &Context) -> Result<Option<RunRecord>, CliError> {
    let unfinished = runs.into_iter().filter(|record| record.state.is_unfinished());
    let (mut rehearsals, mut real): (Vec<_>, Vec<_>) = unfinished.partition(|record| record.sandbox);
    match (real.len(), rehearsals.len()) {
        (1, _) => Ok(real.pop()),
        (0, 0) => Ok(None),
        (0, 1) => {
            context.ui.say("no real run is unfinished; this continues the only unfinished rehearsal");
            Ok(rehearsals.pop())
        }
        (0, count) => {
            context
                .ui
                .say(&format!("no real run is unfinished, but {count} rehearsals are; name the one to continue:"));
            rehearsals.iter().rev().for_each(|record| context.ui.say(&format!("  {}", command(record))));
            Ok(None)
        }
        (count, _) => {
            let error = CliError::new(Exit::Refused, format!("{count} runs are unfinished; name the one to continue"))
                .code(Code::RunAmbiguous)
                .sent(Sent::Nothing);
            Err(real.iter().rev().map(command).fold(error, CliError::hint))
        }
    }
}

fn command(record: &RunRecord) -> String {
    let account = record.account.as_deref().unwrap_or("none");
    format!(
        "keybatch resume {} ({}, {}, account {})",
        record.run,
        at_rest(&record.state),
        counted(record.rows, "row", "rows"),
        shown(account)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // Endpoints of AWS as the SDK's rules make them: https://docs.aws.amazon.com/general/latest/gr/lightsail.html
    #[test]
    fn all_addresses_of_the_service_lead_to_the_same_key_pairs() {
        let plain = "https://lightsail.{region}.amazonaws.com";
        for same in [plain, "https://lightsail-fips.{region}.amazonaws.com", "https://lightsail.{region}.api.aws"] {
            assert!(is_same_service(plain, same), "{same}");
        }
        for other in ["sandbox:w-1", "http://127.0.0.1:4566", "https://amazonaws.com.example.org", "", "https://x.org"]
        {
            assert!(!is_same_service(plain, other), "{other}");
            assert!(is_same_service(other, other), "{other}");
        }
    }
}
