//! What a review could not read. What can be read is shown all the same, and nothing that is missing passes for nothing.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::future::Future;

use crate::journal::JournalError;

/// What could not be read.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    fields: BTreeSet<&'static str>,
    sentences: Vec<String>,
    first: Option<JournalError>,
}

impl Gaps {
    /// What `reading` yields; where it fails, nothing, and that is noted: of which field, and what that is in words.
    pub(super) async fn part<T: Default>(
        &mut self,
        field: &'static str,
        what: &str,
        reading: impl Future<Output = Result<T, JournalError>>,
    ) -> T {
        match reading.await {
            Ok(read) => read,
            Err(error) => {
                self.add(field, what, error);
                T::default()
            }
        }
    }

    /// Notes a field that could not be read.
    pub(super) fn add(&mut self, field: &'static str, what: &str, error: JournalError) {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        self.fields.insert(field);
        self.sentences.push(format!("{what} could not be read: {error}{cause}"));
        self.first.get_or_insert(error);
    }

    /// Fails if anything could not be read.
    pub(super) fn whole(self) -> Result<(), JournalError> {
        self.first.map_or(Ok(()), Err)
    }

    /// The fields, and a sentence for each thing that could not be read.
    pub(super) fn told(self) -> (BTreeSet<&'static str>, Vec<String>) {
        (self.fields, self.sentences)
    }
}
