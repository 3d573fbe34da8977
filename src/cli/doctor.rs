//! `keybatch doctor`: whether a run can succeed in this environment. Each check is a function that returns findings.

mod anchor;
mod archives;
mod manifest;
mod server;
mod signing;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::credentials::sign_in;
use super::diagnosis::{Diagnosis, Health, diagnosis};
use super::options::SessionOptions;
use super::reach::ReachOptions;
use super::refused::{UNCHANGED, lost_entries};
use super::{CliError, Context, Environment, Exit, Ui, network, route, settings, shown};
use crate::domain::{ApiError, SANDBOX_HEADER, Settings, counted};
use crate::journal::open::shared_file_system;
use crate::journal::{Cell, JournalError, Lock, Reader};
use crate::lightsail::Lightsail as _;
use crate::lightsail::aws::AwsLightsail;
use crate::lightsail::credentials::{CredentialsFault, locate};
use crate::lightsail::load::AwsOptions;
use crate::lightsail::service::Service;
use crate::session::error::LostEntries;
use crate::session::host::HeadMemory;
use crate::session::rollback::{Compared, compare};

/// Variables that say where configuration comes from; their values are not secret.
const NAMED: [&str; 6] = [
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
];

/// Secrets: doctor reports that they are set, never their values.
const SECRET: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// If less than this is free, `doctor` notes it: a hundred thousand rows need about 300 MB.
const LITTLE_SPACE_BYTES: u64 = 500 * 1024 * 1024;

/// Check the journal and the environment; --online also asks AWS
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Also ask AWS whose credentials these are, and whether key pairs can be listed
    #[arg(long)]
    online: bool,
    /// Region to ask [default: from the AWS configuration]
    #[arg(long, env = "KEYBATCH_REGION", value_name = "REGION")]
    region: Option<String>,
    #[command(flatten)]
    reach: ReachOptions,
    #[command(flatten)]
    manifest: manifest::ManifestOptions,
}

impl Args {
    fn session(&self) -> SessionOptions {
        SessionOptions { region: self.region.clone(), ..self.reach.session() }
    }
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    network::check_flags(args.region.as_deref(), args.reach.endpoint_url.as_deref())?;
    let options = args.session();
    let of_manifest = match &args.manifest.manifest {
        // One that is refused is reported alone, as `run` does.
        Some(path) => args.manifest.check(path, &options, context).await?,
        None => Vec::new(),
    };
    let mut findings = match context.journal.file() {
        Some(path) => journal_file(path).into_iter().chain(disk(path)).collect(),
        None => vec![diagnosis("journal", Health::Good, shown(&context.journal.to_string()))],
    };
    findings.extend(journal_content(context).await);
    findings.extend(state(context).await);
    findings.extend(archives::chain(context).await);
    match context.journal.file() {
        Some(path) => findings.extend(lock(path)),
        None => findings.extend(server::findings(&context.journal).await),
    }
    findings.extend(terminal(&context.environment));
    findings.extend(settings::findings(&context.settings, &context.environment));
    findings.extend(aws_configuration(&context.environment));
    let options = AwsOptions {
        role: None,
        profile: args.reach.profile.clone(),
        region: args.region.clone(),
        endpoint_url: args.reach.endpoint_url.clone(),
        attempt_timeout: Settings::default().attempt_timeout,
        run: None,
        variables: network::variables(&context.environment),
    };
    findings.extend(signing::set_up(&context.environment, checkpoints(context).as_deref()));
    let anchor = of_a_run(context, "checkpoint-exec", "KEYBATCH_CHECKPOINT_EXEC");
    findings.extend(anchor.map(|text| anchor::command(text, &context.environment)));
    findings.push(credentials(args).await);
    findings.extend(route::way(&options).await);
    if args.online {
        findings.extend(service(options, args.reach.credentials_timeout, &context.ui).await);
    }
    findings.extend(of_manifest);
    let mut stream = context.ui.stream(&["check", "health", "finding"])?.wrapping();
    for Diagnosis { check, health, text } in &findings {
        let health = match health {
            Health::Good => "good",
            Health::Note => "NOTE",
            Health::Bad => "BAD",
        };
        stream.row(&[(*check).to_owned(), health.to_owned(), text.clone()].map(Cell::Text))?;
    }
    stream.end()?;
    let bad = findings.iter().any(|finding| finding.health == Health::Bad);
    Ok(if bad { Exit::Environment } else { Exit::Success })
}

/// Where credentials come from, according to variables and files; sends nothing.
async fn credentials(args: &Args) -> Diagnosis {
    match locate(args.reach.profile.as_deref()).await {
        // Only obtaining them shows whether they have expired, and whether a program that provides them works.
        Ok(located) if args.online || args.manifest.manifest.is_some() => {
            diagnosis("credentials", Health::Good, shown(&located.to_string()))
        }
        Ok(located) => {
            let text = format!("{} (not tried; --online tries them)", shown(&located.to_string()));
            diagnosis("credentials", Health::Good, text)
        }
        // Rehearsals need none.
        Err(fault @ CredentialsFault::Nowhere { .. }) => diagnosis("credentials", Health::Note, told(&fault)),
        Err(fault) => diagnosis("credentials", Health::Bad, told(&fault)),
    }
}

fn told(fault: &CredentialsFault) -> String {
    let steps = fault.steps().into_iter();
    let lines: Vec<String> = std::iter::once(fault.to_string()).chain(steps).map(|line| shown(&line)).collect();
    lines.join("; ")
}

/// What the service says. Reads only: the caller's identity, and one page of key pairs.
async fn service(mut options: AwsOptions, limit: Option<Duration>, ui: &Ui) -> Vec<Diagnosis> {
    let failed = |error: &CliError| vec![diagnosis("service", Health::Bad, error.message.clone())];
    options.region = match network::region_of_machine(&options).await {
        Ok(Some(region)) => Some(region),
        Ok(None) => {
            return vec![diagnosis("service", Health::Bad, "there is no region to ask: name one with --region")];
        }
        Err(error) => return failed(&error),
    };
    let region = options.region.clone().unwrap_or_default();
    let port = match AwsLightsail::load(&options).await {
        Ok(port) => port,
        Err(error) => return failed(&network::config_error(&error)),
    };
    let mut findings = Vec::new();
    // Send nothing to an address that must not be used.
    for service in [Service::Lightsail, Service::Sts] {
        if let Err(error) = port.address(service, &region).await {
            return failed(&network::config_error(&error));
        }
    }
    if let Err(fault) = sign_in(&port, limit, ui).await {
        return vec![diagnosis("caller", Health::Bad, told(&fault))];
    }
    let caller = port.caller_identity().await;
    let sandbox = if caller.exchange.headers.contains_key(SANDBOX_HEADER) { " (SANDBOX)" } else { "" };
    findings.push(match caller.result {
        Ok(caller) => {
            diagnosis("caller", Health::Good, format!("{} of account {}{sandbox}", caller.arn, caller.account))
        }
        Err(error) => diagnosis("caller", Health::Bad, format!("sts:GetCallerIdentity: {}", with_hint(&error))),
    });
    findings.push(match port.get_key_pairs(&region, None).await.result {
        Ok(page) => {
            diagnosis("listing", Health::Good, format!("{} key pairs on the first page of {region}", page.items.len()))
        }
        Err(error) => {
            diagnosis("listing", Health::Bad, format!("lightsail:GetKeyPairs in {region}: {}", with_hint(&error)))
        }
    });
    findings
}

fn with_hint(error: &ApiError) -> String {
    network::hints(error).into_iter().fold(error.summary(), |text, hint| format!("{text}; {hint}"))
}

/// Where the journal is, and who may read it.
fn journal_file(path: &Path) -> Vec<Diagnosis> {
    let shown = path.display().to_string();
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return vec![diagnosis(
                "journal",
                Health::Note,
                format!("{shown} does not exist yet; the first run creates it"),
            )];
        }
        Err(error) => return vec![diagnosis("journal", Health::Bad, format!("{shown}: {error}"))],
    };
    if !metadata.is_file() {
        return vec![diagnosis("journal", Health::Bad, format!("{shown} is not a regular file"))];
    }
    let mut findings = vec![diagnosis("journal", Health::Good, format!("{shown}, {} bytes", metadata.len()))];
    let mode = metadata.permissions().mode() & 0o777;
    findings.push(match mode & 0o077 {
        0 => diagnosis("permissions", Health::Good, format!("{mode:04o}")),
        // SQLite gives the files beside it the same mode, so a group of reviewers needs nothing else.
        0o040 => {
            let text = format!("{mode:04o}: group {} may read it", metadata.gid());
            diagnosis("permissions", Health::Note, text)
        }
        _ => {
            let text = format!("{mode:04o}: others may read or write it; chmod 600 it, or 640 for a group of readers");
            diagnosis("permissions", Health::Bad, text)
        }
    });
    let user = rustix::process::getuid().as_raw();
    if metadata.uid() != user {
        let text = format!("the journal belongs to user {}, but you are user {user}", metadata.uid());
        findings.push(diagnosis("owner", Health::Note, text));
    }
    findings
}

/// The disk that the journal is on, or will be.
fn disk(path: &Path) -> Vec<Diagnosis> {
    if let Some(name) = shared_file_system(path) {
        let text = format!("the journal is on {name}, where it is not safe; use a local disk");
        return vec![diagnosis("disk", Health::Bad, text)];
    }
    let existing = path.ancestors().find(|ancestor| !ancestor.as_os_str().is_empty() && ancestor.exists());
    match rustix::fs::statvfs(existing.unwrap_or(Path::new("."))) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let health = if free < LITTLE_SPACE_BYTES { Health::Note } else { Health::Good };
            vec![diagnosis("disk", health, format!("local, {} MiB free", free / (1024 * 1024)))]
        }
        Err(error) => vec![diagnosis("disk", Health::Note, format!("cannot determine its free space: {error}"))],
    }
}

async fn journal_content(context: &Context) -> Vec<Diagnosis> {
    let health = match context.reader().await {
        Ok(reader) => reader.health().await,
        Err(JournalError::Missing { .. }) => return Vec::new(),
        Err(error) => Err(error),
    };
    match health {
        Ok((database, schema, entries, bytes)) => vec![
            diagnosis(if context.journal.file().is_some() { "sqlite" } else { "postgres" }, Health::Good, database),
            diagnosis("schema", Health::Good, format!("version {schema}, {entries} entries, {bytes} bytes in pages")),
        ],
        Err(error) => vec![diagnosis(
            "content",
            Health::Bad,
            format!("{error}; `{}` gives details", context.ui.suggested(["verify"])),
        )],
    }
}

/// Whether this machine remembers the heads of journals, and what it remembers of this one.
async fn state(context: &Context) -> Vec<Diagnosis> {
    let without = "keybatch will not recognise an older copy of the journal";
    let heads = match context.environment.heads() {
        Ok(heads) => heads,
        Err(why) => return vec![diagnosis("state", Health::Note, format!("{why}: {without}"))],
    };
    let directory = heads.directory().display();
    let mut findings = vec![match heads.usable() {
        Ok(()) => diagnosis("state", Health::Good, format!("{directory} remembers the newest head of each journal")),
        Err(error) => diagnosis("state", Health::Note, format!("{error}: {without}")),
    }];
    findings.extend(head(context).await);
    findings
}

/// Whether the journal has the entries that were seen in it before.
async fn head(context: &Context) -> Vec<Diagnosis> {
    // Another check reports why a journal cannot be opened.
    let Ok(reader) = context.reader().await else { return Vec::new() };
    match heads(context, &reader).await {
        Ok(findings) => findings,
        Err(error) => {
            let text = format!("the journal could not be compared with its known heads: {}", error.message);
            vec![diagnosis("head", Health::Note, text)]
        }
    }
}

/// Where a run would append checkpoints.
fn checkpoints(context: &Context) -> Option<PathBuf> {
    of_a_run(context, "checkpoint-to", "KEYBATCH_CHECKPOINT_TO").map(PathBuf::from)
}

/// What a setting of `run` is where no flag names it.
fn of_a_run<'a>(context: &'a Context, setting: &str, variable: &str) -> Option<&'a str> {
    let in_file = || context.settings.of("run", setting)?.values.first().map(String::as_str);
    context.environment.variable(variable).or_else(in_file)
}

/// What a session would find if it began now.
async fn heads(context: &Context, reader: &Reader) -> Result<Vec<Diagnosis>, CliError> {
    let named = checkpoints(context);
    let heads = context.environment.heads().map(|heads| Arc::new(heads) as Arc<dyn HeadMemory>);
    let Compared { known, missing, unusable } = compare(&heads, reader, named.as_deref()).await?;
    let mut findings: Vec<_> = unusable.into_iter().map(|why| diagnosis("head", Health::Note, why)).collect();
    if !missing.is_empty() {
        let (entries, _) = reader.head().await?;
        let lost = LostEntries { journal: context.journal.clone(), entries, missing };
        let CliError { message, hints, .. } = lost_entries(&lost);
        let steps = hints.into_iter().map(|hint| hint.told(&context.ui.given)).filter(|hint| hint != UNCHANGED);
        let text: Vec<_> = std::iter::once(message).chain(steps).collect();
        findings.push(diagnosis("head", Health::Bad, text.join("; ")));
    } else if let Some((size, file)) = known {
        let entries = counted(size, "entry", "entries");
        let text = format!("the journal contains its newest known head ({entries}, from {})", file.display());
        findings.push(diagnosis("head", Health::Good, text));
    }
    Ok(findings)
}

/// Whether a session could begin now. The lock is released at once; a missing lock file is not created.
fn lock(path: &Path) -> Vec<Diagnosis> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    if !Path::new(&name).exists() {
        return vec![diagnosis("lock", Health::Good, "free")];
    }
    match Lock::take(path) {
        Ok(_) => vec![diagnosis("lock", Health::Good, "free")],
        Err(JournalError::Locked { holder, .. }) => {
            let by = holder.map(|by| format!(": {by}")).unwrap_or_default();
            vec![diagnosis("lock", Health::Note, format!("another session holds it{by}"))]
        }
        Err(error) => vec![diagnosis("lock", Health::Bad, error.to_string())],
    }
}

fn terminal(environment: &Environment) -> Vec<Diagnosis> {
    let word = |is: bool| if is { "a terminal" } else { "not a terminal" };
    let text = format!(
        "standard input is {}, standard output {}, standard error {}",
        word(environment.stdin_is_terminal),
        word(environment.stdout_is_terminal),
        word(environment.stderr_is_terminal)
    );
    let mut findings = vec![diagnosis("terminal", Health::Good, text)];
    if !environment.stdin_is_terminal {
        findings.push(diagnosis(
            "prompts",
            Health::Note,
            "keybatch cannot ask for a confirmation: pass --yes or --confirm N to `run`",
        ));
    }
    findings
}

/// What the environment says about AWS, without secrets.
fn aws_configuration(environment: &Environment) -> Vec<Diagnosis> {
    let mut findings = Vec::new();
    for name in NAMED {
        if let Some(value) = environment.variable(name) {
            findings.push(diagnosis("aws", Health::Good, format!("{name} is {value}")));
        }
    }
    for name in SECRET {
        if environment.variable(name).is_some() {
            findings.push(diagnosis("aws", Health::Good, format!("{name} is set")));
        }
    }
    findings
}
