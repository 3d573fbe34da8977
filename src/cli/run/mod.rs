//! `keybatch run`: reads a manifest, observes the key pairs, records every intent, asks for a confirmation, and deletes at a safe
//! rate.

mod args;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::machine::Machine;
use super::options::refuse_secret;
use super::say::say;
use super::scratch::Scratch;
use super::terminal::Verb;
use super::{Context, dry_run, faults, network};
use crate::session::{self, Ending, refuse_used};

pub(super) use args::Args;

pub(super) async fn run(mut args: Args, context: &Context) -> Result<Exit, CliError> {
    args.options.region = args.region.clone();
    network::check_flags(args.options.region.as_deref(), args.options.endpoint_url.as_deref())?;
    refuse_secret("--because", args.rollback.because.as_deref())?;
    args.options.check()?;
    args.again.check()?;
    args.options.make_absolute();
    let mut order = args.order(context, context.journal.clone());
    if !args.again.resume {
        order.refuse_unanswerable()?;
    }
    let world = args.sandbox.iter().flatten().map(|world| (world.as_path(), "the world file"));
    let read: Vec<_> = world.chain([(args.manifest.as_path(), "the manifest")]).collect();
    refuse_used(order.order.checkpoint_to.as_deref(), &context.journal, &read)?;
    let machine = Machine::new(context, &args.options, Verb::Run, args.sandbox.clone())?;
    let input = open_manifest(&args.manifest)?;
    let scratch = if args.dry_run { Some(Scratch::create(context)?) } else { None };
    if let Some(scratch) = &scratch {
        order.journal = scratch.path().join("journal.db");
    }
    match session::run(&machine, &order, input).await {
        Ok(Ending::Summed(summary)) => Ok(say(&context.ui, &summary)),
        Ok(Ending::Nothing) => Ok(Exit::Success),
        Ok(Ending::DryRun(planned)) => {
            dry_run::print(context, &planned).await.map_err(|error| error.sent(Sent::Reads))?;
            planned.judged.map(|()| Exit::Success).map_err(|error| CliError::from(error).sent(Sent::Reads))
        }
        Err(error) => {
            let mut error = CliError::from(error);
            error.details.report = error.details.faults.as_ref().map(|found| faults::report(context, found));
            Err(error)
        }
    }
}

fn open_manifest(path: &Path) -> Result<Box<dyn Read + Send>, CliError> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin()));
    }
    let opened = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() { Err(std::io::Error::other("it is a directory")) } else { Ok(file) }
    });
    let file = opened.map_err(|error| {
        CliError::new(Exit::Refused, format!("the manifest {} cannot be read: {error}", path.display()))
            .code(Code::ManifestUnreadable)
            .sent(Sent::Nothing)
    })?;
    Ok(Box::new(file))
}
