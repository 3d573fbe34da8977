//! Lists what there is in a target, without a plan: each key pair, and the instances that were made with it. Only reads are sent.
//!
//! A listing that is not whole is an error, however far it came: what it does not name must not pass for absent.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::time::Duration;

use super::error::{PlanError, foreign};
use super::observe::{MOST_PAGES, TRIES};
use super::select::Listed;
use crate::domain::{ApiError, Class, Reply};
use crate::lane::{Lane, Reading};
use crate::lightsail::{Instance, Lightsail, ListingPage};

/// How a target is listed.
#[derive(Debug, Clone, Copy)]
pub struct Listing {
    /// How long throttled requests are repeated.
    pub patience: Duration,
    /// Whether to list instances, too.
    pub instances: bool,
}

/// Why a target could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A request was refused or had no usable answer, or its answer came from elsewhere.
    #[error(transparent)]
    Read(#[from] PlanError),
    /// What was listed could not be kept.
    #[error("what was listed could not be written")]
    Keep(#[source] io::Error),
}

/// Which regions the service has, as it answers in the region of `lane`.
///
/// # Errors
/// If it does not say.
pub async fn regions<L: Lightsail>(lane: &Lane<L>, patience: Duration) -> Result<Vec<String>, PlanError> {
    read(lane, patience, "lightsail:GetRegions", || lane.port.get_regions(&lane.target.region)).await
}

impl Listing {
    /// Lists the target of `lane`, and gives each of its key pairs to `keep`. One page of key pairs is held at a time, and the
    /// names of all instances.
    ///
    /// # Errors
    /// If not every page was listed, or `keep` fails. What was given to `keep` by then is not the whole.
    pub async fn list<L: Lightsail>(
        self,
        lane: &Lane<L>,
        mut keep: impl FnMut(Listed) -> io::Result<()>,
    ) -> Result<(), ListError> {
        let used = if self.instances { Some(self.used(lane).await?) } else { None };
        let action = "lightsail:GetKeyPairs";
        let mut pages = Pages::default();
        loop {
            let token = pages.token.as_deref();
            let request = || lane.port.get_key_pairs(&lane.target.region, token);
            let page = read(lane, self.patience, action, request).await?;
            for pair in page.items {
                let used_by = used.as_ref().map(|used| used.get(&pair.name).cloned().unwrap_or_default());
                keep(Listed { pair, used_by }).map_err(ListError::Keep)?;
            }
            if !pages.go_on(lane, action, page.next)? {
                return Ok(());
            }
        }
    }

    /// The instances that were made with key pairs of each name.
    async fn used<L: Lightsail>(self, lane: &Lane<L>) -> Result<BTreeMap<String, Vec<String>>, PlanError> {
        let mut used = BTreeMap::<String, Vec<String>>::new();
        let keep = |Instance { name, ssh_key_name, .. }| {
            if let Some(key) = ssh_key_name {
                used.entry(key).or_default().push(name);
            }
        };
        self.each_instance(lane, keep).await?;
        Ok(used)
    }

    /// Gives each instance of the target of `lane` to `keep`, one page after the other.
    ///
    /// # Errors
    /// If not every page was listed. What was given to `keep` by then is not the whole.
    pub async fn each_instance<L: Lightsail>(
        self,
        lane: &Lane<L>,
        keep: impl FnMut(Instance),
    ) -> Result<(), PlanError> {
        let action = "lightsail:GetInstances";
        let (mut pages, mut keep) = (Pages::default(), keep);
        loop {
            let token = pages.token.as_deref();
            let request = || lane.port.get_instances(&lane.target.region, token);
            let page: ListingPage<Instance> = read(lane, self.patience, action, request).await?;
            page.items.into_iter().for_each(&mut keep);
            if !pages.go_on(lane, action, page.next)? {
                return Ok(());
            }
        }
    }
}

/// Where a listing is.
#[derive(Debug, Default)]
struct Pages {
    token: Option<String>,
    read: u64,
}

impl Pages {
    /// Whether there is another page. A listing that repeats its token, or never ends, is not whole.
    fn go_on<L>(&mut self, lane: &Lane<L>, action: &'static str, next: Option<String>) -> Result<bool, PlanError> {
        self.read += 1;
        if next.is_some() && (next == self.token || self.read >= MOST_PAGES) {
            let said = format!("its pages do not end (page {})", self.read);
            return Err(PlanError::Unreadable { action, target: lane.target.clone(), said, error: None });
        }
        self.token = next;
        Ok(self.token.is_some())
    }
}

/// Makes one request, again where no usable answer comes.
async fn read<L, T, F>(
    lane: &Lane<L>,
    patience: Duration,
    action: &'static str,
    request: impl Fn() -> F,
) -> Result<T, PlanError>
where
    F: Future<Output = Reply<T>>,
{
    let mut tries = 0;
    loop {
        let Reading { reply, .. } = lane.read(patience, &request).await?;
        tries += 1;
        if lane.is_foreign(&reply.exchange) {
            return Err(foreign(lane, &reply.exchange));
        }
        let error = match reply.result {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let is_final = matches!(error.class, Class::RefusedForAll | Class::Refused | Class::NotFound);
        if error.class == Class::Denied || is_final || tries >= TRIES {
            return Err(refused(lane, action, error));
        }
        crate::lane::pause(tries).await;
    }
}

fn refused<L>(lane: &Lane<L>, action: &'static str, error: ApiError) -> PlanError {
    let (target, said) = (lane.target.clone(), error.summary());
    match error.class {
        Class::Denied => PlanError::NotPermitted { action, target, said },
        _ => PlanError::Unreadable { action, target, said, error: Some(Box::new(error)) },
    }
}
