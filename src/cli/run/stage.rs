//! The manifest on the stage: read, judged, and each row in its region.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::IgnoredAny;

use super::args::Args;
use crate::cli::Context;
use crate::cli::code::Code;
use crate::cli::connect::default_region;
use crate::cli::error::{CliError, Sent};
use crate::cli::exit::Exit;
use crate::domain::RunId;
use crate::journal::JournalError;
use crate::journal::sqlite::stage::Stage;
use crate::manifest::{self, Faults, Ingested};
use crate::plan::StagedRow;
use crate::plan::stage::{StageError, compare_twins, stage_manifest};
use crate::record::event::ManifestIngested;
use crate::sandbox::RehearsalRow;

/// A manifest on the stage, and what is known of it.
pub(super) struct Staged {
    pub(super) stage: Stage,
    pub(super) ingested: Ingested,
    pub(super) regions: Vec<String>,
}

/// Why nothing could be staged.
pub(super) enum Refusal {
    /// With what is known of the manifest if it could be read to its end.
    Manifest(Box<Faults>, Option<Box<Ingested>>),
    Other(CliError),
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        Self::Other(error.into())
    }
}

pub(super) async fn stage(
    args: &Args,
    context: &Context,
    input: Box<dyn Read + Send>,
    directory: &Path,
    run: RunId,
) -> Result<Staged, Refusal> {
    let mut stage = Stage::create(directory, &run.to_string()).await?;
    let name = args.manifest.display().to_string();
    let options =
        manifest::Options { allow_default_key_pair: args.allow_default_key_pair, annotations: args.annotation.clone() };
    let ingested = match stage_manifest(&mut stage, &name, input, options, args.skip_invalid).await {
        Ok(ingested) => ingested,
        Err(StageError::Refused(faults, ingested)) => return Err(Refusal::Manifest(faults, ingested)),
        Err(error @ StageError::Input { .. }) => {
            let unreadable = CliError::from_error(Exit::Refused, &error).code(Code::ManifestUnreadable);
            return Err(Refusal::Other(unreadable.sent(Sent::Nothing)));
        }
        Err(StageError::Stage(error)) => return Err(error.into()),
    };
    if stage.regions().iter().any(String::is_empty) {
        let region = default_region(&args.options, context, args.sandbox.is_some()).await.map_err(Refusal::Other)?;
        let Some(region) = region else {
            let message = "some rows name no region, and the AWS configuration has no default region";
            let error = CliError::new(Exit::Environment, message)
                .code(Code::Region)
                .hint("set it with --region or AWS_REGION, or add a region column")
                .sent(Sent::Nothing);
            return Err(Refusal::Other(error));
        };
        stage.fill_region(&region).await?;
    }
    stage.index_rows().await?;
    let faults = compare_twins(&mut stage, &name, args.skip_invalid).await?;
    if !faults.is_empty() {
        return Err(Refusal::Manifest(Box::new(faults), Some(Box::new(ingested))));
    }
    let regions = stage.regions().to_vec();
    Ok(Staged { stage, ingested, regions })
}

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

pub(super) fn manifest_entry(ingested: &Ingested) -> ManifestIngested {
    ManifestIngested {
        name: ingested.name.clone(),
        sha256: ingested.sha256.clone(),
        bytes: ingested.bytes,
        rows: ingested.rows,
        columns: ingested.columns.clone(),
    }
}

/// Rows that a rehearsal's world is made from are read so many at a time.
const REHEARSAL_PAGE: u32 = 1_000;

impl Staged {
    /// The key pairs that the manifest's valid rows name, for a world that holds exactly these.
    pub(super) async fn rehearsal_rows(&mut self) -> Result<Vec<RehearsalRow>, CliError> {
        let mut rows = Vec::new();
        let mut after = 0;
        loop {
            let page = self.stage.joined::<StagedRow, IgnoredAny>(after, REHEARSAL_PAGE).await?;
            let Some(last) = page.last() else { return Ok(rows) };
            after = last.row;
            rows.extend(page.into_iter().filter(|joined| joined.first == joined.row).filter_map(|joined| {
                let staged = joined.body;
                staged.faults.is_empty().then_some(RehearsalRow {
                    region: joined.region,
                    name: joined.name,
                    fingerprint: staged.expected_fingerprint,
                    arn: staged.arn,
                    created_at: staged.created_at,
                })
            }));
        }
    }
}
