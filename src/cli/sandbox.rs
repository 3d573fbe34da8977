//! `keybatch sandbox`: serves the look-alike to other processes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::code::Code;
use super::error::CliError;
use super::exit::Exit;
use super::signals::{self, DRAIN_TIMEOUT};
use super::{Context, Format, shown};
use crate::domain::counted;
use crate::sandbox::{SandboxOptions, Source, StateDir, TrailForm, World, start, write_trail};
use crate::session::Stops;

/// Serve a Lightsail look-alike on this machine, for rehearsals
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// World file; without it, an empty world
    #[arg(value_name = "WORLD")]
    world: Option<PathBuf>,
    /// Loopback address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Keep the world and its record in this directory, and continue from there the next time
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Serve nothing: write what CloudTrail would have of the requests that --state has recorded into this directory
    #[arg(long, value_name = "DIR", requires = "state", conflicts_with = "world")]
    cloudtrail: Option<PathBuf>,
    /// With --cloudtrail: the form of the records
    #[arg(long, value_name = "FORM", default_value = "log-files", requires = "cloudtrail", value_parser = form)]
    form: TrailForm,
    /// With --cloudtrail: also those records that the world's file delays
    #[arg(long, requires = "cloudtrail")]
    late: bool,
}

fn form(word: &str) -> Result<TrailForm, String> {
    let known = TrailForm::ALL.map(TrailForm::as_str).join(", ");
    TrailForm::ALL.into_iter().find(|form| form.as_str() == word).ok_or_else(|| format!("the forms are {known}"))
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let environment = |error: &dyn std::error::Error| CliError::from_error(Exit::Environment, error).code(Code::World);
    if let (Some(state), Some(out)) = (&args.state, &args.cloudtrail) {
        return trail(args, state, out, context);
    }
    let world = match &args.world {
        Some(path) => {
            Some(World::load(path).map_err(|error| CliError::from_error(Exit::Usage, &error).code(Code::World))?)
        }
        None => None,
    };
    let source = match &args.state {
        Some(directory) if directory.join("world.json").exists() => {
            Source::Dir(StateDir::open(directory).map_err(|error| environment(&error))?)
        }
        Some(directory) => {
            let world = world.unwrap_or_else(empty);
            Source::Dir(StateDir::create(directory, world).map_err(|error| environment(&error))?)
        }
        None => Source::Memory(world.unwrap_or_else(empty)),
    };
    let stops = Stops::default();
    signals::listen(&stops, context.ui.clone(), DRAIN_TIMEOUT)
        .map_err(|error| CliError::from_error(Exit::Unexpected, &error))?;
    let sandbox = start(SandboxOptions { addr: args.listen, source })
        .await
        .map_err(|error| environment(&error).code(Code::Sandbox))?;
    let url = sandbox.url();
    if context.ui.format == Format::Table {
        context.ui.data(&format!("{url}\n"))?;
    } else {
        context.ui.data(&format!("{}\n", serde_json::json!({"url": url, "world": sandbox.world_id()})))?;
    }
    context.ui.talk(format!("sandbox {} is serving on {url}; stop it with Ctrl-C", sandbox.world_id()));
    context.ui.talk(format!("  export AWS_ENDPOINT_URL={url} AWS_ACCESS_KEY_ID=SANDBOX AWS_SECRET_ACCESS_KEY=none"));
    stops.asked().await;
    sandbox.stop().await;
    Ok(Exit::Success)
}

/// Writes CloudTrail's records of a state.
fn trail(args: &Args, state: &Path, out: &Path, context: &Context) -> Result<Exit, CliError> {
    let written = write_trail(state, out, args.form, args.late)
        .map_err(|error| CliError::from_error(Exit::Environment, &error).code(Code::World))?;
    if context.ui.format == Format::Table {
        let (files, records) = (counted(written.files, "file", "files"), counted(written.records, "record", "records"));
        let delayed = if written.delayed > 0 { format!("; {} delayed", written.delayed) } else { String::new() };
        context.ui.data(&format!("{}: {records} in {files}{delayed}\n", shown(&out.to_string_lossy())))?;
    } else {
        let object = serde_json::json!({
            "directory": out, "form": args.form.as_str(), "files": written.files, "records": written.records,
            "delayed": written.delayed,
        });
        context.ui.data(&format!("{object}\n"))?;
    }
    Ok(Exit::Success)
}

fn empty() -> World {
    World::rehearsal(std::iter::empty())
}
