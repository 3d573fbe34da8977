//! Connecting to the service: AWS or a sandbox, whose credentials, which account, which address.

use std::any::Any;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::accounts::Account;
use super::code::Code;
use super::credentials::{no_credentials, sign_in};
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::options::SessionOptions;
use super::{Context, network};
use crate::domain::{Class, RunId, SANDBOX_HEADER, Settings};
use crate::lightsail::address::Address;
use crate::lightsail::aws::AwsLightsail;
use crate::lightsail::credentials::{Located, locate};
use crate::lightsail::load::AwsOptions;
use crate::lightsail::service::Service;
use crate::lightsail::{Caller, Lightsail as _};
use crate::sandbox::{Sandbox, SandboxOptions, Source, StateDir, World, start};
use crate::session::{Connection, Goal, Place, Way};

/// How often keybatch asks STS before it gives up.
const TRIES: u32 = 3;

/// The region if nothing names one. A rehearsal does not depend on it, and a real run without a region requests no key pair.
const ANY_REGION: &str = "us-east-1";

/// The region of rows that name none; determined only if there are such rows.
pub(super) async fn default_region(
    options: &SessionOptions,
    context: &Context,
    sandbox: bool,
) -> Result<Option<String>, CliError> {
    if options.region.is_some() {
        return Ok(options.region.clone());
    }
    if sandbox {
        return Ok(Some(ANY_REGION.to_owned()));
    }
    // If the profile does not exist, report that instead of its missing region.
    locate(options.profile.as_deref()).await.map_err(|fault| no_credentials(&fault))?;
    network::region_of_machine(&aws_options(options, &Settings::default(), context, None)).await
}

fn aws_options(options: &SessionOptions, settings: &Settings, context: &Context, run: Option<RunId>) -> AwsOptions {
    AwsOptions {
        profile: options.profile.clone(),
        role: None,
        region: options.region.clone(),
        endpoint_url: options.endpoint_url.clone(),
        attempt_timeout: settings.attempt_timeout,
        run,
        variables: network::variables(&context.environment),
    }
}

/// Connects, as the user configuration says if an account is named. `world` is that of a rehearsal that begins.
pub(super) async fn connect(
    options: &SessionOptions,
    context: &Context,
    world: Option<World>,
    way: Way<'_>,
) -> Result<Connection<AwsLightsail>, CliError> {
    let Some(id) = way.account else { return connect_as(options, context, world, way, None).await };
    let Some(table) = context.settings.accounts().get(id) else {
        let message = format!("the user configuration does not say how account {id} is reached");
        return Err(CliError::new(Exit::Environment, message).code(Code::Account).sent(Sent::Nothing));
    };
    connect_as(options, context, world, way, Some(table)).await.map_err(|error| {
        let message = format!("account {id}: {}", error.message);
        let error = CliError { message, ..error };
        // In a rehearsal the table says only that there is such an account.
        if way.goal == Goal::Service { error.hint(table.to_string()) } else { error }
    })
}

async fn connect_as(
    options: &SessionOptions,
    context: &Context,
    world: Option<World>,
    way: Way<'_>,
    table: Option<&Account>,
) -> Result<Connection<AwsLightsail>, CliError> {
    let Way { goal, account, run, region, bound, settings } = way;
    let service = matches!(goal, Goal::Service);
    let region = match region {
        Some(region) => region.to_owned(),
        None => default_region(options, context, !service).await?.unwrap_or_else(|| ANY_REGION.to_owned()),
    };
    let sandbox = sandbox(context, goal, world).await?;
    let url = sandbox.as_deref().map(Sandbox::url);
    let port = match &url {
        // Nothing of the machine's own configuration may reach a rehearsal.
        Some(url) => AwsLightsail::rehearsal(url, (account, &region), settings.attempt_timeout, run),
        None => {
            let mut aws = aws_options(options, settings, context, Some(run));
            if let Some(table) = table {
                aws.profile = table.profile().map(str::to_owned).or(aws.profile);
                aws.role = table.role(run);
            }
            // STS is asked in a region of the run where the configuration names none.
            aws.region = Some(network::region_of_settings(&aws).await?.unwrap_or_else(|| region.clone()));
            AwsLightsail::load(&aws).await.map_err(|error| network::config_error(&error))?
        }
    };
    let address = effective_address(&port, &region).await?;
    if service {
        refuse_address(bound, &address, &region)?;
        sign_in(&port, options.credentials_timeout, &context.ui).await.map_err(|fault| no_credentials(&fault))?;
    }
    let redirected_by = if service && !address.is_own() { address.setting } else { None };
    let address = address.url.replace(&region, "{region}");
    let (caller, world) = identify(&port).await?;
    if url.as_ref().is_some_and(|url| *url != address) {
        let message = format!("the requests of the rehearsal would have gone to {address}");
        return Err(CliError::new(Exit::Environment, message).code(Code::Sandbox).sent(Sent::Reads));
    }
    let expected = match account {
        Some(id) if id != caller.account => Some(id.to_owned()),
        _ if options.expect_account.is_empty() || options.expect_account.contains(&caller.account) => None,
        _ => Some(options.expect_account.join(" or ")),
    };
    if let Some(expected) = expected {
        let message = format!("the credentials are for account {}, not {expected}", caller.account);
        return Err(CliError::new(Exit::Environment, message).code(Code::Account).sent(Sent::Reads));
    }
    let endpoint = world.as_ref().map_or_else(|| address.clone(), |id| format!("sandbox:{id}"));
    let located = port.credentials();
    let profile = located.and_then(Located::profile).map(str::to_owned);
    let credentials_source = located.map(ToString::to_string);
    let place =
        Place { caller, endpoint, address, redirected_by, world, profile, credentials_source, accounts: Vec::new() };
    // The sandbox runs while the connection lives.
    let kept = sandbox.map(|sandbox| Box::new(sandbox) as Box<dyn Any + Send + Sync>);
    Ok(Connection { port: Arc::new(port), place, kept })
}

/// The sandbox of a rehearsal: one for all of its accounts.
async fn sandbox(context: &Context, goal: Goal<'_>, world: Option<World>) -> Result<Option<Arc<Sandbox>>, CliError> {
    if goal == Goal::Service {
        return Ok(None);
    }
    if let Some(served) = context.served.lock().unwrap_or_else(PoisonError::into_inner).upgrade() {
        return Ok(Some(served));
    }
    let served = start_sandbox(goal, world).await?.map(Arc::new);
    if let Some(served) = &served {
        *context.served.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(served);
    }
    Ok(served)
}

async fn start_sandbox(goal: Goal<'_>, world: Option<World>) -> Result<Option<Sandbox>, CliError> {
    let state = match (goal, world) {
        (Goal::Service, _) => return Ok(None),
        (Goal::NewWorld(directory), Some(world)) => match directory {
            None => return serve(Source::Memory(world)).await.map(Some),
            Some(directory) => StateDir::create(directory, world),
        },
        (Goal::NewWorld(None), None) => return Ok(None),
        (Goal::NewWorld(Some(directory)), None) | (Goal::OldWorld(directory), _) => StateDir::open(directory),
    };
    serve(Source::Dir(state.map_err(|error| unusable(&error))?)).await.map(Some)
}

/// The address of Lightsail. The address of STS is checked, too: neither may contain a user or password.
async fn effective_address(port: &AwsLightsail, region: &str) -> Result<Address, CliError> {
    let of = async |service, region: &str| {
        port.address(service, region).await.map_err(|error| network::config_error(&error))
    };
    let address = of(Service::Lightsail, region).await?;
    of(Service::Sts, &port.default_region().unwrap_or_else(|| region.to_owned())).await?;
    Ok(address)
}

/// Refuses an address that a resumed run is not bound to, before anybody there is asked anything.
fn refuse_address(bound: Option<&str>, address: &Address, region: &str) -> Result<(), CliError> {
    let found = address.url.replace(region, "{region}");
    match bound {
        Some(bound) if address.is_own() && bound.starts_with("sandbox:") => refuse_service(bound).map_or(Ok(()), Err),
        Some(bound) if !bound.starts_with("sandbox:") && bound != found => {
            let message = format!("the run is bound to endpoint {bound}, but this is {found}");
            Err(CliError::new(Exit::Refused, message).code(Code::RunBound).sent(Sent::Nothing))
        }
        _ => Ok(()),
    }
}

/// Refuses to look for the world of a rehearsal at the service itself.
fn refuse_service(bound: &str) -> Option<CliError> {
    let message = format!("the run is a rehearsal in {bound}, whose world is not beside the journal");
    bound.starts_with("sandbox:").then(|| {
        CliError::new(Exit::Refused, message)
            .code(Code::RunBound)
            .hint("if another process serves it (keybatch sandbox), name its address with --endpoint-url")
            .sent(Sent::Nothing)
    })
}

async fn serve(source: Source) -> Result<Sandbox, CliError> {
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let failed = |error| CliError::from_error(Exit::Environment, &error).code(Code::Sandbox).sent(Sent::Nothing);
    start(SandboxOptions { addr, source }).await.map_err(failed)
}

fn unusable(error: &crate::sandbox::StateDirError) -> CliError {
    CliError::from_error(Exit::Environment, error).code(Code::World).sent(Sent::Nothing)
}

/// Who the caller is, and the id of the world if the answer comes from a sandbox.
async fn identify(port: &AwsLightsail) -> Result<(Caller, Option<String>), CliError> {
    let mut tries = 0;
    loop {
        let reply = port.caller_identity().await;
        tries += 1;
        let world = reply.exchange.headers.get(SANDBOX_HEADER).cloned();
        let error = match reply.result {
            Ok(caller) => return Ok((caller, world)),
            Err(error) => error,
        };
        let again = matches!(error.class, Class::Throttled | Class::Unanswered);
        if again && tries < TRIES {
            tokio::time::sleep(Duration::from_millis(300 * u64::from(tries))).await;
            continue;
        }
        let (hints, error_class, nobody) = (network::hints(&error), error.class, error.unreached.is_some());
        let message = format!("cannot determine the caller's identity (sts:GetCallerIdentity): {}", error.summary());
        let error = CliError::new(Exit::Environment, message).code(Code::Caller);
        let sent = if error_class == Class::NotSent { Sent::Nothing } else { Sent::Reads };
        // The source of the credentials does not matter if no service was reached.
        let located = port.credentials().filter(|_| !nobody);
        let source = located.map(|located| format!("the credentials come from {located}"));
        let renewal = located.and_then(Located::renewal).filter(|_| error_class == Class::RefusedForAll);
        let hints = source.into_iter().chain(renewal).chain(hints);
        return Err(hints.fold(error, CliError::hint).sent(sent));
    }
}
