//! `keybatch journal`: the journal itself, as a file or as a database.

use std::path::PathBuf;

use serde_json::json;

use super::anchor::AnchorCommand;
use super::error::{CliError, Sent};
use super::exit::Exit;
use super::journal_copy::{self, CopyArgs};
use super::machine::Machine;
use super::options::SessionOptions;
use super::terminal::Verb;
use super::{Code, Context, Format, shown};
use crate::domain::counted;
use crate::journal::open;
use crate::record::checkpoint::base64;
use crate::review::json_text;
use crate::session::order::Rollback;
use crate::session::{self, Archived, refuse_used};

/// Archive or copy a journal, or make one in a database
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: JournalCommand,
}

impl Args {
    /// Whether the command is about the journal that `--journal` names.
    pub(super) fn is_about_the_journal(&self) -> bool {
        !matches!(self.command, JournalCommand::Copy(_))
    }
}

#[derive(Debug, clap::Subcommand)]
enum JournalCommand {
    Archive(ArchiveArgs),
    Copy(CopyArgs),
    /// Make the journal's schema in the PostgreSQL database that --journal names, or bring it up to date
    ///
    /// Needs a user who may create a schema there, or the role keybatch_owner (contrib/postgres/roles.sql makes it), and a connection to
    /// the server itself, not through a pooler. What is recorded stays as it is. A journal in a file needs no such command.
    Migrate,
}

/// Seal the journal as a read-only file, and begin the next one, which names it
///
/// All runs must be over. The archive lies beside the journal and must stay there: what its runs know of key pairs guards later
/// runs as before. Rows in doubt can no longer be resolved.
#[derive(Debug, clap::Args)]
struct ArchiveArgs {
    /// Append the last checkpoint to this file
    #[arg(long, env = "KEYBATCH_CHECKPOINT_TO", value_name = "FILE")]
    checkpoint_to: Option<PathBuf>,
    /// Hand the last checkpoint to this command on its standard input, and record what it prints
    #[arg(long, env = "KEYBATCH_CHECKPOINT_EXEC", value_name = "CMD", value_parser = AnchorCommand::parse, hide_env_values = true)]
    checkpoint_exec: Option<AnchorCommand>,
    /// Sign the last checkpoint with this SSH key, by ssh-keygen
    #[arg(long, env = "KEYBATCH_SIGN_KEY", value_name = "KEYFILE")]
    sign_key: Option<PathBuf>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let ArchiveArgs { checkpoint_to, checkpoint_exec, sign_key } = match args.command {
        JournalCommand::Archive(args) => args,
        JournalCommand::Copy(args) => return Box::pin(journal_copy::run(&args, context)).await,
        JournalCommand::Migrate => return migrate(context).await,
    };
    if context.journal.file().is_none() {
        let message = "a journal in a database cannot be archived: it has no file that could be sealed";
        return Err(CliError::new(Exit::Refused, message).code(Code::JournalUnusable).sent(Sent::Nothing));
    }
    let mut options = SessionOptions { checkpoint_to, checkpoint_exec, sign_key, ..SessionOptions::default() };
    options.check()?;
    options.make_absolute();
    options.try_key()?;
    let order = options.order(context, Rollback::default());
    refuse_used(order.checkpoint_to.as_deref(), &context.journal, &[])?;
    if !context.journal.may_exist() {
        let message = format!("there is no journal at {}", context.journal);
        return Err(CliError::new(Exit::Environment, message).code(Code::JournalMissing).sent(Sent::Nothing));
    }
    let machine = Machine::new(context, &options, Verb::Archive, None)?;
    match session::archive(&machine, &order).await? {
        Some(archived) => say(context, &archived),
        None => Ok(Exit::Stopped),
    }
}

async fn migrate(context: &Context) -> Result<Exit, CliError> {
    let Some(address) = context.journal.address() else {
        return Err(CliError::new(Exit::Usage, "only a journal in a database has a schema that is made by a command")
            .hint("name it with --journal postgres://USER@HOST/DATABASE"));
    };
    let before = open::migrate(address).await?;
    let journal = context.journal.to_string();
    if context.ui.format == Format::Table {
        let done = if before == open::SCHEMA_VERSION { "was up to date" } else { "is ready" };
        context.ui.data(&format!(
            "the journal {} {done}: version {} of its schema\n",
            shown(&journal),
            open::SCHEMA_VERSION
        ))?;
        return Ok(Exit::Success);
    }
    let value = json!({
        "schema": "keybatch.migrated/1", "journal": journal, "before": before, "version": open::SCHEMA_VERSION,
    });
    context.ui.data(&format!("{}\n", json_text(&value)))?;
    Ok(Exit::Success)
}

fn say(context: &Context, archived: &Archived) -> Result<Exit, CliError> {
    let Archived { archive, head, runs, in_doubt, journal, journal_id } = archived;
    if *in_doubt > 0 {
        let rows = counted(*in_doubt, "row is", "rows are");
        context.ui.say(&format!("note: {rows} in doubt, and nothing more can be recorded about that"));
    }
    if context.ui.format == Format::Table {
        let text = format!(
            "archived  {} with {} and {}\njournal   {}, new; keep both in their places\n",
            shown(&archive.to_string_lossy()),
            counted(*runs, "run", "runs"),
            counted(head.size, "entry", "entries"),
            shown(&journal.to_string()),
        );
        context.ui.data(&text)?;
        return Ok(Exit::Success);
    }
    let value = json!({
        "schema": "keybatch.archive/1",
        "archive": archive.to_string_lossy(),
        "previous": { "id": head.journal_id, "size": head.size, "root": base64(&head.root) },
        "runs": runs,
        "in_doubt": in_doubt,
        "journal": journal,
        "journal_id": journal_id,
    });
    context.ui.data(&format!("{}\n", json_text(&value)))?;
    Ok(Exit::Success)
}
