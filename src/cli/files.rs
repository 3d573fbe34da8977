//! Manifests and plans that are read.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::code::Code;
use super::error::{CliError, Sent};
use super::exit::Exit;
use crate::record::plan::file::looks_like_a_plan;

/// A manifest that is read; `-` is standard input.
pub(super) fn open_manifest(path: &Path) -> Result<Box<dyn Read + Send>, CliError> {
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

/// A manifest or a plan that is read, and whether it is a plan: a manifest is no JSON object. Standard input is a manifest.
pub(super) fn open_manifest_or_plan(path: &Path) -> Result<(Box<dyn BufRead + Send>, bool), CliError> {
    let mut input = BufReader::new(open_manifest(path)?);
    if path.as_os_str() == "-" {
        // Its first byte may be long in coming, and nothing listens to signals yet.
        return Ok((Box::new(input), false));
    }
    let beginning = input.fill_buf().map_err(|error| {
        CliError::new(Exit::Refused, format!("{} cannot be read: {error}", path.display()))
            .code(Code::ManifestUnreadable)
            .sent(Sent::Nothing)
    })?;
    let is_plan = looks_like_a_plan(beginning);
    Ok((Box::new(input), is_plan))
}

/// A plan's file that is read.
pub(super) fn open_plan(path: &Path) -> Result<File, CliError> {
    let opened = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() { Err(std::io::Error::other("it is a directory")) } else { Ok(file) }
    });
    opened.map_err(|error| {
        let message = format!("the plan {} cannot be read: {error}", path.display());
        CliError::new(Exit::Refused, message).code(Code::PlanUnreadable).sent(Sent::Nothing)
    })
}
