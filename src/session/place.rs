//! Where a session's requests go, and as whom.

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::domain::{RunId, Settings};
use crate::lightsail::Caller;

/// Where to connect to, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// Whether to the service or to a world.
    pub goal: Goal<'a>,
    /// The account that is reached as the configuration says; without one, it is that of the default credentials.
    pub account: Option<&'a str>,
    /// The run that requests name.
    pub run: RunId,
    /// A region that the run has usable rows in, if any.
    pub region: Option<&'a str>,
    /// The endpoint of a run that is continued.
    pub bound: Option<&'a str>,
    /// How long requests may take.
    pub settings: &'a Settings,
}

/// Where requests are to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal<'a> {
    /// To AWS, or whatever the configuration names.
    Service,
    /// To the world that was [made ready](super::Host::world), kept in this directory or nowhere.
    NewWorld(Option<&'a Path>),
    /// To the world that is kept in this directory.
    OldWorld(&'a Path),
}

/// The service, and what a run is bound to.
pub struct Connection<L> {
    /// What requests go through.
    pub port: Arc<L>,
    /// Where they go, and as whom.
    pub place: Place,
    /// Kept while the connection lives.
    pub kept: Option<Box<dyn Any + Send + Sync>>,
}

impl<L> fmt::Debug for Connection<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Where requests go, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Whose credentials they are. In a run over several accounts, those for the rows that name none.
    pub caller: Caller,
    /// The address with `{region}` in it, or `sandbox:<world id>`.
    pub endpoint: String,
    /// The address as such.
    pub address: String,
    /// The setting that leads requests elsewhere than to the service's own address, if one does.
    pub redirected_by: Option<String>,
    /// The id of the world, where this is a rehearsal.
    pub world: Option<String>,
    /// The profile that is used, if one is; none in a rehearsal.
    pub profile: Option<String>,
    /// Where the credentials come from; none in a rehearsal.
    pub credentials_source: Option<String>,
    /// The accounts that are reached as the configuration says, in order.
    pub accounts: Vec<Reached>,
}

/// An account, and as whom it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Whose credentials they are.
    pub caller: Caller,
    /// The profile that is used, if one is.
    pub profile: Option<String>,
    /// Where the credentials come from.
    pub credentials_source: Option<String>,
}

impl From<&Place> for Reached {
    fn from(place: &Place) -> Self {
        let Place { caller, profile, credentials_source, .. } = place.clone();
        Self { caller, profile, credentials_source }
    }
}

impl Place {
    /// Whether this is a rehearsal.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        self.world.is_some()
    }
}
