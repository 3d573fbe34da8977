//! `keybatch instances`: which instances may still accept a key pair that a run deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::machine::Machine;
use super::reach::ListOptions;
use super::show::sandbox_label;
use super::{CliError, Context, Exit, Format, network, shown};
use crate::domain::{Clock as _, SystemClock, Target, counted, time_text};
use crate::journal::{Cell, JournalError, Reader, RunRecord};
use crate::lightsail::Instance;
use crate::record::event::Event;
use crate::review::runs::resolve;
use crate::review::{
    BY_NAME, DeletedPair, Doubt, TO_DO, deleted_or_gone, deleted_pairs, json_text, pairs_in_use, same_key_pair,
};
use crate::session::{self, TargetInstances};

/// List instances that still use key pairs which a run deleted
///
/// Deleting a key pair does not remove its public key from instances. Without --online, this lists the key pairs of which the plan
/// noted that instances use them, from the journal alone. With --online, it lists the instances that name them now; it sends only
/// lightsail:GetInstances and sts:GetCallerIdentity.
///
/// An instance names its key pair only by name. One that was created before the deleted key pair, or after its deletion, was
/// created with another key pair of that name, and is counted but not listed. `same_key_pair` is empty where times do not decide it.
/// What somebody wrote into an instance's authorized_keys by hand, or what came with a snapshot, is known to nobody but the instance.
///
/// Exit codes: 0 everything could be asked; 9 a region could not be asked (what was found in the others is listed).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  What the plan of the latest run knew:
    keybatch instances --still-using latest
  What there is now, for a spreadsheet:
    keybatch instances --still-using latest --online \\
        --output csv > instances.csv")]
pub(super) struct Args {
    /// The run: its id, a unique prefix of it (4 characters or more), or `latest`
    #[arg(long, value_name = "RUN", required = true)]
    still_using: String,
    /// Ask Lightsail which instances there are now, in each account and region of the run
    #[arg(long)]
    online: bool,
    #[command(flatten)]
    list: ListOptions,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    network::check_flags(None, args.list.reach.endpoint_url.as_deref())?;
    let options = args.list.session();
    options.check()?;
    let reader = context.any_reader().await?;
    let run = resolve(&reader, &args.still_using).await?;
    let found = if args.online {
        let machine = Machine::reading(context, &options);
        let order = options.order(context, Default::default());
        let listed = session::instances(&machine, &order, &reader, &run).await.map_err(|error| {
            CliError::from(error).hint("without --online, keybatch lists what the plan knew, and asks nobody")
        })?;
        online(&reader, &run, listed).await?
    } else {
        of_plan(&reader, &run).await?
    };
    let exit = if found.targets.iter().any(|target| target.unasked) { Exit::Environment } else { Exit::Success };
    print(context, &run, args.online, &found)?;
    Ok(exit)
}

/// What is printed.
#[derive(Default)]
struct Found {
    rows: Vec<Row>,
    targets: Vec<Told>,
}

/// A key pair, and an instance that names it, or what the plan noted of such instances.
struct Row {
    pair: DeletedPair,
    as_of: String,
    instance: Option<Instance>,
    same: Option<bool>,
    detail: String,
}

/// What can be said of a target.
struct Told {
    target: Target,
    /// Instances there; none where they could not be listed.
    instances: Option<u64>,
    /// Instances that name a deleted key pair's name, but were created with another key pair of that name.
    others: u64,
    /// Whether it should have been asked now, and could not be.
    unasked: bool,
    text: String,
}

/// As of the plan's inventory.
async fn of_plan(reader: &Reader, run: &RunRecord) -> Result<Found, JournalError> {
    let (used, _) = pairs_in_use(reader, run, usize::MAX).await?;
    let mut found = Found { rows: used.into_iter().map(noted).collect(), targets: Vec::new() };
    let Some(sealed) = run.sealed_seq else { return Ok(found) };
    if let Event::PlanSealed(sealed) = reader.entry(sealed).await?.event {
        for read in sealed.targets {
            let target = Target { account: read.account, region: read.region };
            let text = match read.instances {
                Some(count) => format!("the plan saw {}", counted(count, "instance", "instances")),
                None => "the plan could not list instances, so nothing is known of them: ask with --online".to_owned(),
            };
            found.targets.push(Told { target, instances: read.instances, others: 0, unasked: false, text });
        }
    }
    Ok(found)
}

fn noted(pair: DeletedPair) -> Row {
    let (as_of, detail) = (pair.noted_at.clone(), pair.in_use.clone().unwrap_or_default());
    Row { pair, as_of, instance: None, same: None, detail }
}

/// As of now; of a target that could not be asked, as of the plan.
async fn online(reader: &Reader, run: &RunRecord, listed: Vec<TargetInstances>) -> Result<Found, JournalError> {
    let now = time_text(SystemClock::start().now());
    let mut found = Found::default();
    let (mut by_name, mut unasked) = (BTreeMap::<(Target, String), Vec<Instance>>::new(), BTreeSet::new());
    for TargetInstances { target, listed } in listed {
        let told = match listed {
            Ok((count, instances)) => {
                for instance in instances {
                    let name = instance.ssh_key_name.clone().unwrap_or_default();
                    by_name.entry((target.clone(), name)).or_default().push(instance);
                }
                let text = format!("{} listed", counted(count, "instance", "instances"));
                Told { target, instances: Some(count), others: 0, unasked: false, text }
            }
            Err(why) => {
                unasked.insert(target.clone());
                let text = format!("could not be asked ({why}); what is listed of it is what the plan noted");
                Told { target, instances: None, others: 0, unasked: true, text }
            }
        };
        found.targets.push(told);
    }
    let is_named = |pair: &DeletedPair| by_name.contains_key(&(pair.target.clone(), pair.name.clone()));
    let wanted = |pair: &DeletedPair| is_named(pair) || unasked.contains(&pair.target) && pair.in_use.is_some();
    for pair in deleted_pairs(reader, run, wanted).await? {
        if unasked.contains(&pair.target) {
            found.rows.push(noted(pair));
            continue;
        }
        for instance in by_name.get(&(pair.target.clone(), pair.name.clone())).into_iter().flatten() {
            let (same, detail) = match same_key_pair(&pair, instance.created_at.as_deref()) {
                Ok(true) => (Some(true), "created while this key pair had the name"),
                Ok(false) => {
                    let target = found.targets.iter_mut().find(|told| told.target == pair.target);
                    target.into_iter().for_each(|told| told.others += 1);
                    continue;
                }
                Err(Doubt::NoTime) => (None, "a creation time is not known"),
                Err(Doubt::Between) => (None, "created after the run began, about when this key pair was deleted"),
            };
            let (as_of, instance, detail) = (now.clone(), Some(instance.clone()), detail.to_owned());
            found.rows.push(Row { pair: pair.clone(), as_of, instance, same, detail });
        }
    }
    Ok(found)
}

/// The columns, with the names of the view `intents` where they mean the same.
const COLUMNS: [&str; 12] = [
    "instance",
    "key_pair_name",
    "account_id",
    "region",
    "row_no",
    "outcome",
    "same_key_pair",
    "instance_created_at",
    "fingerprint",
    "source",
    "as_of",
    "detail",
];

impl Row {
    fn cells(&self) -> [Cell; COLUMNS.len()] {
        let text = |text: &str| Cell::Text(text.to_owned());
        let some = |text: Option<&str>| text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()));
        let instance = self.instance.as_ref();
        [
            some(instance.map(|instance| instance.name.as_str())),
            text(&self.pair.name),
            text(&self.pair.target.account),
            text(&self.pair.target.region),
            i64::try_from(self.pair.row).map_or(Cell::Null, Cell::Integer),
            text(self.pair.outcome.as_str()),
            self.same.map_or(Cell::Null, Cell::Boolean),
            some(instance.and_then(|instance| instance.created_at.as_deref())),
            some(self.pair.fingerprint.as_deref()),
            text(if instance.is_some() { "online" } else { "plan" }),
            text(&self.as_of),
            text(&self.detail),
        ]
    }
}

fn print(context: &Context, run: &RunRecord, online: bool, found: &Found) -> Result<(), CliError> {
    let ui = &context.ui;
    if ui.format == Format::Json {
        ui.data(&format!("{}\n", json_text(&object(run, online, found))))?;
        return Ok(());
    }
    if ui.format != Format::Table || !found.rows.is_empty() {
        let mut stream = ui.stream(&COLUMNS)?;
        found.rows.iter().try_for_each(|row| stream.row(&row.cells()))?;
        stream.end()?;
    }
    ui.talk(text(run, online, found));
    Ok(())
}

fn object(run: &RunRecord, online: bool, found: &Found) -> Value {
    let row = |row: &Row| -> Value {
        let cells = row.cells();
        COLUMNS.iter().zip(&cells).map(|(name, cell)| ((*name).to_owned(), crate::review::cell_json(cell))).collect()
    };
    let target = |told: &Told| {
        json!({
            "account": told.target.account, "region": told.target.region, "asked": online && !told.unasked,
            "instances": told.instances, "of_another_key_pair": told.others, "text": told.text,
        })
    };
    json!({
        "schema": "keybatch.instances/1", "run": run.run.to_string(), "sandbox": run.sandbox, "online": online,
        "instances": found.rows.iter().map(row).collect::<Vec<_>>(),
        "targets": found.targets.iter().map(target).collect::<Vec<_>>(), "to_do": TO_DO,
    })
}

fn text(run: &RunRecord, online: bool, found: &Found) -> String {
    let mut text = String::new();
    for told in &found.targets {
        let _ = write!(text, "{}: {}", told.target, shown(&told.text));
        if told.others > 0 {
            let others = counted(told.others, "instance names", "instances name");
            let _ = write!(text, "; {others} another key pair that had or has the name of a deleted one");
        }
        text.push('\n');
    }
    let rows = found.rows.len() as u64;
    let label = sandbox_label(run);
    if rows == 0 {
        let when = if online { "names" } else { "named, when the plan was made," };
        let _ = write!(
            text,
            "{label}no instance that was listed {when} a key pair deleted by this run or gone since its plan"
        );
        return text;
    }
    let of = deleted_or_gone(found.rows.iter().map(|row| row.pair.outcome.as_str()));
    let what = match online {
        true => {
            let instances = counted(rows, "instance still names or may name", "instances still name or may name");
            format!("{instances} key pairs {of}")
        }
        false => {
            let pairs = counted(rows, "key pair", "key pairs");
            format!("when the plan was made, instances used {pairs} {of}; {BY_NAME}")
        }
    };
    let _ = write!(text, "{label}{what}");
    let _ = write!(text, "\nwhat to do on each of these instances:");
    for line in TO_DO {
        let _ = write!(text, "\n  - {line}");
    }
    text
}
