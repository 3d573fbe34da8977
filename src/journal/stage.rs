//! The scratch database of one plan, whatever keeps it: the manifest's rows and the inventory, joined.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::JournalError;
use crate::domain::{Known, Target};

/// What a scratch database answers. Each of these fails if the database does.
pub type Staged<'a, T> = Pin<Box<dyn Future<Output = Result<T, JournalError>> + Send + 'a>>;

/// Which rows a guard may refuse a plan for, besides those that name an account which no target has.
#[derive(Debug, Clone, Copy)]
pub struct Refusing {
    /// Whether to include rows whose key pair was used to create instances.
    pub in_use: bool,
    /// Whether to include rows whose name an earlier run knows.
    pub known: bool,
}

/// What stores the rows and the inventory. A page of rows is a text: one JSON object per row ([`Joined`]). The account of a target
/// is empty here where it is the home account, because most rows are in that, and it is not known before the credentials are.
pub trait Staging: fmt::Debug + Send {
    /// As [`Stage::put_rows`].
    fn put_rows<'a>(&'a mut self, rows: &'a [StageRow]) -> Staged<'a, ()>;

    /// As [`Stage::fill_region`].
    fn fill_region<'a>(&'a mut self, region: &'a str) -> Staged<'a, ()>;

    /// As [`Stage::replace`].
    fn replace<'a>(&'a mut self, row: u64, body: &'a str) -> Staged<'a, ()>;

    /// As [`Stage::index_rows`].
    fn index_rows(&mut self) -> Staged<'_, ()>;

    /// As [`Stage::settle_home`].
    fn settle_home<'a>(&'a mut self, home: &'a str, reached: &'a BTreeSet<&'a str>) -> Staged<'a, ()>;

    /// As [`Stage::put_seen`].
    fn put_seen<'a>(&'a mut self, target: &'a Target, seen: &'a [(String, String)]) -> Staged<'a, ()>;

    /// As [`Stage::put_used`].
    fn put_used<'a>(&'a mut self, target: &'a Target, used: &'a [(String, String)]) -> Staged<'a, ()>;

    /// As [`Stage::among`].
    fn among<'a>(&'a mut self, names: &'a str) -> Staged<'a, String>;

    /// As [`Stage::put_known`].
    fn put_known<'a>(&'a mut self, run: &'a str, same_manifest: bool, known: &'a str) -> Staged<'a, ()>;

    /// As [`Stage::targets`].
    fn targets(&self) -> &[Target];

    /// As [`Stage::joined`], as text.
    fn joined(&mut self, after: u64, limit: u32) -> Staged<'_, String>;

    /// As [`Stage::suspects`], as text.
    fn suspects(&mut self, after: u64, limit: u32, refusing: Refusing) -> Staged<'_, String>;

    /// As [`Stage::twins`].
    fn twins(&mut self, after: u64, limit: u32) -> Staged<'_, Vec<Twins>>;
}

/// The scratch database of one plan.
#[derive(Debug)]
pub struct Stage {
    kept_by: Box<dyn Staging>,
    /// The home account, once it is known.
    home: String,
}

/// A row of the manifest, as it is staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRow {
    /// Its number.
    pub row: u64,
    /// The account of its target; empty where that is the home account.
    pub account: String,
    /// Its region; empty where it names none.
    pub region: String,
    /// The key pair's name; empty for an invalid row.
    pub name: String,
    /// The account that it names, if any.
    pub named: Option<String>,
    /// All of it, as JSON.
    pub body: String,
}

/// A row of the manifest with what is known about its key pair.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Joined<Row, Seen> {
    /// The row's number.
    pub row: u64,
    /// The account of its target; empty where that is the home account, and that is not known yet.
    pub account: String,
    /// Its region.
    pub region: String,
    /// The key pair's name.
    pub name: String,
    /// What was staged of the row.
    pub body: Row,
    /// What was staged of the inventory.
    pub seen: Option<Seen>,
    /// Whether two key pairs of this name were listed.
    pub ambiguous: bool,
    /// How many instances name this key pair, and one of them.
    pub used: Option<(u64, String)>,
    /// The first row that names the same key pair; the row itself if there is no other.
    pub first: u64,
    /// What earlier runs know of this name.
    pub known: Vec<Known>,
}

/// Two rows that name the same key pair: the first one that does, and a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twins {
    /// The key pair's name.
    pub name: String,
    /// The first row's number and what was staged of it.
    pub first: (u64, String),
    /// The later row's.
    pub later: (u64, String),
}

impl Stage {
    /// Kept by `staging`.
    pub fn new(staging: impl Staging + 'static) -> Self {
        Self { kept_by: Box::new(staging), home: String::new() }
    }

    /// Adds rows, in the order of their numbers.
    ///
    /// # Errors
    /// If the database fails; this applies to every method here.
    pub async fn put_rows(&mut self, rows: &[StageRow]) -> Result<(), JournalError> {
        self.kept_by.put_rows(rows).await
    }

    /// Puts rows that name no region into `region`.
    pub async fn fill_region(&mut self, region: &str) -> Result<(), JournalError> {
        self.kept_by.fill_region(region).await
    }

    /// Replaces what was staged of a row.
    pub async fn replace(&mut self, row: u64, body: &str) -> Result<(), JournalError> {
        self.kept_by.replace(row, body).await
    }

    /// Indexes the rows by name; call this once, after the last row.
    pub async fn index_rows(&mut self) -> Result<(), JournalError> {
        self.kept_by.index_rows().await
    }

    /// Says which account the home account is: that of all rows whose target has none. Rows whose target has this very account
    /// are in the same target as those from now on. Rows that name an account which is not `reached` are suspects, and in no target.
    pub async fn settle_home(&mut self, home: &str, reached: &BTreeSet<&str>) -> Result<(), JournalError> {
        home.clone_into(&mut self.home);
        self.kept_by.settle_home(home, reached).await
    }

    /// A target as it is kept.
    fn kept(&self, target: &Target) -> Target {
        let account = if target.account == self.home { String::new() } else { target.account.clone() };
        Target { account, region: target.region.clone() }
    }

    /// Adds a page of a target's inventory: (name, body). A body is a JSON array that begins with arn and creation time.
    pub async fn put_seen(&mut self, target: &Target, seen: &[(String, String)]) -> Result<(), JournalError> {
        let target = self.kept(target);
        self.kept_by.put_seen(&target, seen).await
    }

    /// Adds a page of a target's instances: (key pair's name, instance's name).
    pub async fn put_used(&mut self, target: &Target, used: &[(String, String)]) -> Result<(), JournalError> {
        let target = self.kept(target);
        self.kept_by.put_used(&target, used).await
    }

    /// Which of an earlier run's rows are about a key pair that a row here names: takes a JSON array of (account, region, name,
    /// number), and returns a JSON array of the numbers. The rows must have been indexed.
    pub async fn among(&mut self, names: &str) -> Result<String, JournalError> {
        self.kept_by.among(names).await
    }

    /// Adds what an earlier run knows: a JSON array of (account, region, name, identity or null, when the run began). Earlier
    /// runs come before later ones.
    pub async fn put_known(&mut self, run: &str, same_manifest: bool, known: &str) -> Result<(), JournalError> {
        self.kept_by.put_known(run, same_manifest, known).await
    }

    /// The targets of the rows that have a name, in the order in which they first appear. The account of one is empty where it is
    /// the home account, and that is not known yet.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let mut targets = self.kept_by.targets().to_vec();
        targets.iter_mut().filter(|target| target.account.is_empty()).for_each(|target| {
            self.home.clone_into(&mut target.account);
        });
        targets
    }

    /// The next rows after `after`, in order.
    pub async fn joined<Row, Seen>(&mut self, after: u64, limit: u32) -> Result<Vec<Joined<Row, Seen>>, JournalError>
    where
        Row: DeserializeOwned,
        Seen: DeserializeOwned,
    {
        let page = records(&self.kept_by.joined(after, limit).await?)?;
        Ok(self.at_home(page))
    }

    /// The next rows after `after` that a guard may refuse the plan for.
    pub async fn suspects<Row, Seen>(
        &mut self,
        after: u64,
        limit: u32,
        refusing: Refusing,
    ) -> Result<Vec<Joined<Row, Seen>>, JournalError>
    where
        Row: DeserializeOwned,
        Seen: DeserializeOwned,
    {
        let page = records(&self.kept_by.suspects(after, limit, refusing).await?)?;
        Ok(self.at_home(page))
    }

    fn at_home<Row, Seen>(&self, mut rows: Vec<Joined<Row, Seen>>) -> Vec<Joined<Row, Seen>> {
        for row in rows.iter_mut().filter(|row| row.account.is_empty()) {
            self.home.clone_into(&mut row.account);
        }
        rows
    }

    /// Rows that name the same key pair as an earlier one, after row `after`, in order.
    pub async fn twins(&mut self, after: u64, limit: u32) -> Result<Vec<Twins>, JournalError> {
        self.kept_by.twins(after, limit).await
    }
}

/// Reads a page of rows.
fn records<Row, Seen>(page: &str) -> Result<Vec<Joined<Row, Seen>>, JournalError>
where
    Row: DeserializeOwned,
    Seen: DeserializeOwned,
{
    let records = serde_json::Deserializer::from_str(page).into_iter();
    records.collect::<Result<_, _>>().map_err(|error| JournalError::damaged(format!("a staged row: {error}")))
}
