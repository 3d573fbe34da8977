//! Files that `show` is given by mistake: another command reads them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::super::{CliError, Code, Exit, shown};

/// How much of a file shows what it is.
const BEGIN: u64 = 16;

/// Refuses the file of a proof, of checkpoints, or a journal, and says which command is meant for it.
pub(super) fn others(named: &str) -> Result<(), CliError> {
    let mut begin = Vec::new();
    let read = File::open(named).and_then(|file| file.take(BEGIN).read_to_end(&mut begin));
    if read.is_err() || !Path::new(named).is_file() {
        return Ok(());
    }
    let name = shown(named);
    let (what, instead) = match &*begin {
        begin if begin.starts_with(b"{\"checkpoint\":") => {
            ("a proof", format!("to see what it proves: keybatch verify {name}"))
        }
        begin if begin.starts_with(b"keybatch/") => {
            ("a file of checkpoints", format!("to hold the journal against them: keybatch verify --checkpoint {name}"))
        }
        begin if begin.starts_with(b"SQLite format 3\0") => {
            ("a database", format!("to show what is in a journal: keybatch show --journal {name}"))
        }
        _ => return Ok(()),
    };
    let refused =
        CliError::new(Exit::Usage, format!("{name} is {what}, which `show` does not read; nothing was verified"));
    Err(refused.code(Code::PlanUnreadable).hint(instead))
}
