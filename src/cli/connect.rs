//! Reaching the service: AWS or a sandbox, whose credentials, which account, which address.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Context;
use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::options::SessionOptions;
use crate::domain::{Class, Policy, RunId, SANDBOX_HEADER};
use crate::lightsail::aws::{AwsConfigError, AwsLightsail, AwsOptions};
use crate::lightsail::{Caller, Lightsail as _};
use crate::sandbox::{Sandbox, SandboxOptions, Source, StateDir, World, start};

/// How often STS is asked before it is given up.
const TRIES: u32 = 3;

/// The region where nothing names one: it has no meaning in a rehearsal, and elsewhere no key pair is asked for then.
const ANY_REGION: &str = "us-east-1";

/// The service, and what a run is bound to.
#[derive(Debug)]
pub(super) struct Connection {
    /// What requests go through.
    pub(super) port: Arc<AwsLightsail>,
    /// Whose credentials they are.
    pub(super) caller: Caller,
    /// The address with `{region}` in it, or `sandbox:<world id>`.
    pub(super) endpoint: String,
    /// The address as such.
    pub(super) address: String,
    /// The id of the world, where this is a rehearsal.
    pub(super) world: Option<String>,
    /// Kept running while the connection lives.
    _sandbox: Option<Sandbox>,
}

impl Connection {
    /// Whether this is a rehearsal.
    pub(super) fn is_sandbox(&self) -> bool {
        self.world.is_some()
    }
}

/// Where requests are to go.
#[derive(Debug)]
pub(super) enum Goal {
    /// To AWS, or whatever the configuration names.
    Service,
    /// To a new world that is kept in this directory, or nowhere.
    NewWorld(Box<World>, Option<PathBuf>),
    /// To the world that is kept in this directory.
    OldWorld(PathBuf),
}

/// The directory in which the world of a rehearsal is kept.
pub(super) fn world_directory(journal: &Path, run: RunId) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(format!(".sandbox-{run}"));
    name.into()
}

/// The region that the configuration names; asked for only where a row names none.
pub(super) async fn default_region(options: &SessionOptions, sandbox: bool) -> Option<String> {
    if options.region.is_some() {
        return options.region.clone();
    }
    if sandbox {
        return Some(ANY_REGION.to_owned());
    }
    AwsLightsail::load(&aws_options(options, &Policy::default(), None, None)).await.default_region()
}

fn aws_options(
    options: &SessionOptions,
    policy: &Policy,
    run: Option<RunId>,
    sandbox_url: Option<String>,
) -> AwsOptions {
    AwsOptions {
        profile: options.profile.clone(),
        region: options.region.clone(),
        sandbox_credentials: sandbox_url.is_some(),
        endpoint_url: sandbox_url.or_else(|| options.endpoint_url.clone()),
        attempt_timeout: policy.attempt_timeout,
        run,
    }
}

/// Connects. `region` is one that the run has usable rows in, if any; `bound` is the endpoint of a run that is resumed.
pub(super) async fn connect(
    options: &SessionOptions,
    policy: &Policy,
    context: &Context,
    run: RunId,
    region: Option<&str>,
    goal: Goal,
    bound: Option<&str>,
) -> Result<Connection, CliError> {
    let service = matches!(goal, Goal::Service);
    let region = match region {
        Some(region) => region.to_owned(),
        None => default_region(options, !service).await.unwrap_or_else(|| ANY_REGION.to_owned()),
    };
    if service {
        check_addresses(options, context)?;
    }
    let sandbox = match goal {
        Goal::Service => None,
        Goal::NewWorld(world, None) => Some(serve(Source::Memory(*world)).await?),
        Goal::NewWorld(world, Some(directory)) => {
            let state = StateDir::create(&directory, *world).map_err(|error| unusable(&error))?;
            Some(serve(Source::Dir(state)).await?)
        }
        Goal::OldWorld(directory) => {
            let state = StateDir::open(&directory).map_err(|error| unusable(&error))?;
            Some(serve(Source::Dir(state)).await?)
        }
    };
    let url = sandbox.as_ref().map(Sandbox::url);
    let mut aws = aws_options(options, policy, Some(run), url.clone());
    // STS is asked in a region of the run where the configuration names none.
    if aws.region.is_none() && (url.is_some() || AwsLightsail::load(&aws).await.default_region().is_none()) {
        aws.region = Some(region.clone());
    }
    let port = AwsLightsail::load(&aws).await;
    let address = match port.endpoint(&region).await {
        Ok(address) => address,
        Err(AwsConfigError::NoCredentials) if service && !is_redirected(options, context) => {
            // A rehearsal needs none, and its world answers nowhere that these would lead to.
            return Err(bound.and_then(refuse_service).unwrap_or_else(no_credentials));
        }
        Err(error) => return Err(unreachable(&error)),
    };
    if service {
        refuse_address(bound, &address)?;
    }
    let (caller, world) = identify(&port).await?;
    if url.as_ref().is_some_and(|url| *url != address) {
        let message = format!("a rehearsal would have gone to {address}");
        return Err(CliError::new(Exit::Environment, message).code(Code::Sandbox).sent(Sent::Reads));
    }
    if let Some(expected) = options.expect_account.as_ref().filter(|id| **id != caller.account) {
        let message = format!("the credentials are for account {}, not {expected}", caller.account);
        return Err(CliError::new(Exit::Environment, message).code(Code::Account).sent(Sent::Reads));
    }
    let endpoint = world.as_ref().map_or_else(|| address.clone(), |id| format!("sandbox:{id}"));
    Ok(Connection { port: Arc::new(port), caller, endpoint, address, world, _sandbox: sandbox })
}

/// Refuses an address that a resumed run is not bound to, before anybody there is asked anything.
fn refuse_address(bound: Option<&str>, address: &str) -> Result<(), CliError> {
    match bound {
        Some(bound) if address.contains(".amazonaws.") && bound.starts_with("sandbox:") => {
            refuse_service(bound).map_or(Ok(()), Err)
        }
        Some(bound) if !bound.starts_with("sandbox:") && bound != address => {
            let message = format!("the run is bound to endpoint {bound}, this is {address}");
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
            .hint("where another process serves it (keybatch sandbox), name its address with --endpoint-url")
            .sent(Sent::Nothing)
    })
}

/// The variables that send requests for any of the services elsewhere.
const ADDRESS_VARIABLES: [&str; 3] = ["AWS_ENDPOINT_URL_LIGHTSAIL", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"];

fn is_redirected(options: &SessionOptions, context: &Context) -> bool {
    options.endpoint_url.is_some() || ADDRESS_VARIABLES.iter().any(|name| context.environment.variable(name).is_some())
}

fn unreachable(error: &AwsConfigError) -> CliError {
    match error {
        AwsConfigError::NoCredentials => no_credentials(),
        AwsConfigError::NoAddress { .. } => {
            CliError::from_error(Exit::Environment, error).code(Code::Endpoint).sent(Sent::Nothing)
        }
    }
}

fn no_credentials() -> CliError {
    CliError::from_error(Exit::Environment, &AwsConfigError::NoCredentials)
        .code(Code::Credentials)
        .hint("set them up with: aws configure (or log in with: aws sso login)")
        .hint("or name the profile that has them with --profile or AWS_PROFILE")
        .sent(Sent::Nothing)
}

/// Refuses an address that the SDK could not use: it would only say so in words that nobody understands.
fn check_addresses(options: &SessionOptions, context: &Context) -> Result<(), CliError> {
    let named = options.endpoint_url.as_deref().map(|url| ("--endpoint-url", url));
    let set = ADDRESS_VARIABLES.into_iter().filter_map(|name| Some((name, context.environment.set(name)?)));
    for (name, url) in set.chain(named) {
        let usable = url.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        if !usable {
            let message = format!("{name} is {url:?}, which is no address such as https://host:port");
            return Err(CliError::new(Exit::Environment, message).code(Code::Endpoint).sent(Sent::Nothing));
        }
        if url.contains('@') {
            let message = format!("{name} holds a user or a password, which would end up in the journal");
            return Err(CliError::new(Exit::Environment, message).code(Code::Endpoint).sent(Sent::Nothing));
        }
    }
    Ok(())
}

async fn serve(source: Source) -> Result<Sandbox, CliError> {
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let failed = |error| CliError::from_error(Exit::Environment, &error).code(Code::Sandbox).sent(Sent::Nothing);
    start(SandboxOptions { addr, source }).await.map_err(failed)
}

fn unusable(error: &crate::sandbox::StateDirError) -> CliError {
    CliError::from_error(Exit::Environment, error).code(Code::World).sent(Sent::Nothing)
}

/// Who the caller is; and the id of the world, where the answer comes from a sandbox.
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
        let message = format!("the caller's identity cannot be told (sts:GetCallerIdentity): {}", error.summary());
        let error = CliError::new(Exit::Environment, message).code(Code::Caller);
        return Err(error
            .hint("check credentials, clock and network, e.g. with: aws sts get-caller-identity")
            .sent(Sent::Reads));
    }
}
