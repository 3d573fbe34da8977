//! `keybatch checkpoint`: the present head of the journal as a text, signed on demand.

use std::path::PathBuf;

use serde_json::json;

use super::keygen::{Asking, SigningKey, key_of_agent, sign};
use super::new_file::{unwritten, write_new};
use super::scratch::Scratch;
use super::{CliError, Context, Exit, Format};
use crate::journal::JournalError;
use crate::record::approval::CHECKPOINT_NAMESPACE;
use crate::record::checkpoint::Checkpoint;
use crate::review::json_text;

/// Print a checkpoint of the journal as it is now, signed on demand
///
/// Give it to somebody beyond your reach: it shows later whether entries before it were altered or removed. This command
/// does not verify the journal.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Sign the checkpoint, by ssh-keygen
    #[arg(long)]
    sign: bool,
    /// The key that signs: a private key, or a public key or certificate whose private key the agent has
    #[arg(long, env = "KEYBATCH_KEY", value_name = "KEYFILE")]
    key: Option<PathBuf>,
    /// Sign with the only key of the SSH agent
    #[arg(long, conflicts_with = "key", requires = "sign")]
    agent: bool,
    /// Write to this new file instead of standard output
    #[arg(short = 'o', long = "to", value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    if args.sign && args.key.is_none() && !args.agent {
        return Err(CliError::new(Exit::Usage, "--sign needs --key KEYFILE or --agent"));
    }
    let reader = context.reader().await?;
    let (size, root) = reader.head().await?;
    let id = reader.journal_id().await?.unwrap_or_default();
    let checkpoint = Checkpoint::of(&id, size, &root).filter(|_| size > 0 && !id.is_empty());
    let checkpoint =
        checkpoint.ok_or_else(|| JournalError::damaged("its head is not one of a journal with entries"))?;
    let text = checkpoint.to_text();
    let signature = if args.sign {
        let scratch = Scratch::create(context)?;
        let key = match &args.key {
            Some(file) => SigningKey { file: file.clone(), agent: false },
            None => key_of_agent(&scratch)?,
        };
        Some(sign(&key, CHECKPOINT_NAMESPACE, text.as_bytes(), Asking::Person)?)
    } else {
        None
    };
    let armour = signature.as_ref().map(|signature| signature.to_armour());
    let record = format!("{text}{}\n", armour.as_deref().unwrap_or_default());
    if let Some(path) = &args.to {
        write_new(path, record.as_bytes()).map_err(|error| unwritten(path, &error))?;
    }
    match (context.ui.format, &args.to) {
        (Format::Json | Format::Jsonl, _) => {
            let value = json!({
                "schema": "keybatch.checkpoint/1",
                "origin": format!("keybatch/{id}"),
                "size": size,
                "root": root,
                "text": text,
                "signature": armour,
                "key": signature.map(|signature| signature.key().fingerprint()),
                "file": args.to.as_ref().map(|path| path.to_string_lossy()),
            });
            context.ui.data(&format!("{}\n", json_text(&value)))?;
        }
        (Format::Table | Format::Csv, None) => context.ui.data(&record)?,
        (Format::Table | Format::Csv, Some(path)) => {
            context
                .ui
                .talk(format!("checkpoint of {size} entries written to {}", super::shown(&path.to_string_lossy())));
        }
    }
    Ok(Exit::Success)
}
