//! What `doctor` finds about signatures and checkpoints. Nothing is signed.

use std::os::unix::net::UnixStream;
use std::path::Path;

use super::super::anchor::is_program;
use super::super::diagnosis::{Diagnosis, Health, diagnosis};
use super::super::{Environment, shown};

/// The program that signs with keys in files, in agents and on hardware.
const PROGRAM: &str = "ssh-keygen";

/// All of it. `checkpoints`: where `run` appends checkpoints, if anywhere.
pub(super) fn set_up(environment: &Environment, checkpoints: Option<&Path>) -> Vec<Diagnosis> {
    vec![program(environment), agent(environment), file(checkpoints)]
}

fn program(environment: &Environment) -> Diagnosis {
    let path = environment.variable("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(PROGRAM)).find(|file| is_program(file));
    match found {
        Some(file) => diagnosis("signing", Health::Good, format!("{PROGRAM} is {}", shown(&file.to_string_lossy()))),
        None => {
            let text = format!("{PROGRAM} is not in PATH: plans and checkpoints cannot be signed here");
            diagnosis("signing", Health::Note, text)
        }
    }
}

fn agent(environment: &Environment) -> Diagnosis {
    let Some(socket) = environment.variable("SSH_AUTH_SOCK") else {
        return diagnosis("agent", Health::Note, "no SSH agent is set (SSH_AUTH_SOCK): only keys in files can sign");
    };
    match UnixStream::connect(socket) {
        Ok(_) => diagnosis("agent", Health::Good, format!("an SSH agent answers at {}", shown(socket))),
        Err(error) => {
            let text = format!("no SSH agent answers at {} (SSH_AUTH_SOCK): {error}", shown(socket));
            diagnosis("agent", Health::Note, text)
        }
    }
}

/// Whether checkpoints can be appended. A file that is not there yet is not created.
fn file(checkpoints: Option<&Path>) -> Diagnosis {
    let Some(path) = checkpoints else {
        let text =
            "no file is set for checkpoints (--checkpoint-to): nothing beyond this machine would show a rollback";
        return diagnosis("checkpoints", Health::Note, text);
    };
    let place = shown(&path.to_string_lossy());
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_new = !path.exists();
    let usable = if is_new {
        rustix::fs::access(parent, rustix::fs::Access::WRITE_OK).map_err(std::io::Error::from)
    } else {
        std::fs::OpenOptions::new().append(true).open(path).map(drop)
    };
    match usable {
        Ok(()) if is_new => {
            diagnosis("checkpoints", Health::Good, format!("{place} does not exist yet; a run creates it"))
        }
        Ok(()) => diagnosis("checkpoints", Health::Good, format!("appended to {place}")),
        Err(error) => diagnosis("checkpoints", Health::Bad, format!("{place} cannot be written: {error}")),
    }
}
