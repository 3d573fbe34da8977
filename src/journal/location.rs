//! Where a journal lies: in a file, or in a database that serves several machines.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Address;

/// Where a journal lies. Shown without a password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// The file; of a database, the path that stands for it on this machine.
    path: PathBuf,
    server: Option<Arc<Address>>,
}

impl Location {
    /// In a database. What a session keeps on this machine has names that begin like `beside`.
    #[must_use]
    pub fn server(address: Address, beside: PathBuf) -> Self {
        Self { path: beside, server: Some(Arc::new(address)) }
    }

    /// The file, unless it is a database.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.server.is_none().then_some(&*self.path)
    }

    /// Whether there may be a journal: whether the file exists. What a database holds is known once it is connected to.
    #[must_use]
    pub fn may_exist(&self) -> bool {
        self.file().is_none_or(Path::exists)
    }

    /// The database's address, if it is one.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.server.as_deref()
    }

    /// The same for a session that waits so long for a server that is lost.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        let server = self.server.as_ref().map(|address| Arc::new(Address::clone(address).with_patience(patience)));
        Self { server, ..self.clone() }
    }

    /// What a session keeps on this machine beside the journal has names that begin like this one: worlds of rehearsals, scratch
    /// files. Of a file it is the file's own name.
    #[must_use]
    pub fn beside(&self) -> &Path {
        &self.path
    }

    /// The directory of [`Location::beside`].
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self { path, server: None }
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::from(path.to_owned())
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        Self::from(path.clone())
    }
}

impl From<&Self> for Location {
    fn from(location: &Self) -> Self {
        location.clone()
    }
}

/// As it is shown.
impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server {
            Some(address) => address.fmt(f),
            None => self.path.display().fmt(f),
        }
    }
}
