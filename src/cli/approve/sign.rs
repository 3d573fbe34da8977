//! Signing a plan: as somebody who approves it, or as its maker.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::keygen::{Asking, SigningKey, key_of_agent, sign};
use crate::cli::new_file::write_new;
use crate::cli::plan::shown::{Read, about};
use crate::cli::scratch::Scratch;
use crate::cli::{CliError, Code, Context, Exit, Format, Sent, operator, shown};
use crate::record::approval::{
    MAKER_NAMESPACE, PLAN_NAMESPACE, Principal, maker_file, signature_file, text, text_file,
};
use crate::record::ssh::Signature;
use crate::review::json_text;

/// A plan that somebody approves.
pub(super) struct Approving<'a> {
    /// Its file.
    pub(super) path: &'a Path,
    /// The file of the key; else the only key of the agent.
    pub(super) key: Option<&'a Path>,
    /// Who approves it; else the process's user.
    pub(super) principal: Option<&'a Principal>,
}

pub(super) async fn run(asked: &Approving<'_>, plan: &Read, context: &Context) -> Result<Exit, CliError> {
    let principal = match asked.principal {
        Some(principal) => principal.clone(),
        None => own_name()?,
    };
    let approval = Signing::new(asked.path, plan, signature_file(asked.path, &principal))?;
    about(context, plan).await.iter().for_each(|line| context.ui.say(line));
    let scratch = Scratch::create(context)?;
    let key = match asked.key {
        Some(file) => SigningKey { file: file.to_owned(), agent: false },
        None => key_of_agent(&scratch)?,
    };
    let signature = approval.sign(&key, PLAN_NAMESPACE, Asking::Person)?;
    let (file, fingerprint) = (approval.file.to_string_lossy().into_owned(), signature.key().fingerprint());
    match context.ui.format {
        Format::Table | Format::Csv => {
            context.ui.talk(format!("approved as {principal} with the key {fingerprint}: {}", shown(&file)));
        }
        Format::Json | Format::Jsonl => {
            let value = json!({
                "schema": "keybatch.approval/1",
                "plan_id": plan.header.plan_id,
                "plan_root": plan.seal.root,
                "principal": principal.as_str(),
                "key": fingerprint,
                "key_type": signature.key().kind(),
                "file": file,
                "text_file": text_file(asked.path).to_string_lossy(),
            });
            context.ui.data(&format!("{}\n", json_text(&value)))?;
        }
    }
    Ok(Exit::Success)
}

/// Refuses to make a plan at `path` that is to be signed by its maker where a signature is in the way.
///
/// # Errors
/// The refusal.
pub(in crate::cli) fn refuse_signed(path: &Path) -> Result<(), CliError> {
    let in_the_way = [maker_file(path), text_file(path)].into_iter().find(|file| file.symlink_metadata().is_ok());
    match in_the_way {
        None => Ok(()),
        Some(file) => {
            let message = format!("{} already exists: it is of another plan", shown(&file.to_string_lossy()));
            Err(CliError::new(Exit::Usage, message)
                .code(Code::FileExists)
                .sent(Sent::Nothing)
                .hint("move it away, or name another file with -o"))
        }
    }
}

/// Signs a plan as its maker, into `PLAN.maker.sig`. Returns the key's fingerprint.
///
/// # Errors
/// Where it is there already, or cannot be made.
pub(in crate::cli) fn sign_as_maker(path: &Path, plan: &Read, key: &Path) -> Result<String, CliError> {
    let signing = Signing::new(path, plan, maker_file(path))?;
    let key = SigningKey { file: key.to_owned(), agent: false };
    Ok(signing.sign(&key, MAKER_NAMESPACE, Asking::Person)?.key().fingerprint())
}

/// A signature that is to be made.
struct Signing {
    text: String,
    text_file: PathBuf,
    /// Whether the text's file is still to be written.
    text_is_new: bool,
    /// The file of the signature.
    file: PathBuf,
}

impl Signing {
    /// Refuses before anybody is asked for a passphrase or a touch.
    fn new(path: &Path, plan: &Read, file: PathBuf) -> Result<Self, CliError> {
        let (text, text_file) = (text(&plan.header, &plan.seal), text_file(path));
        if file.symlink_metadata().is_ok() {
            return Err(exists(&file));
        }
        let text_is_new = match std::fs::read(&text_file) {
            Ok(found) if found == text.as_bytes() => false,
            Ok(_) => return Err(differs(&text_file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(unwritten(&text_file, &error)),
        };
        Ok(Self { text, text_file, text_is_new, file })
    }

    /// Signs the text, which was derived anew and not read from its file, and writes both files.
    fn sign(&self, key: &SigningKey, namespace: &str, asking: Asking) -> Result<Signature, CliError> {
        let signature = sign(key, namespace, self.text.as_bytes(), asking)?;
        if self.text_is_new {
            match write_new(&self.text_file, self.text.as_bytes()) {
                // Somebody else approves at the same time.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if std::fs::read(&self.text_file).ok().as_deref() != Some(self.text.as_bytes()) {
                        return Err(differs(&self.text_file));
                    }
                }
                written => written.map_err(|error| unwritten(&self.text_file, &error))?,
            }
        }
        match write_new(&self.file, signature.to_armour().as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&self.file)),
            written => written.map(|()| signature).map_err(|error| unwritten(&self.file, &error)),
        }
    }
}

fn own_name() -> Result<Principal, CliError> {
    operator::user().parse().map_err(|error| {
        CliError::from_error(Exit::Usage, &error).hint("name yourself as the list of signers does: --as PRINCIPAL")
    })
}

fn exists(path: &Path) -> CliError {
    let message = format!("{} already exists, and a signature is never replaced", shown(&path.to_string_lossy()));
    CliError::new(Exit::Usage, message)
        .code(Code::FileExists)
        .hint("nothing was signed; keybatch approve PLAN --list shows what is there")
        .hint("to sign again, move that file away, or sign as somebody else with --as")
}

fn differs(path: &Path) -> CliError {
    let message = format!("{} is not the approval text of this plan", shown(&path.to_string_lossy()));
    CliError::new(Exit::Refused, message)
        .code(Code::Approvals)
        .hint("nothing was signed; the file is of another plan, or was changed: move it away, and approve again")
}

fn unwritten(path: &Path, error: &io::Error) -> CliError {
    CliError::new(Exit::Environment, format!("{} cannot be read or written: {error}", shown(&path.to_string_lossy())))
        .code(Code::Output)
        .hint("copy the plan into a directory that can be written to, and approve it there")
}
