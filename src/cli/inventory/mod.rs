//! `keybatch inventory`: the key pairs that there are, as a manifest. Reads only, and no journal.
//!
//! Nothing is printed before everything is listed: a listing that is not whole would look like a shorter one.

mod args;
mod rows;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::try_join_all;
use uuid::Uuid;

use self::rows::Rows;
use super::connect::{connect, default_region};
use super::error::{CliError, Sent};
use super::new_file::{Unfinished, refuse_existing, unwritten};
use super::options::SessionOptions;
use super::refused::plan_error;
use super::ui::grouped;
use super::{Code, Context, Exit, Format, network, scratch, shown};
use crate::domain::{Clock, RunId, Settings, SystemClock, Target};
use crate::journal::{Forgetful, Journal, Scribe, WriterOptions};
use crate::lane::pace::Pacer;
use crate::lane::rate::RateCap;
use crate::lane::{Counts, Lane};
use crate::lightsail::Lightsail;
use crate::lightsail::aws::AwsLightsail;
use crate::lightsail::load::AwsOptions;
use crate::plan::inventory::{ListError, Listing, regions};
use crate::plan::select::Selection;
use crate::sandbox::World;
use crate::session::{Connection, Goal, Way};

pub(super) use args::Args;

/// Where the service is asked which regions it has, if no region is configured.
const ANY_REGION: &str = "us-east-1";

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    args.check()?;
    let options = args.options();
    let mut settings = Settings { rate: args.list.rate.clone(), ..Settings::default() };
    settings.attempt_timeout = options.attempt_timeout.unwrap_or(settings.attempt_timeout);
    settings.settle_timeout = options.settle_timeout.unwrap_or(settings.settle_timeout);
    let world = args.sandbox.as_deref().map(world).transpose()?;
    let accounts = args.accounts(context)?;
    let home = home(&options, context, world.is_some(), &accounts).await?;
    if home.is_none() && !args.all_regions {
        return Err(no_region());
    }
    let home = home.unwrap_or_else(|| ANY_REGION.to_owned());
    // Made before anything is asked, so that a place that cannot be written to costs nothing.
    let file = args.to.as_deref().map(begin).transpose().map_err(|error| error.sent(Sent::Nothing))?;
    let goal = if world.is_some() { Goal::NewWorld(None) } else { Goal::Service };
    let (region, run) = (Some(home.as_str()), RunId(Uuid::now_v7()));
    let way = Way { goal, account: None, run, region, bound: None, settings: &settings };
    let connections = connect_all(&options, context, world, way, &accounts).await?;
    let lister = Lister::new(&settings, !args.without_instances).await?;
    let selection = args.selection(lister.scribe.now());
    let directory = scratch::directory(context)?;
    let listed = connections.iter().map(|connection| lister.account(&args, connection, &home, &selection, &directory));
    let listed = try_join_all(listed).await.map_err(|error| error.sent(Sent::Reads))?;
    let all: Vec<Rows> = listed.into_iter().flatten().collect();
    let told = told(&args, &connections, &all);
    print(&args, context, file, all).map_err(|error| error.sent(Sent::Reads))?;
    context.ui.talk(told);
    Ok(Exit::Success)
}

/// The configured region. The default credentials do not matter where none of the accounts is theirs.
async fn home(
    options: &SessionOptions,
    context: &Context,
    sandbox: bool,
    accounts: &[String],
) -> Result<Option<String>, CliError> {
    if sandbox || accounts.is_empty() {
        return default_region(options, context, sandbox).await;
    }
    let aws = AwsOptions {
        profile: options.profile.clone(),
        role: None,
        region: options.region.clone(),
        endpoint_url: options.endpoint_url.clone(),
        attempt_timeout: Settings::default().attempt_timeout,
        run: None,
        variables: network::variables(&context.environment),
    };
    network::region_of_settings(&aws).await
}

/// Connects to each of these accounts as the user configuration says; without any, with the default credentials.
async fn connect_all(
    options: &SessionOptions,
    context: &Context,
    mut world: Option<World>,
    way: Way<'_>,
    accounts: &[String],
) -> Result<Vec<Connection<AwsLightsail>>, CliError> {
    if accounts.is_empty() {
        return Ok(vec![connect(options, context, world, way).await?]);
    }
    let mut connections: Vec<Connection<AwsLightsail>> = Vec::new();
    for account in accounts {
        let way = Way { account: Some(account), ..way };
        let connection = connect(options, context, world.take(), way).await?;
        let (one, other) = (connections.first().map(|first| &first.place), &connection.place);
        if let Some(one) = one.filter(|one| (&one.endpoint, &one.world) != (&other.endpoint, &other.world)) {
            let message =
                format!("requests for account {account} would go to {}, others to {}", other.endpoint, one.endpoint);
            return Err(CliError::new(Exit::Environment, message).code(Code::Endpoint).sent(Sent::Reads));
        }
        connections.push(connection);
    }
    Ok(connections)
}

/// What was listed, in one line.
fn told<L>(args: &Args, connections: &[Connection<L>], all: &[Rows]) -> String {
    let count = |number: usize, one: &str, many: &str| {
        let number = number as u64;
        format!("{} {}", grouped(number), if number == 1 { one } else { many })
    };
    let accounts = match connections {
        [only] => format!("account {}", only.place.caller.account),
        many => count(many.len(), "account", "accounts"),
    };
    let regions: BTreeSet<_> = all.iter().map(|rows| &rows.target.region).collect();
    let pairs: u64 = all.iter().map(|rows| rows.count).sum();
    let written = args.to.as_ref().map(|path| format!(" written to {}", shown(&path.to_string_lossy())));
    format!(
        "{}{} {} of {accounts} in {}{}; only read requests were sent",
        if connections.iter().any(|connection| connection.place.is_sandbox()) { "sandbox: " } else { "" },
        grouped(pairs),
        if pairs == 1 { "key pair" } else { "key pairs" },
        count(regions.len(), "region", "regions"),
        written.unwrap_or_default()
    )
}

fn world(path: &Path) -> Result<World, CliError> {
    World::load(path).map_err(|error| CliError::from_error(Exit::Usage, &error).code(Code::World).sent(Sent::Nothing))
}

fn no_region() -> CliError {
    CliError::new(Exit::Environment, "there is no region to list")
        .code(Code::Region)
        .hint("name regions with --region or AWS_REGION, or list all of them with --all-regions")
        .sent(Sent::Nothing)
}

/// Lists targets, each at a rate of its own.
struct Lister {
    scribe: Scribe,
    counts: Arc<Counts>,
    cap: RateCap,
    how: Listing,
}

impl Lister {
    async fn new(settings: &Settings, instances: bool) -> Result<Self, CliError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        // What a lane records of its rate is of no use to anybody afterwards.
        let options = WriterOptions { new_journal_id: String::new(), on_checkpoint: Box::new(|_, _| Ok(())) };
        let (journal, _ends_by_itself) = Journal::start(Forgetful::new(clock.now()), options).await?;
        let cap = settings.rate.as_deref().and_then(|rate| rate.parse().ok()).unwrap_or_default();
        let how = Listing { patience: settings.settle_timeout, instances };
        Ok(Self { scribe: Scribe { journal, clock }, counts: Arc::default(), cap, how })
    }

    fn lane<L>(&self, connection: &Connection<L>, target: Target) -> Lane<L> {
        Lane {
            port: Arc::clone(&connection.port),
            target,
            world: connection.place.world.clone(),
            pacer: Pacer::new(self.cap, None),
            scribe: self.scribe.clone(),
            counts: Arc::clone(&self.counts),
            read_at: Default::default(),
            sightings: Default::default(),
        }
    }

    /// Lists what is wanted of an account, whose configured region is `home`.
    async fn account<L: Lightsail>(
        &self,
        args: &Args,
        connection: &Connection<L>,
        home: &str,
        selection: &Selection,
        directory: &Path,
    ) -> Result<Vec<Rows>, CliError> {
        let account = &connection.place.caller.account;
        let of = |region: String| Target { account: account.clone(), region };
        let mut names = match (args.all_regions, args.region.is_empty()) {
            (true, _) => {
                let lane = self.lane(connection, of(home.to_owned()));
                regions(&lane, self.how.patience).await.map_err(|error| plan_error(&error))?
            }
            (false, true) => vec![home.to_owned()],
            (false, false) => args.region.clone(),
        };
        names.sort_unstable();
        names.dedup();
        try_join_all(names.into_iter().map(|name| self.list(connection, of(name), selection, directory))).await
    }

    async fn list<L: Lightsail>(
        &self,
        connection: &Connection<L>,
        target: Target,
        selection: &Selection,
        directory: &Path,
    ) -> Result<Rows, CliError> {
        let mut rows = Rows::none(target.clone(), directory).map_err(|error| unkept(&error))?;
        let lane = self.lane(connection, target);
        let keep = |listed| if selection.admits(&listed) { rows.add(listed) } else { Ok(()) };
        match self.how.list(&lane, keep).await {
            Ok(()) => Ok(rows),
            Err(ListError::Read(error)) => Err(plan_error(&error)
                .hint("nothing was listed: a listing that is not whole would look like a shorter one")),
            Err(ListError::Keep(error)) => Err(unkept(&error)),
        }
    }
}

fn unkept(error: &std::io::Error) -> CliError {
    let message = format!("what was listed cannot be kept in a temporary file: {error}");
    CliError::new(Exit::Environment, message).hint("set TMPDIR to a writable directory with free space")
}

/// The file that is written, before anything is asked for it.
fn begin(path: &Path) -> Result<Unfinished, CliError> {
    refuse_existing(path)?;
    Unfinished::beside(path).map_err(|error| unwritten(path, &error))
}

fn print(args: &Args, context: &Context, file: Option<Unfinished>, all: Vec<Rows>) -> Result<(), CliError> {
    let ui = &context.ui;
    match (file, &args.to) {
        (Some(file), Some(path)) => {
            rows::write(ui, all, &file.file).and_then(|()| file.keep(path)).map_err(|error| unwritten(path, &error))
        }
        _ if ui.format == Format::Table => Ok(rows::table(ui, all)?),
        _ => Ok(rows::write(ui, all, std::io::stdout())?),
    }
}
