//! The policies that hold: the one that the operator names, and the machine's own, which always applies.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::cli::settings::Source;
use crate::cli::{CliError, Code, Context, Exit, Sent, shown};
use crate::domain::sha256;
use crate::policy::{self, Fault, Rules};

/// A policy in a file.
#[derive(Debug, Clone)]
pub(crate) struct PolicyFile {
    /// The file, as it was named.
    pub(crate) file: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub(crate) sha256: String,
    /// What it says.
    pub(crate) rules: Rules,
}

impl PolicyFile {
    /// Reads the policy at `path`.
    ///
    /// # Errors
    /// If there is none that can be read, or it has faults.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        Self::of(path, bytes(path))
    }

    /// Reads the policy of this machine, if it has one.
    ///
    /// # Errors
    /// If it cannot be read, or has faults: it applies all the same, so nothing may be done without it.
    pub(crate) fn of_machine(context: &Context) -> Result<Option<Self>, CliError> {
        let path = &context.environment.machine_policy;
        match bytes(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => Self::of(path, read).map(Some).map_err(|error| {
                error.hint(format!("{} applies to whatever is done on this machine", shown(&path.to_string_lossy())))
            }),
        }
    }

    fn of(path: &Path, read: io::Result<Vec<u8>>) -> Result<Self, CliError> {
        let file = path.display().to_string();
        let bytes = read.map_err(|error| {
            CliError::new(Exit::Refused, format!("the policy {file} cannot be read: {error}"))
                .code(Code::PolicyUnreadable)
                .sent(Sent::Nothing)
        })?;
        match policy::parse(&bytes) {
            Ok(rules) => Ok(Self { file, sha256: sha256(&bytes), rules }),
            Err(found) => Err(refused(&file, &bytes, &found)),
        }
    }
}

/// The bytes of a file, and perhaps more of a longer one than a policy may have.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(policy::MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The refusal of a policy with faults.
fn refused(file: &str, bytes: &[u8], found: &[Fault]) -> CliError {
    let source = Source { name: file.into(), text: String::from_utf8_lossy(bytes).into() };
    let mut refused =
        CliError::new(Exit::Refused, "the policy was refused").code(Code::PolicyFaults).sent(Sent::Nothing);
    let faults = found
        .iter()
        .map(|fault| source.fault(fault.at.clone(), fault.kind.code(), fault.to_string()).hint(fault.hint()));
    refused.details.file_faults = faults.collect();
    refused.hint("fix the file, and check it with: keybatch policy check FILE")
}
