//! What `doctor` says about the files of settings.

use super::{Place, Settings};
use crate::cli::diagnosis::{Diagnosis, Health, diagnosis};
use crate::cli::environment::Environment;
use crate::domain::counted;

/// Which files are used, what is wrong with them, and who else may change them.
pub(crate) fn findings(settings: &Settings, environment: &Environment) -> Vec<Diagnosis> {
    let mut findings = Vec::new();
    for file in settings.files() {
        let count = counted(file.entries.len() as u64, "setting", "settings");
        if file.faults.is_empty() {
            let accounts = match file.accounts.len() as u64 {
                0 => String::new(),
                some => format!(", and says how {} reached", counted(some, "account is", "accounts are")),
            };
            findings.push(diagnosis("settings", Health::Good, format!("{} sets {count}{accounts}", file.name)));
        }
        for fault in &file.faults {
            let place = format!("{}:{}:{}", fault.file, fault.line, fault.column);
            let hint = if fault.hint.is_empty() { String::new() } else { format!("; {}", fault.hint) };
            let text =
                format!("{place}: {}{hint}; other commands are refused until the file is correct", fault.message);
            findings.push(diagnosis("settings", Health::Bad, text));
        }
        if file.place == Place::User && file.others_may_write {
            let text = format!("{}: others may write it, and it can name a program to run; chmod 600 it", file.name);
            findings.push(diagnosis("settings", Health::Bad, text));
        }
    }
    if findings.is_empty() {
        let own = environment.configuration().map(|path| format!(" nor {}", path.display())).unwrap_or_default();
        findings.push(diagnosis("settings", Health::Good, format!("neither ./keybatch.toml{own} exists")));
    }
    findings
}
