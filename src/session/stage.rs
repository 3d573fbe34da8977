//! The manifest on the stage: read, judged, and each row in its region.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use serde::de::IgnoredAny;

use super::accounts::Connections;
use super::error::{Refusal, Sent, SessionError};
use super::host::{Host, NamedPair};
use super::order::Subject;
use crate::domain::RunId;
use crate::journal::JournalError;
use crate::journal::stage::Stage;
use crate::manifest::{self, Faults, Ingested};
use crate::plan::stage::{StageError, compare_twins, stage_manifest};
use crate::policy::StagedRow;
use crate::record::event::ManifestIngested;

/// What a manifest is read from.
pub type Input = Box<dyn Read + Send>;

/// A manifest on the stage, and what is known of it.
pub(super) struct Staged {
    pub(super) stage: Stage,
    pub(super) ingested: Ingested,
}

/// Why nothing could be staged.
pub(super) enum Unstaged {
    /// With what is known of the manifest if it could be read to its end.
    Manifest(Box<Faults>, Option<Box<Ingested>>),
    Other(SessionError),
}

impl From<JournalError> for Unstaged {
    fn from(error: JournalError) -> Self {
        Self::Other(error.into())
    }
}

pub(super) async fn stage<H: Host>(
    host: &H,
    (subject, accounts): (&Subject, &BTreeSet<String>),
    input: Input,
    directory: &Path,
    run: RunId,
) -> Result<Staged, Unstaged> {
    let mut stage = host.stage(directory, run).await?;
    let name = &subject.manifest;
    let options = manifest::Options {
        allow_default_key_pair: subject.allow_default_key_pair,
        annotations: subject.annotations.clone(),
    };
    let ingested = match stage_manifest(&mut stage, name, input, options, (subject.skip_invalid, accounts)).await {
        Ok(ingested) => ingested,
        Err(StageError::Refused(faults, ingested)) => return Err(Unstaged::Manifest(faults, ingested)),
        Err(StageError::Stage(error)) => return Err(error.into()),
        Err(error) => {
            return Err(Unstaged::Other(SessionError::new(Refusal::ManifestUnreadable(error)).sent(Sent::Nothing)));
        }
    };
    if stage.targets().iter().any(|target| target.region.is_empty()) {
        let region = host.default_region().await.map_err(|error| Unstaged::Other(SessionError::outside(error)))?;
        let Some(region) = region else {
            return Err(Unstaged::Other(SessionError::new(Refusal::NoRegion).sent(Sent::Nothing)));
        };
        stage.fill_region(&region).await?;
    }
    stage.index_rows().await?;
    let faults = compare_twins(&mut stage, name, subject.skip_invalid).await?;
    if !faults.is_empty() {
        return Err(Unstaged::Manifest(Box::new(faults), Some(Box::new(ingested))));
    }
    Ok(Staged { stage, ingested })
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
    /// Puts the rows that name no account into that of the credentials. Rows that name this very account are in the same targets from
    /// now on, and some of them may contradict one another.
    pub(super) async fn settle_home<L>(
        &mut self,
        subject: &Subject,
        connections: &Connections<L>,
    ) -> Result<Faults, JournalError> {
        let home = &connections.place.caller.account;
        let is_named = self.stage.targets().iter().any(|target| target.account == *home);
        self.stage.settle_home(home, &connections.accounts()).await?;
        if is_named {
            compare_twins(&mut self.stage, &subject.manifest, subject.skip_invalid).await
        } else {
            Ok(Faults::new(&subject.manifest))
        }
    }

    /// The key pairs that the manifest's valid rows name, for a world that holds exactly these.
    pub(super) async fn named_pairs(&mut self) -> Result<Vec<NamedPair>, JournalError> {
        let mut rows = Vec::new();
        let mut after = 0;
        loop {
            let page = self.stage.joined::<StagedRow, IgnoredAny>(after, REHEARSAL_PAGE).await?;
            let Some(last) = page.last() else { return Ok(rows) };
            after = last.row;
            rows.extend(page.into_iter().filter(|joined| joined.first == joined.row).filter_map(|joined| {
                let staged = joined.body;
                staged.faults.is_empty().then_some(NamedPair {
                    account: Some(joined.account).filter(|account| !account.is_empty()),
                    region: joined.region,
                    name: joined.name,
                    fingerprint: staged.expected_fingerprint().map(str::to_owned),
                    arn: staged.arn,
                    created_at: staged.created_at,
                })
            }));
        }
    }
}
